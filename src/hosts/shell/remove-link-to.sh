if [ ! -L "$1" ]; then exit 0; fi
target=$(readlink -- "$1") link=$1; shift
for device in "$@"; do if [ "$target" = "$device" ]; then rm -f -- "$link"; exit; fi; done
