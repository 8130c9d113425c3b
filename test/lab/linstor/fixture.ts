import { afterAll } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLab, type Lab, type LabOptions } from '../../../src/lab/linstor/lab.ts';
import { parseWhole } from '../../../src/tools/replay/recording.ts';

export interface Entry {
  ret_code: string | number;
  message: string;
  details?: string;
  cause?: string;
  obj_refs?: Record<string, string>;
  error_report_ids?: string[];
}

type Json = Record<string, unknown>;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Low 15 bits of every entry. */
  readonly codes: number[];
  readonly entries: Entry[];
}

export interface TestLab {
  readonly lab: Lab;
  readonly dir: string;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  get<T = Json[]>(path: string): Promise<T>;
  /** Device path of volume 0 on a node. */
  device(resource: string, node: string): Promise<string>;
}

const opened: { lab: Lab; dir: string }[] = [];
afterAll(() => {
  for (const { lab, dir } of opened.splice(0)) {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

export const codeOf = (entry: Entry): number => Number(BigInt.asUintN(64, BigInt(entry.ret_code)) & 0x7fffn);
export const severityOf = (entry: Entry): number => Number(BigInt.asUintN(64, BigInt(entry.ret_code)) >> 62n);

export function openLab(options: Partial<LabOptions> = {}): TestLab {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'lab-linstor-'));
  const lab = createLab({ dir, tuning: { cloneSeconds: 0 }, ...options });
  opened.push({ lab, dir });
  const send = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await lab.fetch(
      new Request(`http://lab${path}`, { method, ...(body === undefined ? {} : { body: text }) }),
    );
    const parsed = parseWhole(await response.text());
    const entries = Array.isArray(parsed) ? (parsed as Entry[]).filter((item) => 'ret_code' in item) : [];
    return { status: response.status, body: parsed, entries, codes: entries.map(codeOf) };
  };
  const get = async <T>(path: string) => (await send('GET', path)).body as T;
  return {
    lab,
    dir,
    send,
    get,
    device: async (resource, node) => {
      const list = await get<Json[]>(`/v1/view/resources?resources=${resource}&nodes=${node}`);
      const volumes = list[0]?.['volumes'] as Json[] | undefined;
      return String(volumes?.[0]?.['device_path']);
    },
  };
}

/** Group with a volume group; `filter` over a place count of one on pool `thin`, plain storage. */
export async function makeGroup(lab: TestLab, name: string, filter: Json = {}): Promise<void> {
  await lab.send('POST', '/v1/resource-groups', {
    name,
    select_filter: { place_count: 1, storage_pool_list: ['thin'], layer_stack: ['STORAGE'], ...filter },
  });
  await lab.send('POST', `/v1/resource-groups/${name}/volume-groups`, {});
}

export const drbd = { layer_stack: ['DRBD', 'STORAGE'] };

export async function spawn(lab: TestLab, group: string, name: string, sizeKib = 4096): Promise<Answer> {
  return lab.send('POST', `/v1/resource-groups/${group}/spawn`, {
    resource_definition_name: name,
    volume_sizes: [sizeKib],
  });
}

export function writeAt(path: string, text: string, offset = 0): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, offset);
  closeSync(file);
}

export const readAt = (path: string, length: number, offset = 0): string =>
  readFileSync(path)
    .subarray(offset, offset + length)
    .toString('latin1');
