staging=$1 stores=$2; shift 2
printf '%s\n' "$stores" | while IFS= read -r store; do
  [ -n "$store" ] || continue
  for vm in "$store"/*/; do
    vm=${vm%/}
    case ${vm##*/} in *[!0-9]*|'') ;; *) printf 'vm=%s %s\n' "${store##*/}" "${vm##*/}" ;; esac
  done
done
printf 'kernel=%s\n' "$(uname -r)"
if [ -r /sys/module/drbd/version ]; then printf 'drbd=%s\n' "$(cat /sys/module/drbd/version)"
elif command -v modinfo >/dev/null 2>&1; then printf 'drbd=%s\n' "$(modinfo -F version drbd 2>/dev/null)"; fi
printf 'qemu-img=%s\n' "$(qemu-img --version 2>/dev/null | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || printf 'missing=%s\n' "$tool"; done
printf 'groups=%s\n' "$(id -Gn)"
printf 'uid=%s\n' "$(id -u)"
printf 'clock=%s\n' "$(date +%s.%N)"
printf 'staging-free=%s\n' "$(df -Pk -- "$staging" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -w "$staging" ]; then echo staging-writable=yes; fi
if command -v lvmconfig >/dev/null 2>&1; then
  printf 'lvm=%s\n' "$(lvmconfig --type full devices/global_filter devices/filter devices/use_devicesfile 2>/dev/null | tr '\n' ' ')"
fi
if command -v multipath >/dev/null 2>&1 && pgrep -x multipathd >/dev/null 2>&1; then
  if multipath -t 2>/dev/null | grep -q drbd; then echo multipath=excluded; else echo multipath=open; fi
fi
if command -v dmsetup >/dev/null 2>&1; then
  dmsetup table --target thin-pool 2>/dev/null | sed -n 's/^\([^:]*\): .*skip_block_zeroing.*/unzeroed=\1/p'
fi
if command -v drbdsetup >/dev/null 2>&1; then
  drbdsetup status 2>/dev/null | awk '/^[^ ]/ { name = $1 } /suspended/ { print "suspended=" name }'
fi
true
