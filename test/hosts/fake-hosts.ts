import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/effects.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';

/**
 * An `ssh` for tests: takes what OpenSSH takes, runs the command here; a forwarded socket is a link to the other one. As root each host gets its own tree, bound over
 * `shared` names below the temporary directory, so that two hosts see different files under one path.
 * What ran is appended to `calls`; bytes through stdin are counted in `wire`.
 */
const script = `#!/bin/sh
forward=
while [ $# -gt 0 ]; do
  case $1 in
    -o) shift 2 ;;
    -G) echo 'ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes128-ctr'; exit ;;
    -L) forward=$2; shift 2 ;;
    --) shift; break ;;
    *) echo "fake ssh: unexpected $1" >&2; exit 254 ;;
  esac
done
host=$1; shift
echo "$host" >>"$FAKE_ROOT/calls"
case $host in
  down*) echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255 ;;
  slow*) sleep 30 ;;
  # Its sshd has no time for a banner at first.
  busy*)
    if [ "$(grep -c "^$host$" "$FAKE_ROOT/calls")" -le 2 ]; then
      echo 'Connection timed out during banner exchange' >&2
      exit 255
    fi
    ;;
  # As with AllowStreamLocalForwarding no: seen only when something connects.
  closed*) forward= ;;
esac
# A login shell that prints, without an end of line.
printf 'Welcome to %s!\\nready\\nyes\\n0 0\\nHave a nice day' "$host"
if [ -n "$forward" ]; then
  echo "$host $forward" >>"$FAKE_ROOT/forwards"
  ln -s "\${forward#*:}" "\${forward%%:*}"
fi
if [ "\${FAKE_COUNT:-}" = 1 ]; then
  # ssh ends with its command, also while its own stdin is still open.
  exec bash -c 'sh -c "$1" < <(tee -a "$FAKE_ROOT/wire")' bash "$*"
fi
if [ -d "$FAKE_ROOT/tree/$host" ]; then
  exec unshare -m --propagation private sh -c 'mount --bind "$1" "$2" && exec sh -c "$3"' sh \\
    "$FAKE_ROOT/tree/$host" "$FAKE_ROOT/datastores" "$*"
fi
exec sh -c "$*"
`;

/** As on a DRBD device that nobody has open: coreutils' sync opens for reading, and a Secondary refuses the flush. */
const syncScript = `#!/bin/sh
echo "sync: error syncing '$*': Input/output error" >&2
exit 1
`;

export interface FakeHosts {
  readonly root: string;
  readonly hosts: SshHosts;
  readonly env: Readonly<Record<string, string>>;
  readonly calls: Parameters<Log['call']>[0][];
  remove(): void;
}

export function fakeHosts(
  options: { signal?: AbortSignal; trees?: readonly string[]; count?: boolean } = {},
): FakeHosts {
  const root = mkdtempSync(join(tmpdir(), 'linstor_un-hosts-'));
  mkdirSync(join(root, 'bin'));
  mkdirSync(join(root, 'datastores'));
  for (const host of options.trees ?? []) mkdirSync(join(root, 'tree', host), { recursive: true });
  writeFileSync(join(root, 'bin', 'ssh'), script);
  writeFileSync(join(root, 'bin', 'sync'), syncScript);
  for (const name of ['ssh', 'sync']) chmodSync(join(root, 'bin', name), 0o755);
  const env = {
    PATH: `${join(root, 'bin')}:${process.env['PATH'] ?? ''}`,
    FAKE_ROOT: root,
    ...(options.count ? { FAKE_COUNT: '1' } : {}),
  };
  const calls: FakeHosts['calls'] = [];
  const hosts = new SshHosts({
    env,
    ownName: 'frontend',
    sleep: async () => undefined,
    onCall: (entry) => calls.push(entry),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return { root, hosts, env, calls, remove: () => rmSync(root, { recursive: true, force: true }) };
}

export const isRoot = process.getuid?.() === 0;
