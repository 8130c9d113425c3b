import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { dialogue } from '../../src/hosts/dialogue.ts';
import { hear } from '../../src/hosts/greeting.ts';
import type { Hosts } from '../../src/hosts/hosts.ts';
import { runPipeline } from '../../src/hosts/pipeline.ts';
import { holdSession } from '../../src/hosts/session.ts';
import { type FakeHosts, fakeHosts } from './fake-hosts.ts';

/** Login shells that print (fake-hosts.ts has one) and such that do not work. */

setDefaultTimeout(60_000);

let fake: FakeHosts;
beforeEach(() => {
  fake = fakeHosts();
});
afterEach(() => fake.remove());

const timeoutMs = 30_000;
const script = (text: string): { script: string } => ({ script: text });

test('an answer begins behind the greeting, and may hold anything', async () => {
  const answer = await fake.hosts.run('host1', { verb: 'x', ...script('printf "ready\\n\\0x"'), timeoutMs });
  expect(answer.stdout).toBe('ready\n\0x');
  expect(answer.noise).toContain('Welcome to host1!');
  expect((await fake.hosts.local({ verb: 'x', ...script('echo here'), timeoutMs })).stdout).toBe('here\n');
  expect(hear('nothing of ours\n').answer).toBeUndefined();
});

test('a pipeline, remote at either end', async () => {
  const argv = (host: string, text: string) => fake.hosts.sshArgv(host, script(text));
  const stages = [
    { name: 'a', argv: argv('host1', 'head -c 200000 /dev/zero | tr "\\0" a; echo end') },
    { name: 'b', argv: argv('host2', 'cat') },
    { name: 'c', argv: argv('host3', 'md5sum') },
  ];
  const expected = new Bun.CryptoHasher('md5').update(`${'a'.repeat(200_000)}end\n`).digest('hex');
  const { stdout } = await runPipeline(stages, { timeoutMs, env: fake.env });
  expect(stdout).toBe(`${expected}  -\n`);
  const local = [
    { name: 'a', argv: ['echo', 'x'] },
    { name: 'b', argv: argv('host2', 'cat') },
  ];
  expect((await runPipeline(local, { timeoutMs, env: fake.env })).stdout).toBe('x\n');
});

test('hosts that talk to each other, one of them this machine', async () => {
  for (const host of ['host2', 'frontend']) {
    const { codes } = await dialogue(
      fake.hosts,
      { host: 'host1', verb: 'a', ...script('echo ping; read -r said; [ "$said" = pong ]') },
      { host, verb: 'b', ...script('read -r said; [ "$said" = ping ] && echo pong') },
      { timeoutMs, env: fake.env },
    );
    expect(codes).toEqual([0, 0]);
  }
});

test('a held session', async () => {
  const { hosts, env } = fake;
  const words = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const withEnv: Hosts = {
    run: (host, command) => hosts.run(host, command),
    local: (command) => hosts.local(command),
    isFrontend: (host) => hosts.isFrontend(host),
    sshArgv: (host, command) => ['env', ...words, ...hosts.sshArgv(host, command)],
  };
  const held = await holdSession(withEnv, 'host1', {
    verb: 'hold',
    ...script('echo said; echo ready; read -r _; exit 3'),
    readyMs: timeoutMs,
  });
  expect(held.said).toBe('said\n');
  expect((await held.release()).exitCode).toBe(3);
});

test.each([
  ['nologin', 'echo "This account is currently not available."; exit 1', 'not available'],
  ['one that swallows the command', 'exit 0', 'it said nothing'],
  ['csh', 'echo "Unmatched \'." >&2; exit 1', 'Unmatched'],
])('%s is told as what it is', async (_, text, said) => {
  const ssh = join(fake.root, 'bin/ssh');
  writeFileSync(ssh, readFileSync(ssh, 'utf8').replace('host=$1; shift', `${text}\nhost=$1; shift`));
  const error = await fake.hosts.run('host1', { verb: 'check-file', ...script('echo yes'), timeoutMs }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DriverError)) throw new Error('it did not fail');
  expect(error.code).toBe('HOST_COMMAND');
  expect(error.message).toContain('the login shell on host1 did not run check-file');
  expect(error.message).toContain(said);
  expect(error.remedy).toContain('chsh -s /bin/bash');
});

test('noise without an end is not listened to for ever', async () => {
  const ssh = join(fake.root, 'bin/ssh');
  writeFileSync(
    ssh,
    readFileSync(ssh, 'utf8').replace('host=$1; shift', 'exec head -c 40000000 /dev/zero\nhost=$1; shift'),
  );
  const stages = [
    { name: 'a', argv: fake.hosts.sshArgv('host1', script('echo never')) },
    { name: 'b', argv: ['wc', '-c'] },
  ];
  await runPipeline(stages, { timeoutMs, env: fake.env }).catch(() => undefined);
  const answer = fake.hosts.run('host1', { verb: 'x', ...script('true'), timeoutMs });
  expect(
    await answer.then(
      () => 'answered',
      () => 'refused',
    ),
  ).toBe('refused');
});
