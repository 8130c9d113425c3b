import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildDriver, buildHello } from './build.ts';
import { otherCandidates } from './drivers.ts';
import { layOut, onedEnvironment } from './installed.ts';
import { type Measured, peakMemory, type Run, runMeasured } from './process.ts';
import { against, median, type Row } from './row.ts';

/**
 * What an action costs that reads its message, finds nothing to do and succeeds: `failmigrate` of a VM whose source and
 * destination are the same host. The whole driver path is in it – dispatch, configuration, the VM's document through the
 * schemas, the record in the log – and not one call to the outside.
 */
export const idleAction = 'failmigrate';
export const idleArguments = ['host1', 'host1', '/var/lib/one/datastores/100/7', '7', '100'];
export const idleMessage = Buffer.from(
  '<VM><ID>7</ID><NAME>bench</NAME><STATE>3</STATE><LCM_STATE>4</LCM_STATE><TEMPLATE><MEMORY>1024</MEMORY>' +
    '<DISK><DISK_ID>0</DISK_ID><TYPE>BLOCK</TYPE><CLONE>YES</CLONE><SIZE>1024</SIZE><IMAGE_ID>3</IMAGE_ID><TM_MAD>linstor_un</TM_MAD>' +
    '<DATASTORE_ID>101</DATASTORE_ID><SOURCE>/dev/drbd/by-res/one-image-3/0</SOURCE></DISK></TEMPLATE><HISTORY_RECORDS><HISTORY>' +
    '<SEQ>0</SEQ><HOSTNAME>host1</HOSTNAME><HID>1</HID><DS_ID>100</DS_ID><TM_MAD>linstor_un</TM_MAD><VM_MAD>kvm</VM_MAD>' +
    '<STIME>1700000000</STIME></HISTORY></HISTORY_RECORDS></VM>',
).toString('base64');

export interface StartOptions {
  readonly scratch: string;
  readonly runs?: number;
  /** Directories of action scripts to be measured by the same means. */
  readonly drivers?: readonly string[];
}

export async function benchStart({ scratch, runs = 40, drivers = [] }: StartOptions): Promise<Row[]> {
  await Promise.all([buildDriver(join(scratch, 'linstor_un')), buildHello(join(scratch, 'hello'))]);
  const layout = layOut(join(scratch, 'one'), join(scratch, 'linstor_un'), '');
  const env = onedEnvironment(layout);
  const call = { stdin: idleMessage, env };
  const action = (argv: readonly string[]): Run => ({ ...call, argv: [...argv, ...idleArguments] });
  const candidates: Record<string, Run> = {
    '/bin/true': { ...call, argv: ['/bin/true'] },
    'hello world': { ...call, argv: [join(scratch, 'hello')] },
    action: action([layout.binary, 'tm', idleAction]),
    'action by its launcher': action([`${layout.remotes}/tm/linstor_un/${idleAction}`]),
  };
  const others = Object.fromEntries(
    otherCandidates(drivers).flatMap(({ label, name, directory }) =>
      directory ? [[label, action([findScript(join(directory.remotes, 'tm', name), idleAction)])]] : [],
    ),
  );
  const times = await alternately({ ...candidates, ...others }, runs, new Set(Object.keys(others)));
  const rows = [...times].flatMap(([name, list]) => timeRows(name, list));
  for (const [name, run] of Object.entries({ ...candidates, ...others })) {
    const memory = await peakMemory(run, scratch);
    if (memory !== undefined) rows.push({ name: `start: ${name}, memory`, value: memory, unit: 'MiB' });
  }
  return withReference(rows);
}

/** In turns, so that a slow moment of the machine hits all of them; the first round warms up and does not count. */
async function alternately(
  candidates: Record<string, Run>,
  runs: number,
  mayFail: ReadonlySet<string>,
): Promise<Map<string, Measured[]>> {
  const times = new Map(Object.keys(candidates).map((name) => [name, [] as Measured[]]));
  for (let round = 0; round <= runs; round += 1) {
    for (const [name, run] of Object.entries(candidates)) {
      const measured = await runMeasured(run);
      if (measured.exitCode !== 0 && !mayFail.has(name)) {
        throw new Error(`${name} failed with exit code ${measured.exitCode}: ${measured.stderr}`);
      }
      if (round > 0) times.get(name)?.push(measured);
    }
  }
  return times;
}

function timeRows(name: string, list: readonly Measured[]): Row[] {
  const [first] = list;
  const exitCode = first?.exitCode ?? -1;
  // A script that lacks what it includes is quick; its words tell.
  if (first && first.stderr.trim() !== '') console.error(`${name} says: ${first.stderr.trim()}`);
  return [
    { name: `start: ${name}`, value: median(list.map(({ ms }) => ms)), unit: 'ms' },
    // What other work on the machine does not disturb.
    { name: `start: ${name}, CPU`, value: median(list.map(({ cpuMs }) => cpuMs)), unit: 'ms' },
    // Another driver may refuse the call; how soon it does is then what was measured.
    ...(exitCode === 0
      ? []
      : [{ name: `start: ${name}, result`, value: exitCode, unit: 'exit code' as const }]),
  ];
}

function withReference(rows: readonly Row[]): Row[] {
  return rows.map((row) => {
    const quantity = /, (?:CPU|memory)$/.exec(row.name)?.[0] ?? '';
    const name = `start: hello world${quantity}`;
    const hello = rows.find((each) => each.name === name && each.unit === row.unit);
    return hello === undefined || hello === row ? row : against(row, hello);
  });
}

/** `DIR/<action>`, `DIR/tm/<action>` or `DIR/tm/<driver>/<action>`. */
export function findScript(directory: string, action: string): string {
  const tm = join(directory, 'tm');
  const folders = existsSync(tm) ? [tm, ...readdirSync(tm).map((name) => join(tm, name))] : [];
  const found = [directory, ...folders]
    .map((folder) => join(folder, action))
    .find((path) => existsSync(path));
  if (!found) throw new Error(`there is no ${action} in ${directory}, its tm or tm/*`);
  return found;
}
