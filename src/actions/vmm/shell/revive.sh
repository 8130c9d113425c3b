LIBVIRT_URI=
if [ -r "$1" ]; then . "$1"; fi
uri=${LIBVIRT_URI:-qemu:///system}
state=$(virsh --connect "$uri" domstate "$2" 2>/dev/null) || { virsh --connect "$uri" list >/dev/null && echo absent; exit 0; }
case $state in
  paused*)
    # A save that was interrupted from outside still runs: ended, it lets the guest go on.
    virsh --connect "$uri" domjobabort "$2" >/dev/null 2>&1
    virsh --connect "$uri" resume "$2" >/dev/null 2>&1
    state=$(virsh --connect "$uri" domstate "$2" 2>/dev/null)
    ;;
esac
echo "$state"
