import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GenerationName } from '../../../src/lab/linstor/generation.ts';
import { type ServedLab, serveLinstor } from '../../../src/lab/linstor/serve.ts';

/** LINBIT's own client library decides whether the lab's REST interface is LINSTOR's: `scenario.py` in the environment of `.ci/setup`. */
const root = Bun.fileURLToPath(new URL('../../../', import.meta.url));
const python = join(root, 'node_modules/.cache/python');
const installed = existsSync(join(python, '.installed'));

let dir: string | undefined;
let served: ServedLab | undefined;
afterEach(async () => {
  await served?.stop();
  if (dir) rmSync(dir, { recursive: true, force: true });
  served = undefined;
  dir = undefined;
});

function start(generation: GenerationName): ServedLab {
  dir = mkdtempSync(join(tmpdir(), 'lab-python-'));
  const pools = [
    { name: 'thin', provider: 'LVM_THIN' as const, sizeKib: 4 * 1024 ** 2 },
    { name: 'fat', provider: 'LVM' as const, sizeKib: 1024 ** 2 },
  ];
  const nodes = ['node1', 'node2', 'node3'].map((name) => ({ name, pools }));
  served = serveLinstor({ dir, nodes, generation });
  return served;
}

async function unusedPort(): Promise<number> {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = server;
  server.stop(true);
  return port;
}

// In CI a missing environment is a failure, not a reason to skip. The library refuses some of these calls before REST 1.18.
test.skipIf(!installed && process.env['CI'] !== 'true').each(['1.27', '1.31', '1.33', '1.35'] as const)(
  'python-linstor runs its scenario at LINSTOR %s (skipped where .ci/setup found no Python)',
  async (generation) => {
    const lab = start(generation);
    const child = Bun.spawn(
      [
        join(python, 'bin/python'),
        join(import.meta.dir, 'scenario.py'),
        `linstor://127.0.0.1:${lab.port}`,
        `linstor://127.0.0.1:${await unusedPort()}`,
      ],
      {
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      },
    );
    const [said, wrong, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const lines = said.trimEnd().split('\n');
    expect(wrong).toBe('');
    expect(code).toBe(0);
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    // As many as the scenario has steps: none was jumped over.
    const steps = (await Bun.file(join(import.meta.dir, 'scenario.py')).text()).match(/^ +with step\(/gm);
    expect(lines.length).toBe(steps?.length ?? 0);
    expect(lab.lab.runtime.state.definitions).toEqual([]);
  },
  120_000,
);
