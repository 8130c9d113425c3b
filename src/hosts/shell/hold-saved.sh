config=$1 save=$2 restore=$3 domain=$4 file=$5 host=$6 vm=$7 hold_s=$8
LIBVIRT_URI=
if [ -r "$config" ]; then . "$config"; fi
uri=${LIBVIRT_URI:-qemu:///system}
on_domain() { timeout -k 2 30 virsh --connect "$uri" "$@" 9>&-; }
if [ ! -x "$save" ] || [ ! -x "$restore" ]; then
  echo "$save or $restore is missing" >&2
  exit 1
fi
state=$(on_domain domstate "$domain" 2>&1)
if [ "$state" != running ]; then
  echo "the domain is not running: $state" >&2
  exit 1
fi
# In a session of its own, which no signal to this script reaches. It learns by the pipe that the guest runs again; when the pipe closes in
# any other way, it restores the guest, once a save that still runs has ended.
watchman='
uri=$1 restore=$2 domain=$3 file=$4 host=$5 vm=$6
trap "" HUP INT TERM
word=
read -r word
if [ "$word" = free ]; then exit 0; fi
seen=0
for _ in $(seq 360); do
  if state=$(timeout -k 2 30 virsh --connect "$uri" domstate "$domain" 2>/dev/null); then
    case $state in
      running | idle | blocked)
        seen=$((seen + 1))
        if [ "$seen" -ge 3 ]; then exit 0; fi
        ;;
      shut*) "$restore" "$file" "$host" "$domain" "$vm" "$host" </dev/null && exit 0 ;;
    esac
  elif timeout -k 2 30 virsh --connect "$uri" list >/dev/null; then
    "$restore" "$file" "$host" "$domain" "$vm" "$host" </dev/null && exit 0
  fi
  sleep 5
done
timeout -k 2 30 virsh --connect "$uri" resume "$domain"
'
exec 9> >(exec setsid bash --noprofile --norc -c "$watchman" watchman "$uri" "$restore" "$domain" "$file" "$host" "$vm" >/dev/null 2>&1)
free() { { echo free >&9; } 2>/dev/null; }
let_go() { "$restore" "$file" "$host" "$domain" "$vm" "$host" </dev/null >/dev/null 9>&- && free; }
saved=
trap 'if [ -n "$saved" ]; then let_go; fi; exit 143' TERM HUP INT
if said=$("$save" "$domain" "$file" "$host" "$vm" "$host" </dev/null 2>&1 >/dev/null 9>&-); then
  saved=1
else
  case $(on_domain domstate "$domain" 2>/dev/null) in
    paused*) on_domain resume "$domain" >/dev/null && free ;;
    running | idle | blocked) free ;;
  esac
  printf '%s\n' "$said" >&2
  exit 1
fi
printf 'saved\nready\n'
read -r -t "$hold_s" _
waited=$?
let_go || exit 75
[ "$waited" -le 128 ] || exit 76
exit 0
