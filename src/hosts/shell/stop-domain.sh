config=$1 domain=$2 document=$3
shift 3
note() { for resource; do : >"${document%/*}/.reverting-$resource" || exit 1; done; }
LIBVIRT_URI=
if [ -r "$config" ]; then . "$config"; fi
uri=${LIBVIRT_URI:-qemu:///system}
on_domain() { timeout -k 2 60 virsh --connect "$uri" "$@"; }
if ! state=$(on_domain domstate "$domain" 2>/dev/null); then
  on_domain list >/dev/null || exit 1
  note "$@"
  echo absent
  exit 0
fi
umask 077
case $state in
  shut*) ;;
  *)
    if ! on_domain dumpxml --security-info --migratable "$domain" >"$document.new" || [ ! -s "$document.new" ]; then
      rm -f -- "$document.new"
      echo "the document of $domain cannot be read" >&2
      exit 1
    fi
    mv -f -- "$document.new" "$document" || exit 1
    ;;
esac
note "$@"
on_domain destroy "$domain" >/dev/null
for _ in $(seq 60); do
  state=$(on_domain domstate "$domain" 2>/dev/null) || { on_domain list >/dev/null && state=shut; }
  case $state in shut*) echo stopped; exit 0 ;; esac
  sleep 1
done
echo "$domain does not end: $state" >&2
exit 1
