domain=$1 mode=$2 agent_s=$3 hold_s=$4
uri=${LIBVIRT_URI:-qemu:///system}
run() { timeout -k 2 "$@" 9>&-; }
state=$(run 10 virsh --connect "$uri" domstate "$domain" 2>&1) || { echo "unfrozen $state"; echo ready; read -r _; exit 0; }
if [ "$state" != running ]; then echo "unfrozen the domain is $state"; echo ready; read -r _; exit 0; fi
case $mode in
  AGENT) hold=domfsfreeze go=domfsthaw limit=$agent_s ;;
  *) hold=suspend go=resume limit=10 ;;
esac
watchman='
go=$1 hold_s=$2 uri=$3 domain=$4
trap "" HUP INT TERM
word=
read -r -t "$hold_s" word
if [ "$word" = free ]; then exit 0; fi
for pause in 1 2 5 10 30 60; do
  timeout -k 2 30 virsh --connect "$uri" "$go" "$domain" && exit 0
  sleep "$pause"
done
'
exec 9> >(exec setsid bash --noprofile --norc -c "$watchman" watchman "$go" $((agent_s + hold_s)) "$uri" "$domain" >/dev/null 2>&1)
let_go() { run 30 virsh --connect "$uri" "$go" "$domain" >/dev/null && { echo free >&9; } 2>/dev/null; }
trap 'let_go; exit 143' TERM HUP INT
said=$(run "$limit" virsh --connect "$uri" "$hold" "$domain" 2>&1 >/dev/null)
if [ $? = 0 ]; then
  printf 'frozen\nready\n'
  read -r -t "$hold_s" _
  waited=$?
  let_go || exit 75
  [ "$waited" -le 128 ] || exit 76
else
  let_go 2>/dev/null || { echo free >&9; } 2>/dev/null
  printf 'unfrozen %s\nready\n' "${said//$'\n'/ }"
  read -r -t "$hold_s" _
fi
exit 0
