import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labOne } from '../../../src/lab/one/lab-one.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(120_000);

let lab: TestLab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(async () => lab.stop());

test('TRANSPORT=cli: a SIGTERM while the definition is made leaves nothing in LINSTOR', async () => {
  const bin = join(lab.cluster.dir, 'stopping');
  mkdirSync(bin, { recursive: true });
  // The client ends its work, and its parent has been told to stop meanwhile.
  const client = `#!/bin/bash
case "$*" in *'resource-definition create'*) kill -TERM $PPID; sleep 0.3 ;; esac
exec '${join(lab.cluster.paths.bin, 'linstor')}' "$@"
`;
  writeFileSync(join(bin, 'linstor'), client, { mode: 0o755 });
  const env = lab.one.options.env ?? {};
  const one = labOne({ ...lab.one.options, env: { ...env, PATH: `${bin}:${env['PATH']}` } });
  const template = { RESOURCE_GROUP: 'drbd', TRANSPORT: 'cli' };
  const { datastore } = await one.createDatastore({ name: 'images', type: 'IMAGE', template });
  const made = await one.createDatablock({ name: 'image', datastore, sizeMb: 8 });
  expect(made.ok).toBe(false);
  expect(JSON.stringify(made)).toContain('INTERRUPTED');
  expect(await lab.definitions()).toEqual([]);
});
