import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../actions/action.ts';
import type { HostResult, Hosts } from '../../hosts/hosts.ts';
import { textOfBytes } from '../../hosts/raw-text.ts';
import { deviceUse } from '../../hosts/scripts/device-use.ts';
import { deviceIdentity } from '../../hosts/scripts/identity.ts';
import { waitForDevice } from '../../hosts/scripts/link-disks.ts';
import { checkLinks } from '../../hosts/vm-directory.ts';
import { parseOnedConf } from '../../install/oned-syntax.ts';
import { decodeGroups, decodeNodes, decodePools, decodeVersion } from '../../linstor/decode-cluster.ts';
import { decodeDefinitions, decodeResources, decodeSnapshots } from '../../linstor/decode-resources.ts';
import { toEntries, toOutcome } from '../../linstor/entries.ts';
import { parseReply } from '../../linstor/json.ts';
import { resourceName } from '../../linstor/names.ts';
import { openLinstor } from '../../linstor/open.ts';
import { oneLine, redactCounting } from '../../log/redact.ts';
import {
  parseDatastore,
  parseDatastores,
  parseHosts,
  parseImage,
  parseVm,
} from '../../opennebula/documents.ts';
import { readDatastoreMessage } from '../../opennebula/message.ts';
import { parseAssignments } from '../../opennebula/shell-assignments.ts';
import { parseAddress } from '../../transfer/address.ts';
import { headBytes, packingOf, readHead } from '../../transfer/formats.ts';
import { bytes } from '../../units.ts';
import { hostileHeads, imageHeads } from './images.ts';

/** What is fuzzed: something that reads what others have written. */
export interface Subject {
  readonly name: string;
  /** What is changed. */
  seeds(): readonly Uint8Array[];
  /**
   * Reads it. May throw a DriverError, which is an answer, and nothing else. What it returns is a complaint: a success that
   * should have been none.
   */
  read(data: Uint8Array): Promise<string | undefined> | string | undefined;
}

const root = Bun.fileURLToPath(new URL('../../../', import.meta.url));
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const lines = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));

const driverDocuments = (): string[] =>
  lines(join(root, 'test/recordings/opennebula/driver-calls.jsonl')).flatMap((line) => {
    const text = (line as { stdin_base64_of?: string }).stdin_base64_of;
    return text === undefined ? [] : [text];
  });

function linstorAnswers(): string[] {
  const folder = join(root, 'test/recordings/linstor');
  return readdirSync(folder)
    .filter((name) => name.startsWith('rest-'))
    .flatMap((name) => lines(join(folder, name)))
    .flatMap((line) => {
      const answer = (line as { rest?: { answer?: unknown } }).rest?.answer;
      return answer === undefined ? [] : [JSON.stringify(answer)];
    });
}

function clientAnswers(): string[] {
  return lines(join(root, 'test/recordings/linstor/cli-01-all.jsonl')).flatMap((line) => {
    const stdout = (line as { cli?: { stdout?: unknown } }).cli?.stdout;
    if (stdout === undefined) return [];
    return [typeof stdout === 'string' ? stdout : JSON.stringify(stdout)];
  });
}

const part = (document: string, name: string): string[] =>
  document.match(new RegExp(`<${name}>[\\s\\S]*?</${name}>`, 'g')) ?? [];

const vm = `<VM><ID>7</ID><NAME>vm</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE><TEMPLATE>
  <DISK><DISK_ID>0</DISK_ID><CLONE>YES</CLONE><SOURCE>/dev/drbd/by-res/one-image-1/0</SOURCE><IMAGE_ID>1</IMAGE_ID><DATASTORE_ID>1</DATASTORE_ID>
  <SIZE>1024</SIZE><TM_MAD>linstor_un</TM_MAD></DISK><DISK><DISK_ID>1</DISK_ID><TYPE>fs</TYPE><SIZE>64</SIZE><TM_MAD>linstor_un</TM_MAD></DISK>
  <SNAPSHOTS><DISK_ID>0</DISK_ID><SNAPSHOT><ID>0</ID></SNAPSHOT></SNAPSHOTS></TEMPLATE><HISTORY_RECORDS><HISTORY><SEQ>0</SEQ><HOSTNAME>h</HOSTNAME>
  <DS_ID>0</DS_ID></HISTORY></HISTORY_RECORDS></VM>`;

