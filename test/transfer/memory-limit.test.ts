import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localCopy } from '../../src/transfer/local-copy.ts';
import { memoryKib } from '../../src/transfer/memory-limit.ts';
import { nbdReceiver, nbdSender } from '../../src/transfer/nbd-scripts.ts';
import { countScript, storeScript, unpackScript } from '../../src/transfer/stream-scripts.ts';
import { streamWriter } from '../../src/transfer/stream-writer.ts';
import { receiver } from '../../src/transfer/wire-receiver.ts';
import { sender } from '../../src/transfer/wire-sender.ts';

describe('what reads an image', () => {
  test.each(
    Object.entries({
      localCopy,
      nbdReceiver,
      nbdSender,
      countScript,
      storeScript,
      unpackScript,
      streamWriter,
      receiver,
      sender,
    }),
  )('%s has a limit from its first line on', (_, script) => {
    expect(script.split('\n')[0]).toBe(`ulimit -d ${memoryKib} 2>/dev/null`);
  });

  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'linstor_un memory-'));
    writeFileSync(join(dir, 'image'), 'content');
    writeFileSync(join(dir, 'device_00000.img'), '');
    for (const name of ['image', 'device_00000.img']) truncateSync(join(dir, name), 1024 * 1024);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** Exit code of a copy with another qemu-img. */
  const copyWith = async (qemuImg: string): Promise<number> => {
    writeFileSync(join(dir, 'qemu-img'), `#!/bin/bash\n${qemuImg}\n`);
    chmodSync(join(dir, 'qemu-img'), 0o755);
    const args = [
      'raw',
      join(dir, 'image'),
      '-',
      '',
      '',
      join(dir, 'device_00000.img'),
      'storage device 0',
      '1048576',
      '1',
      '0',
    ];
    const copy = Bun.spawn(['bash', '-c', localCopy, 'x', ...args], {
      env: { ...process.env, PATH: `${dir}:${process.env['PATH']}` },
      stdin: 'pipe',
      stderr: 'ignore',
    });
    const code = await copy.exited;
    await copy.stdin.end();
    return code;
  };

  test('qemu-img too, on the front-end as on hosts', async () => {
    const code = await copyWith(`ulimit -d >'${join(dir, 'limit')}'; exit 3`);
    expect(readFileSync(join(dir, 'limit'), 'utf8').trim()).toBe(String(memoryKib));
    expect(code).not.toBe(0);
  });
});
