domain=$1 freeze_s=$2 frozen_s=$3
uri=${LIBVIRT_URI:-qemu:///system}
thaw() { timeout 60 virsh --connect "$uri" domfsthaw "$domain" >/dev/null; }
trap 'thaw; exit 143' TERM HUP INT
if timeout "$freeze_s" virsh --connect "$uri" domfsfreeze "$domain" >/dev/null; then
  printf 'frozen\nready\n'
  read -r -t "$frozen_s" _
  waited=$?
  thaw || exit 75
  [ "$waited" -le 128 ] || exit 76
else
  thaw 2>/dev/null
  printf 'unfrozen\nready\n'
  read -r -t "$frozen_s" _ || :
fi
exit 0
