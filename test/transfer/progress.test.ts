import { describe, expect, test } from 'bun:test';
import {
  barProgress,
  describe as describePoint,
  duration,
  logProgress,
  type ProgressPoint,
  progressReader,
  withoutProgress,
  withProgress,
} from '../../src/transfer/progress.ts';
import { bytes } from '../../src/units.ts';

const GiB = 1024 ** 3;
const point = (done: number, more: Partial<ProgressPoint> = {}): ProgressPoint => ({
  done: bytes(done),
  rate: 0,
  ...more,
});

describe('progress', () => {
  test('says percent, rate and remaining time', () => {
    const text = describePoint(point(GiB, { total: bytes(4 * GiB), rate: 256 * 1024 * 1024, remaining: 12 }));
    expect(text).toBe('25 % of 4 GiB, 256 MiB/s, 12 s left');
    expect(describePoint(point(GiB, { rate: 1024 }))).toBe('1 GiB, 1 KiB/s');
    expect([59, 61, 3700].map(duration)).toEqual(['59 s', '1 min 1 s', '1 h 1 min']);
  });

  test('reads both kinds of lines, in any pieces, and never goes back', () => {
    let now = 0;
    const seen: ProgressPoint[] = [];
    const read = progressReader((entry) => seen.push(entry), { now: () => now }, bytes(1000));
    now = 1000;
    for (const piece of [
      '@1',
      '00/1000\n@200/1000\nnoise\n',
      '    (50.0',
      '0/100%)\r',
      '@400/1000\n',
      '@1000/0\n',
    ])
      read(piece);
    expect(seen.map(({ done, total }) => [Number(done), Number(total)])).toEqual([
      [200, 1000],
      [500, 1000],
      [1000, 1000],
    ]);
    expect(seen[0]).toMatchObject({ rate: 200, remaining: 4 });
  });

  test('a short action logs nothing, a long one sparsely', () => {
    let now = 0;
    const lines: string[] = [];
    const listener = logProgress({ info: (line) => lines.push(line) }, 'copying', { now: () => now }, 10_000);
    for (now = 0; now <= 45_000; now += 500) listener(point(now * 1000));
    expect(lines.length).toBe(4);
    expect(lines[0]).toStartWith('copying: ');
  });

  test('the bar is one line', () => {
    let text = '';
    const listener = barProgress(
      (piece) => {
        text += piece;
      },
      'x',
      10,
    );
    listener(point(GiB, { total: bytes(2 * GiB) }));
    expect(text).toBe('\r\x1b[Kx [#####.....] 50 % of 2 GiB, 0 B/s');
  });

  test('a person sees the bar, OpenNebula’s log a line now and then', async () => {
    let now = 0;
    const clock = { now: () => now };
    const seen = async (person: boolean, points: number): Promise<[string, string[]]> => {
      let screen = '';
      const lines: string[] = [];
      const terminal = (text: string): void => {
        screen += text;
      };
      const log = { info: (line: string) => void lines.push(line), ...(person ? { terminal } : {}) };
      const result = await withProgress(log, 'x', clock, async (listener) => {
        for (let at = 0; at < points; at += 1) {
          now += 11_000;
          listener(point(at * GiB, { total: bytes(2 * GiB) }));
        }
        return 7;
      });
      expect(result).toBe(7);
      return [screen, lines];
    };
    const [screen, none] = await seen(true, 3);
    expect(screen.split('\r\x1b[K')).toHaveLength(4);
    expect(screen).toEndWith('100 % of 2 GiB, 0 B/s\n');
    expect(none).toEqual([]);
    expect(await seen(true, 0)).toEqual(['', []]);
    const [nothing, lines] = await seen(false, 3);
    expect(nothing).toBe('');
    expect(lines).toHaveLength(3);
  });

  test('is taken out of what people see', () => {
    expect(withoutProgress('@1/2\n(1.00/100%)\r    (99/100%)\rdd: no space\n@head-1\n').trim()).toBe(
      'dd: no space',
    );
  });
});
