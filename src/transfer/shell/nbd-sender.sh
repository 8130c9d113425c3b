format=$1 source=$2 wanted=$3 part=$4 reads_zero=$5 limit=$6 remote=$7 watch= job= receiver=
shift 7
if [ ! -b "$source" ] && [ ! -f "$source" ]; then exit 75; fi
if [ "$wanted" != - ]; then require_volume "$source" "$wanted"; fi
directory=$(mktemp -d /tmp/.linstor_un-nbd-XXXXXXXX) || exit 76

code=
close_receiver() { # until it has ended, the device is in use there
  local status=0
  exec 5>&-
  while [ "$status" = 0 ]; do read -r -t 20 _ <&6; status=$?; done
  if [ "$status" -gt 128 ]; then kill "$receiver"; fi
  wait "$receiver"
  code=$? receiver=
}
finish() {
  trap '' HUP INT TERM
  kill $watch $job 2>/dev/null
  if [ -n "$receiver" ]; then close_receiver; fi
  rm -rf -- "$directory"
}
trap finish EXIT
trap 'exit 143' HUP INT TERM

connection=(-o ControlPath=none -o ControlMaster=no -o ExitOnForwardFailure=yes -L "$directory/nbd:$remote/nbd")
fast=aes128-gcm@openssh.com
if grep -qw aes /proc/cpuinfo 2>/dev/null; then
  allowed=,$("$1" -G "${@:2}" 2>/dev/null | sed -n 's/^ciphers //p'),
  others=${allowed/,$fast,/,}
  if [ "$others" != "$allowed" ]; then connection+=(-o "Ciphers=$fast${others%,}"); fi
fi
mkfifo -m 600 "$directory/to" "$directory/from" || exit 76
"$1" "${connection[@]}" "${@:2}" <"$directory/to" >"$directory/from" &
receiver=$!
exec 5>"$directory/to" 6<"$directory/from"
{ read -r _; kill -TERM $$; } <&0 >/dev/null 2>&1 5>&- 6<&- &
watch=$!
disown "$watch"

answer=
hear <&6 && read -r answer <&6
if [ "$answer" != ready ]; then
  close_receiver
  case $code in
    71 | 72 | 77) exit "$code" ;;
    *) exit 76 ;;
  esac
fi
watched() { # a command that can be ended while it runs
  "$@" </dev/null 5>&- 6<&- &
  job=$!
  wait "$job"
}
target="nbd+unix:///?socket=$directory/nbd"
# Does the connection carry it? So far nothing was written.
watched qemu-img info -f raw "$target" >/dev/null || exit 76
help=$(qemu-img convert --help 2>/dev/null)
# 'unsafe', the default, never flushes.
options=(-n -p -W -m 16 -t writeback -O raw)
if [ -b "$source" ] && can_direct "$source"; then options+=(-T none); fi
if [ "$reads_zero" = 1 ]; then
  case $help in *--target-is-zero*) options+=(--target-is-zero) ;; esac
fi
if [ "$limit" != 0 ]; then
  case $help in *rate[-_]limit*) options+=(-r "$limit") ;; *) exit 76 ;; esac
fi
if [ -n "$part" ]; then options+=("$part"); else options+=(-f "$format" "$source"); fi
if ! watched qemu-img convert "${options[@]}" "$target" >&2; then
  close_receiver
  if [ "$code" = 255 ]; then exit 255; fi
  exit 1
fi
(echo go) >&5 2>/dev/null
answer=
read -r answer <&6
close_receiver
if [ "$code" != 0 ]; then exit "$code"; fi
echo "$answer"
