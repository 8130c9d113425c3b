config=$1 domain=$2 document=$3
shift 3
LIBVIRT_URI=
if [ -r "$config" ]; then . "$config"; fi
uri=${LIBVIRT_URI:-qemu:///system}
on_domain() { timeout -k 2 80 virsh --connect "$uri" "$@"; }
runs() { case $(on_domain domstate "$domain" 2>/dev/null) in running | idle | blocked | paused | pmsuspended) return 0 ;; esac; return 1; }
if ! runs; then
  file=$document
  if [ ! -s "$file" ]; then
    # shellcheck disable=SC2012 # only numbers are taken from the names
    newest=$(ls "${document%/*}" 2>/dev/null | sed -n 's/^deployment\.\([0-9][0-9]*\)$/\1/p' | sort -n | tail -n 1)
    file=${document%/*}/deployment.$newest
  fi
  started=
  for pause in 1 2 0; do
    if said=$(on_domain create "$file" 2>&1 >/dev/null) || runs; then started=1; break; fi
    sleep "$pause"
  done
  if [ -z "$started" ]; then
    echo "$said" >&2
    exit 1
  fi
fi
rm -f -- "$document"
for resource; do rm -f -- "${document%/*}/.reverting-$resource"; done
