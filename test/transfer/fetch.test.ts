import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { runPipeline } from '../../src/hosts/pipeline.ts';
import { addressEnv, curlStage, downloaderStage } from '../../src/transfer/fetch.ts';
import { noise, temporary } from './images.ts';

setDefaultTimeout(60_000);

const content = noise(300_000, 3);
const answer = (status: string, length: number): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;

/** What each connection gets, in order; the last one for all that follow. */
type Behaviour = (socket: Socket) => void;
const whole: Behaviour = (socket) => {
  socket.write(answer('200 OK', content.length));
  socket.end(content);
};
const half: Behaviour = (socket) => {
  socket.write(answer('200 OK', content.length));
  socket.write(content.subarray(0, content.length / 2), () => socket.resetAndDestroy());
};
const stalled: Behaviour = (socket) => {
  socket.write(answer('200 OK', content.length));
  socket.write(content.subarray(0, content.length / 2));
};
const refused =
  (status: string): Behaviour =>
  (socket) =>
    socket.end(`${answer(status, 3)}no\n`);
const reset: Behaviour = (socket) => void socket.resetAndDestroy();

let server: Server;
let port: number;
let script: Behaviour[];
let connections: number;
const open = new Set<Socket>();
beforeAll(async () => {
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    socket.once('data', () => {
      const behaviour = script[Math.min(connections, script.length - 1)] ?? whole;
      connections += 1;
      behaviour(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address ? address.port : 0;
});
afterAll(() => {
  for (const socket of open) socket.destroy();
  server.close();
});

let dir: string;
beforeEach(() => {
  dir = temporary();
  connections = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Fetches into a file, with shorter waits than in life. */
async function fetched(...behaviours: Behaviour[]): Promise<Buffer | number> {
  script = behaviours;
  const from = { url: new URL(`http://127.0.0.1:${port}/x`), addresses: ['127.0.0.1'] };
  const stage = curlStage({}, from, join(dir, 'headers'));
  const argv = stage.argv.map((word, index) => {
    if (word === '120') return '2';
    return stage.argv[index - 1] === join(dir, 'headers') ? '0' : word;
  });
  const store = { name: 'store', argv: ['dd', `of=${join(dir, 'out')}`, 'status=none'] };
  try {
    await runPipeline([{ ...stage, argv }, store], { timeoutMs: 50_000, env: addressEnv(from) });
    return readFileSync(join(dir, 'out'));
  } catch {
    return connections;
  }
}

describe('downloads', () => {
  test('what failed before an answer began is tried again', async () => {
    expect(await fetched(reset, refused('503 Busy'), refused('429 Slow'), whole)).toEqual(content);
  });

  test('no more than four times', async () => {
    expect(await fetched(refused('503 Busy'))).toBe(4);
  });

  test('what is not there is not asked for again', async () => {
    expect(await fetched(refused('404 Not Found'))).toBe(1);
    connections = 0;
    expect(await fetched(refused('403 Forbidden'))).toBe(1);
  });

  for (const [name, first] of [
    ['stalls', stalled],
    ['breaks off', half],
  ] as const) {
    test(`one that ${name} fails: a second attempt would be written behind the first half`, async () => {
      expect(await fetched(first, whole)).toBe(1);
    });
  }
});

describe('OpenNebula’s downloader', () => {
  const argvFor = (text: string): readonly string[] => {
    const downloader = join(dir, 'downloader.sh');
    writeFileSync(downloader, text);
    return downloaderStage({ downloader }, 's3://b/o').argv;
  };

  test('is told not to try again by itself, where it knows the word', () => {
    expect(argvFor('getopt -l nodecomp,noretry').slice(1)).toEqual([
      '--nodecomp',
      '--noretry',
      '--',
      's3://b/o',
      '-',
    ]);
    expect(argvFor('getopt -l nodecomp').slice(1)).toEqual(['--nodecomp', '--', 's3://b/o', '-']);
  });
});
