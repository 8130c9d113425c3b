import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import { renderDoctor } from '../../src/cli/doctor.ts';
import { paintFor } from '../../src/cli/paint.ts';
import { table } from '../../src/cli/table.ts';
import { renderTrace } from '../../src/cli/trace.ts';
import { printable, printableJson, printableLines, printableScreen } from '../../src/printable.ts';

const hostile = 'a\u001b]0;title\u0007\u001b[2J\u009b31m\r\nfake line\u202e\u0000b';
/** What may not reach a terminal; colours of ours are taken out first. */
const bad = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const withoutColours = (text: string): string => text.replaceAll(/\u001b\[(?:0|1|2|31|32|35)m/g, '');

describe('text of others', () => {
  test('any text: nothing that a terminal obeys, and one line where one line is meant', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(hostile, '\u001b[31m', '\u001b\u001b[0m[2J'),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), (parts) => {
        const whole = parts.join('');
        expect(printable(whole)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
        expect(printableLines(whole)).not.toMatch(bad);
        expect(withoutColours(printableScreen(whole))).not.toMatch(bad);
        const json = printableJson(JSON.stringify({ whole }));
        expect(json).not.toMatch(bad);
        expect(JSON.parse(json)).toEqual({ whole });
      }),
      { numRuns: 500 },
    );
  });

  test('colours of ours stay, those of others are words', () => {
    const paint = paintFor(true);
    expect(printableScreen(paint.bad('x'))).toBe('\u001b[31mx\u001b[0m');
    expect(printableScreen(paint.bad('x\u001b[0m\u001b[2Jy'))).toBe('\u001b[31mx [0m [2Jy\u001b[0m');
  });

  test('names in tables, findings and calls begin no line of their own', () => {
    expect(table([{ title: '' }, { title: '' }], [[hostile, 'x\ny']], 80)).toHaveLength(1);
    const doctor = renderDoctor(
      [{ title: 'T', findings: [{ id: 'x', severity: 'fail', object: hostile, what: hostile } as never] }],
      {
        width: 80,
        paint: paintFor(true),
        all: true,
      },
    );
    expect(doctor.split('\n').filter((line) => /^\s*fake line/.test(withoutColours(line)))).toEqual([]);
    const record = {
      time: '2026-11-23T10:00:00.000Z',
      id: '1',
      action: 'tm/ln',
      argv: [],
      object: { host: hostile },
      ms: 1,
      result: 'ok',
      notes: [],
      calls: [{ kind: 'ssh', target: hostile, verb: hostile, ms: 1, outcome: hostile, at: 1 }],
    } as const;
    const trace = printableScreen(renderTrace([record], 80, paintFor(true)));
    expect(withoutColours(trace)).not.toMatch(bad);
  });

  test('the terminal lets nothing else through', () => {
    const module = join(import.meta.dir, '../../src/cli/terminal.ts');
    const text = `const { openTerminal } = await import(process.argv[1]);
      const terminal = await openTerminal({});
      terminal.out(process.argv[2] + '\\n');
      terminal.message('warn', process.argv[2]);`;
    const run = Bun.spawnSync([process.execPath, '-e', text, module, hostile.replaceAll('\u0000', '')], {
      env: { PATH: process.env['PATH'] ?? '' },
    });
    expect(run.stdout.toString()).toContain('title');
    expect(run.stdout.toString()).not.toMatch(bad);
    expect(withoutColours(run.stderr.toString())).not.toMatch(bad);
  });
});
