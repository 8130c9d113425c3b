config=$1 domain=$2
LIBVIRT_URI=
if [ -r "$config" ]; then . "$config"; fi
uri=${LIBVIRT_URI:-qemu:///system}
on_domain() { timeout -k 2 30 virsh --connect "$uri" "$@"; }
if state=$(on_domain domstate "$domain" 2>/dev/null); then
  case $state in shut*) echo absent ;; *) echo "$state" ;; esac
else
  on_domain list >/dev/null && echo absent
fi
