import { expect, test } from 'bun:test';
import { allDone } from '../src/all-done.ts';

test('the values in their order, each of its type', async () => {
  const [text, number] = await allDone([Promise.resolve('a'), Promise.resolve(1)]);
  expect([text.toUpperCase(), number.toFixed(1)]).toEqual(['A', '1.0']);
  expect(await allDone([])).toEqual([]);
});

test('nothing is left running when a failure is thrown, and it is the first in order', async () => {
  let done = 0;
  const slow = Bun.sleep(20).then(() => {
    done += 1;
    throw new Error('first in order');
  });
  const late = Bun.sleep(40).then(() => {
    done += 1;
  });
  const failed = await allDone([slow, Promise.reject(new Error('first in time')), late]).catch(String);
  expect(failed).toBe('Error: first in order');
  expect(done).toBe(2);
});
