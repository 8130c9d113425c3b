drbd_volume() { # minor -> resource/volume as the kernel says; nothing where it does not tell this user
  local target
  if target=$(readlink -- "/sys/kernel/debug/drbd/minors/$1" 2>/dev/null); then
    target=${target##*resources/}
    echo "${target/\/volumes\///}"
  elif [ -d /sys/module/drbd ] && command -v drbdsetup >/dev/null; then
    timeout 10 drbdsetup events2 --now </dev/null 2>/dev/null |
      sed -n "s|^exists device name:\([^ ]*\) volume:\([0-9]*\) minor:$1 .*|\1/\2|p"
  fi
}
named_volume() { # kind, name of the volume as LINSTOR makes it: <resource>_<five digits>
  case $2 in
    *_[0-9][0-9][0-9][0-9][0-9]) echo "$1 ${2%_*} $((10#${2##*_}))" ;;
    *) echo "$1 $2" ;;
  esac
}
mapped_volume() { # name, uuid of a device-mapper device
  local name=$1 escaped=$'\001'
  case $2 in
    LVM-*)
      # <volume group>-<volume>, with the dashes inside of each doubled.
      name=${name//--/$escaped} name=${name##*-}
      named_volume storage "${name//$escaped/-}" ;;
    CRYPT-*) named_volume luks "${name#Linstor-Crypt-}" ;;
    *) case $name in linstor_cache_* | linstor_writecache_*) name=${name#linstor_} && named_volume cache "${name#*_}" ;; esac ;;
  esac
}
exported_volume() { # directory in sysfs of an NVMe namespace that LINSTOR exports
  local system='' number=''
  { read -r system <"$1/device/subsysnqn"; read -r number <"$1/nsid"; } 2>/dev/null
  case $system in
    LS-NVMe_*) system=${system#LS-NVMe_} ;;
    nqn.2018-02.linbit.linstor:*) system=${system#*:} ;;
    *) return ;;
  esac
  if [ -n "$number" ]; then echo "nvme $system $((number - 1))"; fi
}
zfs_volume() { # path, name in /dev, name of the volume that is expected
  local tool full link
  for tool in /lib/udev/zvol_id /usr/lib/udev/zvol_id; do
    if [ -x "$tool" ] && full=$("$tool" "/dev/$2" 2>/dev/null); then named_volume storage "${full##*/}"; return; fi
  done
  for link in "$1" /dev/zvol/*/"$3" /dev/zvol/*/*/"$3"; do
    case $link in /dev/zvol/*/"$3") if [ "$link" -ef "$1" ]; then named_volume storage "$3"; return; fi ;; esac
  done
}
block_volume() { # block device, name of the volume that is expected: what the kernel says that it is
  local numbers sys name='' uuid='' below
  numbers=$(stat -Lc '%t:%T' -- "$1") || return
  numbers=$((16#${numbers%:*})):$((16#${numbers#*:}))
  sys=/sys/dev/block/$numbers
  name=$(readlink -- "$sys") name=${name##*/}
  case $name in
    dm-*) { read -r name <"$sys/dm/name" && read -r uuid <"$sys/dm/uuid"; } 2>/dev/null && mapped_volume "$name" "$uuid" ;;
    drbd*)
      name=$(drbd_volume "${numbers#*:}")
      if [ -n "$name" ]; then echo "drbd ${name%/*} ${name##*/}"; fi ;;
    loop*) { read -r name <"$sys/loop/backing_file"; } 2>/dev/null && name=${name##*/} && named_volume storage "${name%.img}" ;;
    nvme*) exported_volume "$sys" ;;
    zd*) zfs_volume "$1" "$name" "$2" ;;
    bcache*)
      for below in "$sys"/slaves/*; do
        if [ -e "$below" ] && [ "$(block_volume "/dev/${below##*/}" "$2")" = "$(named_volume storage "$2")" ]; then named_volume cache "$2"; return; fi
      done ;;
  esac
}
found_volume() { # path, resource and number that are expected: kind, resource and number of what is there; nothing where nobody says
  local found link=/dev/drbd/by-res/$2/$3
  if [ -b "$1" ]; then
    found=$(block_volume "$1" "$2_$(printf %05d "$3")")
  else
    # Only a laboratory has files as devices. They are named as a device of that kind would be.
    link=$(readlink -f -- "$1") || link=$1
    found=${link##*/} link=${link%/*}/drbd/by-res/$2/$3
    case $found in
      Linstor-Crypt-*) found=$(named_volume luks "${found#Linstor-Crypt-}") ;;
      drbd[0-9]*) found= ;;
      *) found=$(named_volume storage "${found%.img}") ;;
    esac
  fi
  # Where the kernel names no resource, udev's link does.
  case $found in 'drbd '*) ;; *) if [ "$1" -ef "$link" ]; then found="drbd $2 $3"; fi ;; esac
  printf '%s\n' "$found"
}
is_volume() { # path, wanted (kind, resource, number) -> fails, with the reason in $alien
  local found kind name number
  alien=
  read -r kind name number <<<"$2"
  if [ -z "$name" ]; then alien="nobody said which volume $1 should be"; return 1; fi
  found=$(found_volume "$1" "$name" "${number:-0}")
  # LINSTOR compares names without case.
  if [ "${found,,}" = "${2,,}" ]; then return 0; fi
  if [ -n "$found" ]; then alien="$1 is $found and not $2"; else alien="nothing on this host says that $1 is $2"; fi
  return 1
}
require_volume() { # path, wanted
  if is_volume "$1" "$2"; then return; fi
  printf '%s\n' "$alien" >&2
  exit 77
}
