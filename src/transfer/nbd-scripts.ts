import { hearFunction } from '../hosts/greeting.ts';
import { alienCode, identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { wireCodes, zeroFunctions } from './wire.ts';

/**
 * An image onto a device of another machine by NBD: there `qemu-nbd` serves the device on a socket of its own, here `qemu-img
 * convert` writes to it through ssh's forwarding. Both come with the package of qemu-img. Zeroes and holes are found on this
 * side, in whatever format the source is; requests overlap, and nothing lies in between.
 *
 * The connection is one of its own: a ControlMaster would keep the forwarding after our session has ended, and an image would block
 * what else it carries.
 */

/** A socket's path may have 107 bytes; every host has /tmp. */
export const socketDirectory = (): string => `/tmp/.linstor_un-nbd-${crypto.randomUUID()}`;

/**
 * Arguments: device, what it is, reads zero (0/1), bytes of the image, directory for the socket. Says `ready` when the device is served, and waits for `go`,
 * which means that all is written; the end of stdin instead means that nobody waits any more. Prints the image's length when
 * all is on the disk. The device is never created.
 */
export const nbdReceiver = `${sizeFunctions}${identityFunctions}${zeroFunctions}
device=$1 wanted=$2 reads_zero=$3 total=$4 directory=$5 server=
case $(kind_of "$device") in block|file) ;; *) exit ${wireCodes.noDevice} ;; esac
require_volume "$device" "$wanted"
capacity=$(size_of "$device") || exit ${wireCodes.noDevice}
if [ "$total" -gt "$capacity" ]; then exit ${wireCodes.tooLarge}; fi
command -v qemu-nbd >/dev/null || exit ${wireCodes.noBridge}
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null; wait "$server"; server=; fi
  rm -rf -- "$directory"
}
trap finish EXIT
trap 'exit ${wireCodes.brokenStream}' HUP INT TERM
mkdir -m 700 -- "$directory" || exit ${wireCodes.noBridge}
cache=writeback
if can_direct "$device"; then cache=none; fi
qemu-nbd --format=raw --cache="$cache" --discard=unmap --persistent --shared=1 --socket="$directory/nbd" "$device" </dev/null >&2 &
server=$!
for pause in 0.01 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5; do
  if [ -S "$directory/nbd" ]; then break; fi
  kill -0 "$server" 2>/dev/null || exit ${wireCodes.noBridge}
  sleep "$pause"
done
[ -S "$directory/nbd" ] || exit ${wireCodes.noBridge}
echo ready
word=
read -r word
finish
if [ "$word" != go ]; then exit ${wireCodes.brokenStream}; fi
if [ "$reads_zero" != 1 ]; then zero_range "$device" "$total" $((capacity - total)) || exit 1; fi
flush "$device" || exit 1
echo "$total"
`;

/**
 * Arguments: format, source, what it is (`-`: no volume), source as a part (a JSON name, or empty), reads zero (0/1), bytes a second (0: no limit), the
 * receiver's directory, then the words that start the receiver: ssh, its options, host and command. stdin stays open as long
 * as somebody waits (pipeline.ts, holdStdin).
 *
 * `noBridge` means that nothing was written: no qemu-nbd there, or the site's ssh forwards nothing.
 *
 * Of the ciphers that the site allows, AES-GCM is taken first where this processor has instructions for it: half the time.
 */
export const nbdSender = `${hearFunction}${identityFunctions}${zeroFunctions}
format=$1 source=$2 wanted=$3 part=$4 reads_zero=$5 limit=$6 remote=$7 watch= job= receiver=
shift 7
if [ ! -b "$source" ] && [ ! -f "$source" ]; then exit ${wireCodes.noSource}; fi
if [ "$wanted" != - ]; then require_volume "$source" "$wanted"; fi
directory=$(mktemp -d /tmp/.linstor_un-nbd-XXXXXXXX) || exit ${wireCodes.noBridge}

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
  allowed=,$("$1" -G "\${@:2}" 2>/dev/null | sed -n 's/^ciphers //p'),
  others=\${allowed/,$fast,/,}
  if [ "$others" != "$allowed" ]; then connection+=(-o "Ciphers=$fast\${others%,}"); fi
fi
mkfifo -m 600 "$directory/to" "$directory/from" || exit ${wireCodes.noBridge}
"$1" "\${connection[@]}" "\${@:2}" <"$directory/to" >"$directory/from" &
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
    ${wireCodes.noDevice} | ${wireCodes.tooLarge} | ${alienCode}) exit "$code" ;;
    *) exit ${wireCodes.noBridge} ;;
  esac
fi
watched() { # a command that can be ended while it runs
  "$@" </dev/null 5>&- 6<&- &
  job=$!
  wait "$job"
}
target="nbd+unix:///?socket=$directory/nbd"
# Does the connection carry it? So far nothing was written.
watched qemu-img info -f raw "$target" >/dev/null || exit ${wireCodes.noBridge}
help=$(qemu-img convert --help 2>/dev/null)
# 'unsafe', the default, never flushes.
options=(-n -p -W -m 16 -t writeback -O raw)
if [ -b "$source" ] && can_direct "$source"; then options+=(-T none); fi
if [ "$reads_zero" = 1 ]; then
  case $help in *--target-is-zero*) options+=(--target-is-zero) ;; esac
fi
if [ "$limit" != 0 ]; then
  case $help in *rate[-_]limit*) options+=(-r "$limit") ;; *) exit ${wireCodes.noBridge} ;; esac
fi
if [ -n "$part" ]; then options+=("$part"); else options+=(-f "$format" "$source"); fi
if ! watched qemu-img convert "\${options[@]}" "$target" >&2; then
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
`;
