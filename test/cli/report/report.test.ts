import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../../src/cli/main.ts';
import { DriverError } from '../../../src/errors.ts';
import { JsonLog } from '../../../src/log/json-log.ts';
import type { ActionRecord } from '../../../src/log/record.ts';
import { chromium, inBrowser } from '../../support/browser.ts';
import { imageDatastore, now, World } from '../world.ts';

let world: World;
let folder: string;
beforeEach(() => {
  world = new World();
  folder = mkdtempSync(join(tmpdir(), 'report-'));
  world.env = { LINSTOR_UN_LOG: join(folder, 'log'), LINSTOR_UN_CONF: join(folder, 'conf') };
  writeFileSync(join(folder, 'conf'), 'RESOURCE_GROUP=one\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (over: Partial<ActionRecord> = {}): ActionRecord => ({
  time: '2026-11-23T10:00:00.000Z',
  id: '1',
  action: 'tm/clone',
  argv: ['fe:/x', 'hv1:/y'],
  object: { vm: 7, disk: 0, host: 'hv1' },
  calls: [
    { kind: 'one', target: 'oned', verb: 'one.vm.info', ms: 100, outcome: 'ok', at: 200 },
    {
      kind: 'linstor',
      target: 'c1',
      verb: 'POST /v1/resource-groups/one/spawn',
      ms: 2000,
      outcome: '201',
      at: 2200,
    },
    { kind: 'ssh', target: 'hv1', verb: 'link-disk', ms: 1500, outcome: 'exit 5', at: 4000 },
  ],
  notes: [],
  result: 'failed',
  ms: 4000,
  error: { code: 'HOST_COMMAND', message: 'link-disk failed on hv1', details: [], reports: ['AB-1-000001'] },
  ...over,
});

function log(...records: ActionRecord[]): void {
  const file = new JsonLog({ path: join(folder, 'log') });
  for (const each of records) expect(file.write(each)).toBe(true);
}

const archive = (): string => join(folder, 'report.tar.gz');
const run = (...argv: string[]): Promise<number> =>
  runCli(['report', '--output', archive(), ...argv], world.environment());

/** Its files by name, without the folder that all are in. */
async function unpacked(): Promise<Map<string, string>> {
  const files = await new Bun.Archive(readFileSync(archive())).files();
  const texts = [...files].map(
    async ([path, file]) => [path.replace(/^[^/]+\//, ''), await file.text()] as const,
  );
  return new Map(await Promise.all(texts));
}

describe('report', () => {
  test('one archive with what a helper asks for', async () => {
    log(record(), record({ id: '2', result: 'ok', ms: 9000 }), record({ id: '3', result: 'ok', ms: 20 }));
    world.errorReports = [
      {
        id: 'AB-1-000001',
        node: 'alpha',
        time: now - 1000,
        exception: 'StorageException',
        message: 'lvcreate',
      },
    ];
    world.errorTexts = { 'AB-1-000001': 'ERROR REPORT AB-1-000001\n\nlvcreate said no\n' };
    expect(await run()).toBe(0);
    const files = await unpacked();
    expect([...files.keys()].sort()).toEqual([
      'actions.json',
      'actions.txt',
      'configuration.json',
      'doctor.json',
      'doctor.txt',
      'error-reports.json',
      'error-reports/AB-1-000001.log',
      'missing.json',
      'report.html',
      'status.json',
      'status.txt',
      'versions.json',
    ]);
    const actions = JSON.parse(files.get('actions.json') ?? '') as Record<string, ActionRecord[]>;
    expect(actions['failed']?.map(({ id }) => id)).toEqual(['1']);
    expect(actions['slow']?.map(({ id }) => id)).toEqual(['2']);
    expect(files.get('error-reports/AB-1-000001.log')).toContain('lvcreate said no');
    expect(files.get('error-reports.json')).toContain('"named": true');
    expect(files.get('status.txt')).toContain('LINSTOR 1.33.3');
    expect(JSON.parse(files.get('versions.json') ?? '')).toMatchObject({
      linstor_un: '2.0.0',
      OpenNebula: '7.0.0',
      'LINSTOR at linstor://c1': '1.33.3 (REST 1.27.0)',
    });
    expect(statSync(archive()).mode & 0o777).toBe(0o600);
    expect(world.text).toBe(`${archive()}\n`);
    expect(world.writes).toEqual([]);
  });

  test('no secret is in it, wherever it stood', async () => {
    const marker = 'MARKER-7f3a91';
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, `${marker}-file\n`);
    writeFileSync(
      join(folder, 'conf'),
      `LS_TOKEN=${marker}-conf\nMY_OWN_KEY=${marker}-unknown\nLS_USERNAME=operator\n`,
    );
    world.config = { LS_TOKEN: `${marker}-conf` };
    world.datastores = [
      imageDatastore(
        {},
        { LS_PASSWORD: `${marker}-attribute`, LS_USERNAME: 'operator', SITE: `${marker}-site` },
      ),
      imageDatastore({ id: 102, name: 'second' }, { LS_TOKEN_FILE: tokenFile }),
    ];
    log(
      record({
        calls: [
          {
            kind: 'linstor',
            target: 'c1',
            verb: `GET /v1?x=${marker}-conf`,
            ms: 1,
            outcome: `${marker}-file`,
            at: 2,
          },
        ],
        notes: [{ level: 'warn', text: `password=${marker}-note`, at: 1 }],
        error: {
          code: 'LINSTOR_AUTH',
          message: `Authorization: Bearer ${marker}-bearer refused`,
          details: [`https://user:${marker}-user@c1/x?sig=${marker}-query`, `"token": "${marker}-json"`],
          reports: [],
        },
      }),
    );
    world.errorReports = [
      {
        id: 'AB-1-000001',
        node: 'alpha',
        time: now,
        exception: 'E',
        message: `passphrase: ${marker}-report`,
      },
    ];
    world.errorTexts = { 'AB-1-000001': `LUKS passphrase=${marker}-text, token ${marker}-file\n` };
    expect(await run()).toBe(0);
    for (const [name, text] of await unpacked()) expect([name, text.includes(marker)]).toEqual([name, false]);
    expect(JSON.stringify(world.messages)).not.toContain(marker);
    const configuration = (await unpacked()).get('configuration.json') ?? '';
    expect(configuration).toContain('"LS_PASSWORD": "***"');
    expect(configuration).toContain('"SITE": "***"');
    expect(configuration).toContain('"RESOURCE_GROUP": "one"');
  });

  test('what cannot be read is told and no failure', async () => {
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no answer');
    world.oneError = new DriverError('ONE_UNREACHABLE', 'no answer');
    expect(await run()).toBe(0);
    const files = await unpacked();
    expect(files.get('missing.json')).toContain(`there is no log ${join(folder, 'log')}`);
    expect(files.get('versions.json')).toContain('"OpenNebula": "no answer"');
    expect(files.get('doctor.txt')).toContain('FAIL');
    expect(files.get('report.html')).toContain('Not in here: there is no log');
  });

  test('a file that is there is kept, and a link is not followed', async () => {
    writeFileSync(archive(), 'mine');
    expect(await run()).toBe(1);
    expect(readFileSync(archive(), 'utf8')).toBe('mine');
    rmSync(archive());
    symlinkSync(join(folder, 'elsewhere'), archive());
    expect(await run()).toBe(1);
    expect(readdirSync(folder)).not.toContain('elsewhere');
  });

  test('an error report of a hostile id stays in its folder', async () => {
    world.errorReports = [{ id: '../../x', node: 'a', time: 1e300, exception: '', message: '' }];
    world.errorTexts = { '../../x': 'text' };
    expect(await run()).toBe(0);
    expect([...(await unpacked()).keys()].filter((name) => name.includes('..'))).toEqual([]);
  });
});

describe('report.html', () => {
  const hostile = `"><script>document.title='ran'</script><img src=x onerror="document.title='ran'">\u202e\u0007</text></svg>&lt;`;

  test.skipIf(chromium === null)(
    'a browser shows every timeline, runs nothing, and loads nothing',
    async () => {
      log(
        record(),
        record({
          id: '2',
          action: 'tm/ln',
          argv: [hostile],
          object: { host: hostile },
          calls: [{ kind: 'ssh', target: hostile, verb: hostile, ms: 5000, outcome: hostile, at: 1e9 }],
          notes: [{ level: 'warn', text: hostile, at: 1e9 }],
          error: { code: 'INTERNAL', message: hostile, details: [hostile], reports: [] },
        }),
        record({ id: '3', result: 'ok', ms: 9000, calls: [] }),
      );
      world.vms = [{ ...(world.vms[0] as (typeof world.vms)[number]), name: hostile }];
      world.errorReports = [{ id: hostile, node: hostile, time: now, exception: hostile, message: hostile }];
      world.errorTexts = { [hostile]: hostile };
      expect(await run()).toBe(0);
      const file = join(folder, 'report.html');
      writeFileSync(file, (await unpacked()).get('report.html') ?? '');
      await inBrowser(file, async (page) => {
        const count = (selector: string): Promise<number> =>
          page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
        expect(await page.evaluate<string>('document.title')).toStartWith('linstor_un report 2026-');
        expect(await count('script, img, iframe, [onerror], [onload]')).toBe(0);
        expect(await page.evaluate<number>('performance.getEntriesByType("resource").length')).toBe(0);
        expect(await count('details.action')).toBe(3);
        expect(await count('svg.timeline')).toBe(3);
        expect(await count('svg .bar')).toBe(4);
        expect(await count('svg .bar.bad')).toBe(2);
        // Every bar is inside its picture, has a width, and the page needs no sideways scrolling.
        const outside = `[...document.querySelectorAll('svg .bar')].filter((bar) => {
          const [inner, outer] = [bar.getBoundingClientRect(), bar.closest('svg').getBoundingClientRect()];
          return inner.width < 1 || inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
        }).length`;
        expect(await page.evaluate<number>(outside)).toBe(0);
        const sideways = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
        expect(await page.evaluate<number>(sideways)).toBeLessThanOrEqual(0);
        // The bar of the second call of the action of 4 s: from 0.2 s to 2.2 s of it.
        const box = await page.evaluate<{ x: number; width: number }>(
          `(({ x, width }) => ({ x: x.baseVal.value, width: width.baseVal.value }))(document.querySelector('svg .bar.linstor'))`,
        );
        expect(box.x).toBeCloseTo(330 + 540 * 0.05, 0);
        expect(box.width).toBeCloseTo(540 * 0.5, 0);
        expect((await page.screenshot()).length).toBeGreaterThan(10_000);
      });
    },
    60_000,
  );

  test('every text is escaped', async () => {
    log(record({ action: hostile, argv: [hostile] }));
    expect(await run()).toBe(0);
    const page = (await unpacked()).get('report.html') ?? '';
    expect(page).not.toContain('<script');
    expect(page).not.toContain('<img');
    expect(page).not.toContain('\u202e');
  });
});

if (chromium === null) console.warn('not run: report.html in a browser (Chromium is not installed)');
