import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The lab's `virsh`. A domain runs where oned says, until it is ended here; `domains/` of the host has what is known besides. An executable
 * `guest` of the host stands for what runs in a domain: it starts with it, stops while it is frozen or paused, and ends with it.
 * `fail-<command>` in `domains/` makes a command fail.
 */
const virshScript = String.raw`#!/bin/bash
# virsh of a linstor_un lab
while [[ ${'$'}{1-} == --connect ]]; do shift 2; done
dir=${'$'}{HOME%/home} state=${'$'}{HOME%/home}/domains
command=${'$'}{1-}; shift
while [[ ${'$'}{1-} == --* ]]; do shift; done
mkdir -p "$state"
if [ "$command" = create ]; then
  file=$1
  domain=$(sed -n 's:.*<name>\(.*\)</name>.*:\1:p' "$file" | head -n 1)
  [ -n "$domain" ] || { echo "error: no domain in $file" >&2; exit 1; }
else
  domain=${'$'}{1-}
fi
now=$(cat "$state/$domain" 2>/dev/null) || now=running
case $command in list | domstate | dumpxml) ;; *) echo "$command $domain" >>"$state/journal" ;; esac
if [ -e "$state/fail-$command" ]; then echo "error: told to fail" >&2; exit 1; fi
signal() { [ ! -s "$state/$domain.pid" ] || kill -"$1" -- "-$(cat "$state/$domain.pid")" 2>/dev/null; return 0; }
there() { [ "$now" != off ] || { echo "error: failed to get domain '$domain'" >&2; exit 1; }; }
case $command in
  list) ;;
  domstate) there; echo "$now" ;;
  dumpxml) there; printf '<domain type="kvm">\n  <name>%s</name>\n</domain>\n' "$domain" ;;
  destroy) there; signal KILL; rm -f "$state/$domain.pid" "$state/$domain.frozen"; echo off >"$state/$domain" ;;
  create)
    [ "$now" = off ] || { echo "error: domain '$domain' already exists" >&2; exit 1; }
    rm -f "$state/$domain"
    if [ -x "$dir/guest" ]; then
      setsid "$dir/guest" "$domain" </dev/null >/dev/null 2>&1 &
      echo $! >"$state/$domain.pid"
    fi
    ;;
  domfsfreeze) there; signal STOP; touch "$state/$domain.frozen"; echo 1 ;;
  domfsthaw) there; signal CONT; rm -f "$state/$domain.frozen"; echo 1 ;;
  suspend) there; signal STOP; echo paused >"$state/$domain" ;;
  resume) there; signal CONT; rm -f "$state/$domain" ;;
  *) echo "error: unknown command: '$command'" >&2; exit 1 ;;
esac
`;

/** Gives these hosts a `virsh`. */
export function installVirsh(dir: string, hosts: readonly string[]): void {
  for (const host of hosts) {
    const bin = join(dir, 'hosts', host, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'virsh'), virshScript);
    chmodSync(join(bin, 'virsh'), 0o755);
  }
}
