/**
 * A backup datastore as OpenNebula's rsync driver behaves towards a TM driver, on the front-end's own disk: `rsync` copies the directory that
 * prebackup left, lists what is in a backup, and the downloader joins a chain with qemu-img (backup contract B8). With its mistakes: without an
 * INCREMENT_ID in the document, the list is that of the last increment (B14).
 */

/** One element a line. */
const xml = `
flat() { tr -d '\\n' | sed 's/<!\\[CDATA\\[\\([^]]*\\)\\]\\]>/\\1/g; s/></>\\n</g'; }
value() { sed -n "s:^<$1>\\(.*\\)</$1>$:\\1:p" | head -n 1; }
part() { sed -n "/^<$1>$/,/^<\\/$1>$/p"; }
`;

/** Arguments as prebackup's. Replies \`<id> <MB> raw\`. */
const storeBackup = `#!/bin/bash
set -e -o pipefail
${xml}
document=$(flat)
host=\${1%%:*} vmdir=\${1#*:} vm=\${@: -2:1}
bridge=$(value LAST_BRIDGE <<<"$document")
base=$(value BASE_PATH <<<"$document")
id=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \\n')
to=$base/$vm/$id
mkdir -p "$to"
ssh "\${bridge:-$host}" "cd '$vmdir/backup' && ls disk.* >/dev/null && tar cSf - ." | tar xf - -C "$to"
echo "$id $(du -sm "$to" | cut -f1) raw"
`;

/** \`-i <increment>\`; JSON of what the downloader understands. */
const listBackup = `#!/bin/bash
set -e -o pipefail
${xml}
wanted=-1
if [ "$1" = -i ]; then wanted=$2; fi
document=$(flat)
datastore=$(part DATASTORE <<<"$document")
image=$(part IMAGE <<<"$document")
base=$(value BASE_PATH <<<"$datastore") ds=$(value ID <<<"$datastore")
vm=$(part VMS <<<"$image" | value ID)
ids=() sources=()
while read -r id && read -r source; do ids+=("$id") sources+=("$source"); done < <(
  part BACKUP_INCREMENTS <<<"$image" | sed -n 's:^<ID>\\(.*\\)</ID>$:\\1:p; s:^<SOURCE>\\(.*\\)</SOURCE>$:\\1:p')
if [ "\${#ids[@]}" = 0 ]; then ids=(0) sources=("$(value SOURCE <<<"$image")"); fi
selected=$(value INCREMENT_ID <<<"$document")
chain= shown=\${sources[-1]}
for i in "\${!ids[@]}"; do
  if [ "\${ids[i]}" = "$selected" ]; then shown=\${sources[i]}; fi
  chain+=\${chain:+,}\${ids[i]}:\${sources[i]}
  if [ "\${ids[i]}" = "$wanted" ]; then break; fi
done
separator= ; printf '{'
for file in "$base/$vm/$shown"/disk.*; do
  name=\${file##*/disk.}
  printf '%s"%s":"rsync://%s//%s%s"' "$separator" "\${name%%.*}" "$ds" "$chain" "$file"
  separator=,
done
echo '}'
`;

/** \`--nodecomp <url> -\`: the disk as one qcow2, made of the files of its chain. */
export const downloader = `#!/bin/bash
set -e -o pipefail
while [ "\${1#--}" != "$1" ]; do shift; done
url=$1
case $url in rsync://*) ;; *) echo "the lab fetches only rsync://, not $url" >&2; exit 1 ;; esac
rest=\${url#rsync://} rest=\${rest#*/} rest=\${rest#*/}
chain=\${rest%%/*} path=/\${rest#*/}
IFS=, read -r -a links <<<"$chain"
if [ "\${#links[@]}" = 1 ] || [ "\${path##*/}" = disk.tpm.0 ]; then exec cat -- "$path"; fi
directory=$(mktemp -d)
trap 'rm -rf -- "$directory"' EXIT
vm=\${path%/*} vm=\${vm%/*} name=\${path##*/} disk=\${name#disk.} disk=\${disk%%.*} before=
for link in "\${links[@]}"; do
  file=$directory/disk.$disk.\${link%%:*}
  cp -- "$vm/\${link#*:}/\${file##*/}" "$file"
  if [ -n "$before" ]; then qemu-img rebase -u -f qcow2 -F qcow2 -b "$before" "$file"; fi
  before=$file
done
qemu-img convert -O qcow2 "$before" "$directory/merged"
cat -- "$directory/merged"
`;

/** `<image id>`, the document in base64: all files of the backup. */
const removeBackup = `#!/bin/bash
set -e -o pipefail
${xml}
document=$(base64 -d | flat)
image=$(part IMAGE <<<"$document")
base=$(part DATASTORE <<<"$document" | value BASE_PATH)
for id in $(sed -n 's:^<SOURCE>\\(.*\\)</SOURCE>$:\\1:p' <<<"$image"); do rm -rf -- "$base"/*/"$id"; done
rmdir -- "$base"/* 2>/dev/null || :
`;

const monitorStore = `#!/bin/sh
cat >/dev/null
printf 'USED_MB=0\\nTOTAL_MB=65536\\nFREE_MB=65536\\n'
`;

/** By the names of the actions. */
export const backupActions = {
  backup: storeBackup,
  ls: listBackup,
  rm: removeBackup,
  monitor: monitorStore,
} as const;