const call = (stdin: string): Call => ({
  kind: 'datastore',
  name: 'cp',
  argv: ['7'],
  stdin: async () => stdin,
});

/** Whatever is asked, the host answers with this. */
function answering(stdout: string): Hosts {
  const result: HostResult = { exitCode: 0, stdout, stderr: '', ms: 1 };
  return { run: async () => result, local: async () => result, sshArgv: () => [], isFrontend: () => false };
}

const decoders = [
  decodeVersion,
  decodeNodes,
  decodePools,
  decodeGroups,
  decodeDefinitions,
  decodeResources,
  decodeSnapshots,
] as const;

/** Every reader gets the text, and each may refuse it for itself. */
function each(readers: readonly (() => unknown)[]): undefined {
  let refusal: unknown;
  for (const read of readers) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'DriverError') throw error;
      refusal = error;
    }
  }
  if (refusal !== undefined) throw refusal;
}

const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;

export const subjects: readonly Subject[] = [
  {
    name: 'driver messages',
    seeds: () => driverDocuments().map(bytesOf),
    read: async (data) => {
      const { id, image, datastore } = await readDatastoreMessage(call(Buffer.from(data).toString('base64')));
      const own = image ? image.id : datastore.id;
      return own === id ? undefined : `the message is about ${own}, the call about ${id}`;
    },
  },
  {
    name: 'documents of oned',
    seeds: () => {
      const documents = driverDocuments().slice(0, 40);
      const datastores = documents.flatMap((text) => part(text, 'DATASTORE')).slice(0, 10);
      return [
        ...[vm, '<HOST_POOL><HOST><ID>1</ID><NAME>h</NAME><STATE>2</STATE></HOST></HOST_POOL>'],
        ...[...datastores, ...documents.flatMap((text) => part(text, 'IMAGE')).slice(0, 10)],
        `<DATASTORE_POOL>${datastores.join('')}</DATASTORE_POOL>`,
      ].map(bytesOf);
    },
    read: (data) => {
      const text = textOfBytes(data);
      each([
        () => parseVm(text),
        () => parseDatastore(text),
        () => parseImage(text),
        () => parseHosts(text),
        () => parseDatastores(text),
      ]);
    },
  },
  {
    name: 'replies of LINSTOR',
    seeds: () => linstorAnswers().map(bytesOf),
    read: (data) => {
      const raw = parseReply(textOfBytes(data), 'a reply');
      each([
        ...decoders.map((decode) => () => decode(raw, 'a reply')),
        () => toEntries(raw),
        () => toOutcome('a call', raw, 200),
      ]);
    },
  },
  {
    name: 'answers of the LINSTOR client',
    seeds: () => [...clientAnswers(), '+---+---+\n| Key | Value |\n| a   | b     |\n'].map(bytesOf),
    read: async (data) => {
      const stdout = textOfBytes(data);
      // The client ends with 0 for some refusals, and otherwise for some successes.
      for (const exitCode of [0, 10]) {
        const linstor = openLinstor(
          { controllers: ['http://127.0.0.1:1'], transport: 'cli', linstorCommand: 'linstor' },
          {
            run: async () => ({ exitCode, stdout, stderr: stdout, timedOut: false }),
            sleep: async () => undefined,
            deadlines: { repeat: 0, failover: 0 },
          },
        );
        const names = [resourceName('one-image-1')];
        const reads = [
          () => linstor.nodes(),
          () => linstor.storagePools(),
          () => linstor.definitions({ names }),
          () => linstor.resources({ names }),
          () => linstor.replicas(names),
          () => linstor.snapshots({ names }),
          () => linstor.keyValues('store'),
          () => linstor.encryption(),
        ];
        for (const read of reads) await read().catch(refused);
        const outcome = await linstor.deleteDefinition(resourceName('one-image-1')).catch(refused);
        if (outcome && exitCode !== 0 && outcome.entries.length === 0)
          return 'a client that has failed without a word has done it';
      }
      return undefined;
    },
  },
  {
    name: 'replies of hosts',
    seeds: () =>
      [
        '/dev/drbd1000\x001048576\x00512\0',
        '/dev/drbd1000\0',
        'open\x001234\0qemu-system-x86\0/dev/drbd1000\0',
        'link\0/x\0/y\0z\0',
      ].map(bytesOf),
    read: async (data) => {
      const hosts = answering(textOfBytes(data));
      const wanted = { candidates: ['/dev/a'], minBytes: bytes(1), identity: deviceIdentity('storage', 'r') };
      const disk = await waitForDevice(hosts, 'h', wanted).catch(refused);
      await deviceUse(hosts, 'h', ['/dev/a']).catch(refused);
      await checkLinks(hosts, 'h', [{ link: '/a/disk.0', resource: 'r' }]).catch(refused);
      const odd =
        disk && [disk.bytes, disk.sector].find((size) => !(Number.isSafeInteger(size) && size >= 0));
      return odd === undefined ? undefined : `a device of ${odd} bytes`;
    },
  },
  {
    name: 'image headers',
    seeds: imageHeads,
    read: (data) => {
      packingOf(data);
      const head = readHead(data.subarray(0, headBytes));
      const size = head.virtualBytes;
      return size === undefined || (Number.isSafeInteger(size) && size > 0)
        ? undefined
        : `an image of ${size} bytes`;
    },
  },
  {
    name: 'headers that refer to other files',
    seeds: hostileHeads,
    // Changed where it does not matter for that, they refer to them still.
    read: (data) => {
      const { format } = readHead(data);
      return format === 'qcow2' && new DataView(data.buffer, data.byteOffset).getBigUint64(8) !== 0n
        ? 'an image with a backing file is taken'
        : undefined;
    },
  },
  {
    name: 'addresses',
    seeds: () =>
      [
        'https://u:p@h:8443/x?a=b#c',
        'http://[::1]:80/',
        's3://bucket/x',
        'ssh://u@h:/x',
        'restic://1/2/a,b/x',
      ].map(bytesOf),
    read: (data) => {
      const address = parseAddress(textOfBytes(data), { schemes: ['s3', 'ssh', 'restic'] });
      if (address.kind === 'http') return address.url.host === '' ? 'an address without a host' : undefined;
      return /^[A-Za-z0-9._/@%+=:,-]+$/.test(address.text) ? undefined : 'a shell could read it otherwise';
    },
  },
  {
    name: 'files of the operator',
    seeds: () =>
      [
        readFileSync(join(root, 'drivers/etc/datastore/linstor_un/linstor_un.conf'), 'utf8').replaceAll(
          /^#(?=[A-Z_]+=)/gm,
          '',
        ),
        readFileSync(join(root, 'drivers/oned.conf.fragment'), 'utf8'),
      ].map(bytesOf),
    read: (data) => {
      const text = textOfBytes(data);
      each([() => parseAssignments(text, 'x.conf', {}), () => parseOnedConf(text)]);
    },
  },
  {
    name: 'texts of the log',
    seeds: () =>
      [
        vm,
        'https://u:p@h/x?sig=y LS_TOKEN="a" <LS_PASSWORD>b</LS_PASSWORD> Bearer c',
        ...linstorAnswers().slice(0, 5),
      ].map(bytesOf),
    read: (data) => {
      const text = textOfBytes(data);
      const { looked } = redactCounting(text, ['secret-marker']);
      if (looked > 8 * text.length + 8) return `${looked} characters looked at of ${text.length}`;
      const line = oneLine(`${text} LS_TOKEN=secret-marker`, ['secret-marker']);
      if (line.includes('secret-marker')) return 'a secret is shown';
      return unprintable.test(line) ? 'a control character is shown' : undefined;
    },
  },
];

function refused(error: unknown): undefined {
  if (error instanceof Error && error.name === 'DriverError') return;
  throw error;
}
