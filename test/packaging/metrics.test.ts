import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { runCli } from '../../src/cli/main.ts';
import { JsonLog } from '../../src/log/json-log.ts';
import { diskless, replica, snapshot, World } from '../cli/world.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const rulesFile = join(root, 'packaging/prometheus/linstor_un.rules.yml');
const rules = readFileSync(rulesFile, 'utf8');
const promtool = Bun.which('promtool');
const prometheus = Bun.which('prometheus');

const gridPos = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const target = z.object({ expr: z.string(), refId: z.string(), datasource: z.object({ uid: z.string() }) });
const schema = z.object({
  title: z.string(),
  uid: z.string(),
  panels: z.array(
    z.object({
      id: z.number(),
      type: z.string(),
      title: z.string(),
      description: z.string().optional(),
      gridPos,
      targets: z.array(target).default([]),
    }),
  ),
  templating: z.object({ list: z.array(z.object({ name: z.string(), query: z.unknown() })) }),
});
const dashboard = schema.parse(
  JSON.parse(readFileSync(join(root, 'packaging/grafana/vm-storage-on-linstor.json'), 'utf8')),
);
const queries = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => ({ title, expr })),
);
const variables = dashboard.templating.list.map(({ name }) => name);

/** As Grafana fills them in with everything chosen. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '30s').replaceAll(/\$\{?(?:node|pool|vm)\}?/g, '.*');

let folder: string;
/** What `linstor_un metrics` prints of a cluster in which something of everything is the case. */
let text: string;
/** Also of histograms, by the names of their series. */
let exported: ReadonlySet<string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packaging-'));
  const world = new World();
  world.env = { LINSTOR_UN_LOG: join(folder, 'log') };
  world.resources = [
    replica('one-image-3', 'alpha'),
    replica('one-image-3', 'bravo'),
    replica('one-vm-7-disk-0', 'alpha'),
    diskless('one-vm-7-disk-0', 'bravo', { inUse: true }),
  ];
  world.snapshots = [snapshot('one-vm-7-disk-0', 'snap-0')];
  for (const [id, result] of [
    ['1', 'ok'],
    ['2', 'failed'],
  ] as const) {
    const record = {
      time: new Date().toISOString(),
      id,
      action: 'tm/clone',
      argv: [],
      object: {},
      calls: [],
    };
    new JsonLog({ path: join(folder, 'log') }).write({ ...record, notes: [], result, ms: 400 });
  }
  expect(await runCli(['metrics'], world.environment())).toBe(0);
  text = world.text;
  exported = new Set(text.split('\n').flatMap((line) => /^(linstor_un_\w+)/.exec(line)?.[1] ?? []));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const metricsIn = (expression: string): string[] => expression.match(/\blinstor_un_\w+/g) ?? [];
const run = (argv: string[], stdin = ''): { code: number; output: string } => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { stdin: Buffer.from(stdin), cwd: folder });
  return { code: exitCode, output: `${stdout}${stderr}` };
};

describe('alert rules', () => {
  test('every metric in them is exported', () => {
    const used = [...rules.matchAll(/expr: (?:>\n)?((?:.*\n)+?) {8}(?:for|labels)/g)].flatMap(
      ([, expr = '']) => metricsIn(expr),
    );
    expect(used.length).toBeGreaterThan(8);
    expect(used.filter((name) => !exported.has(name))).toEqual([]);
  });

  test('every rule has its paragraph in docs/monitoring.md', () => {
    const page = readFileSync(join(root, 'docs/monitoring.md'), 'utf8');
    const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
    const runbooks = [...rules.matchAll(/runbook: "docs\/monitoring\.md#(\w+)"/g)].map(
      ([, anchor]) => anchor,
    );
    expect(runbooks).toEqual(alerts.map((name) => name.toLowerCase()));
    expect(alerts.filter((name) => !page.includes(`### ${name}\n`))).toEqual([]);
  });

  test.skipIf(promtool === null)('promtool accepts them, and they raise what they should', () => {
    expect(run(['promtool', 'check', 'rules', rulesFile])).toMatchObject({ code: 0 });
    expect(run(['promtool', 'test', 'rules', join(import.meta.dir, 'rules.test.yml')])).toMatchObject({
      code: 0,
    });
  });
});

test.skipIf(promtool === null)('promtool accepts the metrics without a remark', () => {
  expect(run(['promtool', 'check', 'metrics'], text)).toEqual({ code: 0, output: '' });
});

describe('dashboard', () => {
  test('shows only what is exported, each metric somewhere', () => {
    const used = new Set(queries.flatMap(({ expr }) => metricsIn(expr)));
    expect([...used].filter((name) => !exported.has(name))).toEqual([]);
    const unseen = [...exported].filter((name) => !used.has(name) && !/_sum$|build_info$/.test(name));
    expect(unseen).toEqual([]);
  });

  test('its panels have their own place, data source and variables', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(panels.filter(({ type, description }) => type !== 'row' && !description)).toEqual([]);
    const sources = new Set(panels.flatMap(({ targets }) => targets.map(({ datasource }) => datasource.uid)));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's variable
    expect([...sources]).toEqual(['${datasource}']);
    const named = queries.flatMap(({ expr }) =>
      [...expr.matchAll(/\$(?!__)(\w+)/g)].map(([, name = '']) => name),
    );
    expect(named.filter((name) => !variables.includes(name))).toEqual([]);
  });

  test.skipIf(prometheus === null)(
    'a Prometheus that scrapes the metrics has an answer for every panel',
    async () => {
      let failures = 1;
      // Failures go on: rates need a counter that moves.
      const target = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        fetch: () => {
          failures += 1;
          return new Response(text.replaceAll(/(_(?:bucket|count)\{.*\}) 1$/gm, `$1 ${failures}`));
        },
      });
      writeFileSync(
        join(folder, 'prometheus.yml'),
        `global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n  - job_name: linstor_un\n    static_configs: [{ targets: ['127.0.0.1:${target.port}'] }]\n`,
      );
      const port = freePort();
      const server = Bun.spawn(
        [
          'prometheus',
          '--config.file=prometheus.yml',
          `--storage.tsdb.path=${join(folder, 'tsdb')}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { cwd: folder, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' },
      );
      const ask = async (expr: string): Promise<{ status: string; rows: number }> => {
        const url = `http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query: expr })}`;
        const answer = (await (await fetch(url)).json()) as { status: string; data?: { result: unknown[] } };
        return { status: answer.status, rows: answer.data?.result.length ?? 0 };
      };
      try {
        await until(async () => (await ask('count_over_time(linstor_un_up[30s]) >= 3')).rows > 0);
        const empty: string[] = [];
        for (const { title, expr } of queries) {
          const { status, rows } = await ask(filledIn(expr));
          if (status !== 'success' || rows === 0) empty.push(`${title}: ${expr}: ${status}, ${rows}`);
        }
        expect(empty).toEqual([]);
        expect(queries.length).toBeGreaterThan(20);
      } finally {
        server.kill();
        await server.exited;
        await target.stop(true);
      }
    },
    60_000,
  );
});

function freePort(): number {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() });
  const { port } = server;
  server.stop(true);
  return port ?? 0;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 300; left > 0; left -= 1) {
    if (await condition().catch(() => false)) return;
    await Bun.sleep(100);
  }
  throw new Error('did not come true');
}

for (const [name, path] of Object.entries({ promtool, prometheus }))
  if (path === null) console.warn(`not run: checks by ${name}, which is not installed`);
