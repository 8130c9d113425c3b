import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { wireCodes, zeroFunctions } from './wire.ts';

/**
 * Source and target on one machine: qemu-img does it, in parallel and with direct I/O where the storage can.
 *
 * Arguments: format, source, what it is (`-`: no volume), the names of a part of it (`partNames`; empty: all of it), device, what it is, bytes, reads zero (0/1), verify (0/1).
 * stdin stays open as long as somebody waits (pipeline.ts, holdStdin): without that, a conversion on another host would go on
 * after its action has ended. Progress is qemu-img's own, on stderr.
 */
export const localCopy = `${sizeFunctions}${identityFunctions}${zeroFunctions}
format=$1 source=$2 source_is=$3 of_block=$4 of_file=$5
device=$6 device_is=$7 total=$8 reads_zero=$9 verify=\${10} part=
case $(kind_of "$device") in block|file) ;; *) exit ${wireCodes.noDevice} ;; esac
if [ ! -b "$source" ] && [ ! -f "$source" ]; then exit ${wireCodes.noSource}; fi
require_volume "$device" "$device_is"
if [ "$source_is" != - ]; then require_volume "$source" "$source_is"; fi
if [ -n "$of_block" ]; then
  length=$(size_of "$source") || exit ${wireCodes.noSource}
  if [ "$length" -lt "$total" ]; then exit ${wireCodes.noSource}; fi
  if [ "$length" -gt "$total" ]; then
    if [ -b "$source" ]; then part=$of_block; else part=$of_file; fi
  fi
fi
capacity=$(size_of "$device") || exit ${wireCodes.noDevice}
if [ "$total" -gt "$capacity" ]; then exit ${wireCodes.tooLarge}; fi

pid=
watched() { # a command, ended when stdin ends
  local watch code
  "$@" </dev/null &
  pid=$!
  { read -r _; kill -TERM "$pid"; } <&0 >/dev/null 2>&1 &
  watch=$!
  wait "$pid"
  code=$?
  kill "$watch" 2>/dev/null
  return "$code"
}

# 'unsafe', the default, never flushes.
options=(-n -W -m 8 -t writeback)
compare=()
if can_direct "$device"; then options+=(-t none); fi
if [ -b "$source" ] && can_direct "$source"; then options+=(-T none); fi
if can_direct "$source" && can_direct "$device"; then compare=(-T none); fi
if [ "$reads_zero" = 1 ] && qemu-img convert --help 2>/dev/null | grep -q -- --target-is-zero; then
  options+=(--target-is-zero)
fi
if [ -n "$part" ]; then name=$part; else name=$source; fi
if [ -n "$part" ]; then formats=(); else formats=(-f "$format"); fi
watched qemu-img convert -p "\${options[@]}" "\${formats[@]}" -O raw "$name" "$device" >&2 || exit 1
if [ "$reads_zero" != 1 ]; then zero_range "$device" "$total" $((capacity - total)) || exit 1; fi
flush "$device" || exit 1
if [ "$verify" = 1 ]; then
  # 1: they differ. The longer one must be zero at its end.
  watched qemu-img compare "\${compare[@]}" "\${formats[@]}" -F raw "$name" "$device" >&2
  case $? in 0) ;; 1) exit ${wireCodes.differs} ;; *) exit 1 ;; esac
fi
`;

/**
 * The first `bytes` of a raw device, and of a raw file, as names that qemu-img understands. LINSTOR's volumes may be larger
 * than asked for, so a source may be larger than its copy has to be.
 */
export function partNames(path: string, bytes: number): readonly [ofBlock: string, ofFile: string] {
  const name = (driver: string): string =>
    `json:${JSON.stringify({ driver: 'raw', size: bytes, file: { driver, filename: path } })}`;
  return [name('host_device'), name('file')];
}
