import { isDigits } from '../../digits.ts';
import { DriverError } from '../../errors.ts';
import { type Bytes, bytes } from '../../units.ts';

/**
 * What our scripts print: fields ended by NUL, because paths may hold anything else. A script prints records of a
 * fixed number of fields.
 */
export function records(stdout: string, fields: number): string[][] {
  const all = stdout.split('\0');
  // A complete output ends with NUL and so with one empty rest.
  all.pop();
  const rows: string[][] = [];
  for (let at = 0; at + fields <= all.length; at += fields) rows.push(all.slice(at, at + fields));
  return rows;
}

/** What is no number compares as neither too small nor too large. */
export function sizeSaid(host: string, said: string): Bytes {
  if (isDigits(said, 15)) return bytes(Number(said));
  throw new DriverError(
    'HOST_COMMAND',
    `${host} says ${JSON.stringify(said.slice(0, 80))} where the size of a device is asked`,
  );
}

/** Shared by scripts; constant text. Sizes come from sysfs: opening a DRBD device would promote it. */
export const sizeFunctions = `
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
`;

/**
 * Through a descriptor that is open for writing: one that only reads does not promote a Secondary DRBD device, which then
 * answers the flush with EIO. `sync FILE` opens for reading.
 */
export const flushFunction = `
flush() { dd if=/dev/null of="$1" conv=nocreat,notrunc,fsync status=none; }
`;
