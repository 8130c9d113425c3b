import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { createLab, type Lab } from '../../src/lab/linstor/lab.ts';
import { type ServedLab, serveLab } from '../../src/lab/linstor/serve.ts';
import { Ledger } from '../../src/linstor/ledger.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { openLinstor } from '../../src/linstor/open.ts';
import { kib } from '../../src/units.ts';

/**
 * Two controllers of one simulated cluster. What the first has confirmed is done by a client with a ledger; then it dies, and the second
 * answers, with the database of now or of an earlier moment.
 */
class Site {
  readonly dir = mkdtempSync(join(tmpdir(), 'linstor_un-ledger-'));
  lab: Lab = createLab({ dir: this.dir });
  first: ServedLab = serveLab(this.lab);
  second: ServedLab | undefined;
  readonly port: number;
  readonly ledger: Ledger;
  readonly linstor: Linstor;
  readonly calls: string[] = [];

  constructor() {
    const spare = serveLab(this.lab);
    this.port = spare.port;
    void spare.stop();
    const controllers = [this.first.url, `http://127.0.0.1:${this.port}`];
    this.ledger = new Ledger(
      openLinstor(
        { controllers, transport: 'rest', linstorCommand: 'linstor' },
        { onCall: ({ verb }) => void this.calls.push(verb) },
      ),
    );
    this.linstor = this.ledger.client;
  }

  database(): string {
    this.lab.runtime.save();
    return readFileSync(join(this.dir, 'state.json'), 'utf8');
  }

  async takeOver(database = this.database()): Promise<void> {
    await this.first.stop();
    this.lab.close();
    writeFileSync(join(this.dir, 'state.json'), database);
    this.lab = createLab({ dir: this.dir });
    this.second = serveLab(this.lab, { port: this.port });
    // The client finds it with the next read.
    await this.linstor.nodes();
  }

  async forgotten(): Promise<readonly string[]> {
    try {
      await this.ledger.confirm();
      return [];
    } catch (error) {
      if (isDriverError(error, 'LINSTOR_FORGOTTEN')) return error.details;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.second?.stop();
    this.lab.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const name = resourceName('one-vm-7-disk-0');
const alpha = nodeName('alpha');

async function on(work: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await work(site);
  } finally {
    await site.close();
  }
}
const make = async ({ linstor }: Site): Promise<void> => {
  await linstor.createDefinition({ name, props: { 'Aux/one/VM_ID': '7' } });
  await linstor.createVolume(name, 0, kib(4096));
  await linstor.createResource(name, alpha, { pool: 'thin' });
};

test('with one controller nothing is asked', () =>
  on(async (site) => {
    await make(site);
    const before = site.calls.length;
    expect(await site.forgotten()).toEqual([]);
    expect(site.calls.length).toBe(before);
  }));

test('one that takes over and knows everything', () =>
  on(async (site) => {
    await make(site);
    await site.linstor.modifyDefinition(name, { set: { 'Aux/one/DS_ID': '1' }, unset: ['Aux/one/VM_ID'] });
    await site.linstor.createSnapshot(name, 'snapshot-0');
    await site.linstor.resizeVolume(name, 0, kib(8192));
    await site.takeOver();
    expect(await site.forgotten()).toEqual([]);
  }));

describe('one that takes over and has forgotten', () => {
  type Row = readonly [string, (linstor: Linstor) => Promise<unknown>, readonly string[]];
  const rows: readonly Row[] = [
    [
      'a snapshot',
      (l) => l.createSnapshot(name, 'snapshot-0'),
      [`snapshot snapshot-0 of ${name} is not there`],
    ],
    ['a size', (l) => l.resizeVolume(name, 0, kib(8192)), [`volume 0 of ${name} has its old size`]],
    [
      'a mark',
      (l) => l.modifyDefinition(name, { set: { 'Aux/one/DS_ID': '1' } }),
      [`${name} lacks a change of Aux/one/DS_ID`],
    ],
    [
      'that a mark was taken away',
      (l) => l.modifyDefinition(name, { unset: ['Aux/one/VM_ID'] }),
      [`${name} lacks a change of Aux/one/VM_ID`],
    ],
    [
      'a replica',
      (l) => l.createResource(name, nodeName('bravo'), { diskless: true }),
      [`${name} is not on bravo`],
    ],
    [
      'that two primaries are allowed',
      (l) => l.modifyDefinition(name, { set: { 'DrbdOptions/Net/allow-two-primaries': 'yes' } }),
      [`${name} lacks a change of DrbdOptions/Net/allow-two-primaries`],
    ],
    ['a deletion', (l) => l.deleteDefinition(name), [`${name} is there again`]],
  ];
  test.each(rows)('%s', (_, change, details) =>
    on(async (site) => {
      await make(site);
      const database = site.database();
      await change(site.linstor);
      await site.takeOver(database);
      expect(await site.forgotten()).toEqual(details);
    }),
  );

  test('everything', () =>
    on(async (site) => {
      const database = site.database();
      await make(site);
      await site.takeOver(database);
      expect(await site.forgotten()).toEqual([`${name} is not there`]);
      // Made once more, it is.
      await make(site);
      expect(await site.forgotten()).toEqual([]);
      await site.linstor.deleteDefinition(name);
      expect(await site.forgotten()).toEqual([]);
    }));
});
