report() { printf '%s\0' "$1" "$2" "$3" "$4"; }
identities() { # paths, NUL separated, on stdin -> identity|path
  local type number inode name
  xargs -0r stat -Lc '%F|%t:%T|%d:%i|%n' 2>/dev/null |
    while IFS='|' read -r type number inode name; do
      case $type in
        'block special file') echo "b$number|$name" ;;
        'regular file' | 'regular empty file') echo "f$inode|$name" ;;
      esac
    done
  return 0
}
open_files() { find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname '/*' -print0 2>/dev/null | identities; }
disk_links() {
  if [ -d "$1" ]; then
    find "$1/" -mindepth 3 -maxdepth 3 -name 'disk.*' -type l -print0 2>/dev/null | identities
  fi
}
upper_layers() { # index identity
  local number=${2#b} major minor holder field mount
  major=$((16#${number%%:*})) minor=$((16#${number##*:}))
  for holder in "/sys/dev/block/$major:$minor/holders/"*; do
    if [ -e "$holder" ]; then report H "$1" "${holder##*/}" ''; fi
  done
  while read -r _ _ field _ mount _; do
    if [ "$field" = "$major:$minor" ]; then report M "$1" "$mount" ''; fi
  done </proc/self/mountinfo
}
use_of() { # datastores directory, paths...
  local datastores=$1 files links index=0 path id found name pid command
  shift
  files=$(open_files)
  links=$(disk_links "$datastores")
  if [ "$(id -u)" != 0 ] && ! ls /proc/1/fd >/dev/null 2>&1; then report V 0 '' ''; fi
  for path in "$@"; do
    id=$(printf '%s\0' "$path" | identities) id=${id%%|*}
    if [ -z "$id" ]; then report D "$index" '' ''; index=$((index + 1)); continue; fi
    report D "$index" "$(readlink -f -- "$path")" ''
    while IFS='|' read -r found name; do
      if [ "$found" != "$id" ]; then continue; fi
      pid=${name#/proc/} pid=${pid%%/*} command=
      { read -r command <"/proc/$pid/comm"; } 2>/dev/null
      report P "$index" "$pid" "$command"
    done <<<"$files"
    case $id in b*) upper_layers "$index" "$id" ;; esac
    while IFS='|' read -r found name; do
      if [ "$found" = "$id" ]; then report L "$index" "$name" ''; fi
    done <<<"$links"
    index=$((index + 1))
  done
}
