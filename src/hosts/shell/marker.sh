leave() { # directory, name -> $marked: where it was left; fails where there is nothing at all
  marked=$1
  while [ ! -d "$marked" ]; do
    marked=$(dirname -- "$marked")
    [ "$marked" != / ] || return 1
  done
  find "$marked" "$marked/.." -maxdepth 1 -type f -name '.linstor_un-*' -mmin +60 -delete 2>/dev/null || :
  marker=$marked/$2
  trap 'rm -f -- "$marker"' EXIT
  : >"$marker" || exit 1
}
sees() { # directory, name
  if [ ! -e "$1/$2" ]; then ls -- "$1" >/dev/null 2>&1; fi
  [ -e "$1/$2" ]
}
