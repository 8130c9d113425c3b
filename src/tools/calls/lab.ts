import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { actions, installedNames } from '../../actions/registry.ts';
import { createHosts, pathOnHost } from '../../lab/hosts/hosts.ts';
import { serveLinstor } from '../../lab/linstor/serve.ts';
import { openLinstor } from '../../linstor/open.ts';
import { folderOf } from '../driver-links.ts';
import { type OneDocuments, serveDocuments } from './one-documents.ts';
import type { CallsLab } from './replay-calls.ts';
import type { RewrittenCall } from './rewrite.ts';
import type { DriverOutcome } from './verdict.ts';
import type { World } from './world.ts';

const pool = 'thin';
const timeoutMs = 120_000;

/** A lab for one recording: LINSTOR with a node per recorded host, hosts, an oned, and remotes that lead to `binary`. */
export async function openCallsLab(
  world: World,
  binary: string,
): Promise<CallsLab & { close(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'linstor_un-calls-'));
  const location = join(dir, 'datastores');
  const imports = join(dir, 'imports');
  const hosts = [...world.hosts];
  createHosts({ dir, names: hosts, location });
  const nodes = hosts.map((name) => ({
    name,
    pools: [{ name: pool, provider: 'FILE_THIN' as const, sizeKib: 1024 ** 3 }],
  }));
  const linstor = serveLinstor({ dir: join(dir, 'linstor'), nodes });
  let documents: OneDocuments = new Map();
  const one = serveDocuments(() => documents);
  const remotes = makeRemotes(dir, binary, linstor.url);
  for (const host of hosts) writeScript(join(dir, 'hosts', host, 'bin/virsh'), virsh);
  mkdirSync(imports);
  const image = join(imports, 'image.raw');
  writeFileSync(image, 'recorded');
  truncateSync(image, 16 * 1024 * 1024);
  const env = {
    PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}`,
    HOME: dir,
    LANG: 'C.UTF-8',
    ONE_AUTH: join(dir, 'one_auth'),
    ONE_XMLRPC: one.url,
  };
  return {
    places: { location, imports, image, frontend: hostname() },
    linstor: openLinstor({ controllers: [linstor.url], transport: 'rest', linstorCommand: 'linstor' }),
    show: (shown) => {
      documents = shown;
    },
    hasLink: (host, path) =>
      lstatSync(pathOnHost(dir, host, path), { throwIfNoEntry: false })?.isSymbolicLink() ?? false,
    run: (call) => runDriver(join(remotes, folderOf[call.kind], call.file), call, env, dir),
    close: async () => {
      await Promise.all([one.stop(), linstor.stop()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** `remotes/` as installed, with stand-ins for the scripts of OpenNebula that the driver hands on to. */
function makeRemotes(dir: string, binary: string, controller: string): string {
  const remotes = join(dir, 'remotes');
  for (const action of actions) {
    for (const name of installedNames(action)) {
      const path = join(remotes, folderOf[action.kind], name);
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(binary, path);
    }
  }
  for (const path of ['tm/common/context', 'tm/ssh/premigrate', 'tm/ssh/postmigrate', 'tm/ssh/failmigrate'])
    writeScript(join(remotes, path), yes);
  for (const name of ['save', 'restore']) writeScript(join(dir, 'scripts/vmm/kvm', name), yes);
  const conf = join(remotes, 'etc/datastore/linstor_un/linstor_un.conf');
  mkdirSync(dirname(conf), { recursive: true });
  writeFileSync(conf, `LS_CONTROLLERS=${controller}\nSTORAGE_POOL=${pool}\nREPLICA_COUNT=1\n`);
  writeFileSync(join(remotes, 'VERSION'), '7.2.0\n');
  writeFileSync(join(dir, 'config'), `SCRIPTS_REMOTE_DIR=${join(dir, 'scripts')}\n`);
  writeFileSync(join(dir, 'one_auth'), 'oneadmin:recorded\n', { mode: 0o600 });
  return remotes;
}

/** Does nothing, with success. */
const yes = '#!/bin/sh\ncat >/dev/null\nexit 0\n';

/** All domains run until one is ended; what is created after that runs again. Leaves its input alone: it may be one that stays open. */
const virsh = `#!/bin/sh
ended=$0.ended
[ "$1" = --connect ] && shift 2
case $1 in
  domstate) if [ -e "$ended" ]; then echo 'shut off'; else echo running; fi ;;
  dumpxml) echo '<domain/>' ;;
  destroy) : >"$ended" ;;
  create) rm -f "$ended" ;;
esac
exit 0
`;

function writeScript(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

async function runDriver(
  script: string,
  call: RewrittenCall,
  env: Record<string, string>,
  cwd: string,
): Promise<DriverOutcome> {
  const child = Bun.spawn([script, ...call.argv], {
    cwd,
    env,
    stdin: Buffer.from(call.stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: timeoutMs,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}
