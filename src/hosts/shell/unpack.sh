unpack() {
  (
  set -e
  parent=$(dirname -- "$1")
  mkdir -p -- "$parent"
  new=$(mktemp -d "$parent/.linstor_un-XXXXXXXX")
  trap 'rm -rf -- "$new"' EXIT
  tar --extract --sparse --file=- --directory="$new"
  chmod 0755 "$new"
  # Whoever owns the other host may have packed what he likes.
  find "$new" ! -type f ! -type d ! -type l -delete
  find "$new" ! -type l -perm /6000 -exec chmod ug-s -- {} +
  stores=$(realpath -m -- "$1/../..")
  find "$new" -type l -print0 | while IFS= read -r -d '' link; do
    to=$(realpath -m -- "$link")
    case $to in
      "$(realpath -m -- "$new")"/* | "$(realpath -m -- "$1")"/* | /dev/*) continue ;;
      "$stores"/*/*/*) ;;
      # Another driver's disk that is an image of its datastore.
      "$stores"/*/*) case ${link##*/} in disk.*) if [ ! -d "$to" ]; then continue; fi ;; esac ;;
    esac
    rm -f -- "$link"
  done
  if [ -d "$1" ]; then
    find "$1" -mindepth 1 -maxdepth 1 -type l -name 'disk.*' -exec cp -dfT -- {} {}.keep \;
    for link in "$1"/disk.*.keep; do
      [ -L "$link" ] || continue
      name=${link##*/}
      # A file of that name is another driver's disk: it wins over a link that is left from before.
      if [ -e "$new/${name%.keep}" ] && [ ! -L "$new/${name%.keep}" ]; then rm -f -- "$link"; continue; fi
      mv -fT -- "$link" "$new/${name%.keep}"
    done
    rm -rf --one-file-system -- "$1"
  fi
  mv -T -- "$new" "$1"
  )
}
