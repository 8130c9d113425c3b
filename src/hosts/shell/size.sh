size_of() { # path -> bytes on stdout
  local ids major minor sectors
  if [ -b "$1" ]; then
    ids=$(stat -Lc '%t %T' -- "$1") || return 1
    read -r major minor <<<"$ids"
    if read -r sectors 2>/dev/null <"/sys/dev/block/$((16#$major)):$((16#$minor))/size"; then
      echo $((sectors * 512))
    else
      blockdev --getsize64 "$1"
    fi
  elif [ -f "$1" ]; then
    stat -Lc %s -- "$1"
  else
    return 1
  fi
}
kind_of() { # path -> block, file, stray (a regular file below /dev: the trace of a dd without a device), none
  local real
  if [ -b "$1" ]; then echo block; return; fi
  if [ ! -f "$1" ]; then echo none; return; fi
  real=$(readlink -f -- "$1") || { echo none; return; }
  case $real in /dev/shm/*) echo file ;; /dev/*) echo stray ;; *) echo file ;; esac
}
