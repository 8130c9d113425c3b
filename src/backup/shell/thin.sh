thin_pool=
as_root() { if [ "$(id -u)" = 0 ]; then "$@" 8<&-; else sudo -n "$@" 8<&-; fi; }
thin_release() {
  if [ -n "$thin_pool" ]; then as_root dmsetup message "$thin_pool" 0 release_metadata_snap >/dev/null 2>&1; fi
  thin_pool=
}
thin_ranges() { # names of the older and the newer snapshot -> "offset length" lines; says why not on stderr
  local old=$1 new=$2 name group pool id old_id= new_id= where= said sectors kind begin length ended=
  command -v thin_delta >/dev/null || { echo 'thin_delta (thin-provisioning-tools) is not installed' >&2; return 1; }
  while read -r name group pool id; do
    if [ -n "$where" ] && [ "$where" != "$group $pool" ]; then echo "$old and $new are in different pools" >&2; return 1; fi
    where="$group $pool"
    case $name in "$old") old_id=$id ;; "$new") new_id=$id ;; esac
  done < <(as_root lvs --noheadings -o lv_name,vg_name,pool_lv,thin_id --select "lv_name=$old || lv_name=$new")
  if [ -z "$old_id" ] || [ -z "$new_id" ]; then echo "lvs does not show $old and $new" >&2; return 1; fi
  read -r group pool <<<"$where"
  name=${group//-/--}-${pool//-/--}
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    said=$(as_root dmsetup message "$name-tpool" 0 reserve_metadata_snap 2>&1) && break
    if [ "$attempt" = 10 ]; then echo "the metadata of $group/$pool cannot be read: $said" >&2; return 1; fi
    sleep 1
  done
  thin_pool=$name-tpool
  # The device is opened as the group disk may, or as root.
  thin_delta -m --thin1 "$old_id" --thin2 "$new_id" "/dev/mapper/${name}_tmeta" >"$directory/delta" 2>"$directory/said" ||
    as_root thin_delta -m --thin1 "$old_id" --thin2 "$new_id" "/dev/mapper/${name}_tmeta" >"$directory/delta" 2>>"$directory/said" ||
    { tail -n 2 "$directory/said" >&2; thin_release; return 1; }
  thin_release
  sectors=$(sed -n 's/.*<superblock .*data_block_size="\([0-9]*\)".*/\1/p' "$directory/delta")
  if [ -z "$sectors" ] || ! grep -q '</superblock>' "$directory/delta"; then echo 'thin_delta broke off' >&2; return 1; fi
  # Discarded since: left_only. There the new content is zeroes, and they have to be in the increment.
  { grep -oE '<(different|left_only|right_only) [^>]*>' "$directory/delta" || [ $? = 1 ]; } |
    sed -n 's/.*begin="\([0-9]*\)" length="\([0-9]*\)".*/\1 \2/p' |
    while read -r begin length; do echo "$((begin * sectors * 512)) $((length * sectors * 512))"; done
}
