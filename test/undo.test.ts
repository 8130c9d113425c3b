import { describe, expect, test } from 'bun:test';
import type { Log } from '../src/effects.ts';
import { Undo } from '../src/undo.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, call: () => {} };

function stack(): { undo: Undo; done: string[]; push(label: string): void } {
  const undo = new Undo(silent);
  const done: string[] = [];
  return { undo, done, push: (label) => void undo.push(label, async () => done.push(label)) };
}

async function fails(work: Promise<unknown>): Promise<void> {
  expect(await work.then(() => 'success').catch((error: Error) => error.message)).toBe('failed');
}

describe('undo', () => {
  test('newest first; a step that fails keeps none of the others from running', async () => {
    const { undo, done, push } = stack();
    push('a');
    undo.push('broken', () => Promise.reject(new Error('no')));
    push('c');
    await undo.rollback();
    expect(done).toEqual(['c', 'a']);
    expect(undo.failed).toEqual(['broken']);
    expect(undo.size).toBe(0);
  });

  test('a failed work takes back its own steps, also those of works inside it, and leaves what was before', async () => {
    const { undo, done, push } = stack();
    push('before');
    await fails(
      undo.within(async () => {
        push('outer');
        await undo.within(async () => push('inner'));
        throw new Error('failed');
      }),
    );
    expect(done).toEqual(['inner', 'outer']);
    await undo.rollback();
    expect(done).toEqual(['inner', 'outer', 'before']);
  });

  test('of what is removed as a whole no part is taken back before; what stays, is', async () => {
    const { undo, done } = stack();
    const step = (label: string, about: { removes?: string; part?: string }): void => {
      undo.push(label, async () => done.push(label), about);
    };
    step('remove a', { removes: 'a' });
    step('detach a', { part: 'a' });
    step('detach b', { part: 'b' });
    await fails(
      undo.within(async () => {
        step('detach a again', { part: 'a' });
        throw new Error('failed');
      }),
    );
    // Only what is removed in the same turn makes it needless.
    expect(done).toEqual(['detach a again']);
    await undo.rollback();
    expect(done).toEqual(['detach a again', 'detach b', 'remove a']);
  });

  test('what runs beside it is taken back only when it has ended', async () => {
    const { undo, done, push } = stack();
    const events: string[] = [];
    const slow = undo.within(async () => {
      push('slow');
      await Bun.sleep(20);
      events.push(`slow ends, undone: ${done.join()}`);
      await Bun.sleep(1);
      push('slow, later');
    });
    await fails(
      undo.within(async () => {
        push('quick');
        await Bun.sleep(1);
        throw new Error('failed');
      }),
    );
    await slow;
    expect(events).toEqual(['slow ends, undone: quick']);
    await undo.rollback();
    expect(done).toEqual(['quick', 'slow, later', 'slow']);
  });
});
