import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { DriverError } from '../../src/errors.ts';
import { oneLine } from '../../src/log/redact.ts';
import { failureText, logText, replyText } from '../../src/opennebula/reply.ts';
import { atLeast, type Generation, generationOf, parseVersion } from '../../src/opennebula/version.ts';

const clone = { kind: 'tm', name: 'clone' } as const;
const failure = new DriverError('PLACEMENT', 'no room\nfor it', { remedy: 'add\ta disk' });

/** What oned of that generation shows to the user, by contract §1.5. */
function shown(generation: Generation, stderr: string): string {
  const lines = stderr.split('\n').slice(0, -1);
  if (generation === 'markers') {
    return lines
      .slice(lines.indexOf('ERROR MESSAGE --8<------') + 1, lines.indexOf('ERROR MESSAGE ------>8--'))
      .join('\n');
  }
  if (generation === 'joined') return lines.join(' ');
  return lines.filter((line) => !/^(ERROR|INFO|WARN|DEBUG):\s/.test(line)).join('');
}

describe('version', () => {
  test.each([
    ['5.8.0', 'markers'],
    ['6.0.2', 'markers'],
    ['6.0.3', 'joined'],
    ['6.10.0.1', 'joined'],
    ['6.99.79', 'joined'],
    ['6.99.80', 'split'],
    ['7.0.0', 'split'],
    ['7.5.80', 'split'],
    [undefined, 'split'],
    ['nonsense', 'split'],
  ] as const)('%p is %s', (version, generation) => {
    expect(generationOf(version)).toBe(generation);
  });

  test('numbers are compared as numbers', () => {
    expect(atLeast('6.10.0', 6, 9)).toBeTrue();
    expect(atLeast('6.9.9', 6, 10)).toBeFalse();
    expect(atLeast('7.0', 7, 0, 0)).toBeTrue();
    expect(parseVersion(' 7.2.0\n')).toEqual([7, 2, 0]);
    expect(parseVersion('seven')).toBeUndefined();
  });
});

describe('reply', () => {
  test('one line with a line break, or nothing', () => {
    expect(replyText(clone, 'SOURCE raw')).toBe('SOURCE raw\n');
    expect(replyText(clone, 'SOURCE raw\n')).toBe('SOURCE raw\n');
    expect(replyText(clone, undefined)).toBe('');
  });

  test('two lines are a defect, except of monitor', () => {
    expect(() => replyText(clone, 'a\nb')).toThrow('more than one line');
    expect(replyText({ kind: 'datastore', name: 'monitor' }, 'USED_MB=1\nTOTAL_MB=2')).toBe(
      'USED_MB=1\nTOTAL_MB=2\n',
    );
  });
});

describe('failure', () => {
  test.each(['markers', 'joined', 'split'] as const)(
    '%s: the user sees the line and nothing else',
    (generation) => {
      const stderr =
        logText(generation, clone, 'info', 'started') +
        failureText(generation, clone, failure) +
        logText(generation, clone, 'warn', 'undone');
      expect(shown(generation, stderr)).toBe('no room for it – add a disk [PLACEMENT]');
    },
  );

  test('markers only where they are needed', () => {
    expect(failureText('markers', clone, failure).split('\n')).toHaveLength(4);
    expect(failureText('joined', clone, failure)).not.toContain('MESSAGE');
    expect(failureText('split', clone, failure)).not.toContain('MESSAGE');
  });

  test('a text that looks like a log line is not lost', () => {
    const text = failureText(
      'split',
      { name: 'clone', variant: 'ssh' },
      new DriverError('INTERNAL', 'ERROR: 12 bytes'),
    );
    expect(text).toStartWith('clone.ssh: ERROR: 12 bytes');
    expect(shown('split', text)).toContain('12 bytes');
  });

  test('any message gives exactly one line of valid text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom<Generation>('joined', 'split'),
        (message, generation) => {
          const text = failureText(generation, clone, new DriverError('INTERNAL', message));
          expect(text.match(/[\r\n\u2028\u2029]/g)).toEqual(['\n']);
          expect(text.isWellFormed()).toBeTrue();
          expect(shown(generation, text)).toBe(text.slice(0, -1));
        },
      ),
    );
  });
});

describe('log lines', () => {
  test('the name after the level: digits are never taken for an object id', () => {
    expect(logText('split', clone, 'info', '12 bytes')).toBe('INFO: clone: 12 bytes\n');
    expect(logText('split', { name: 'mv', variant: 'ssh' }, 'error', '5')).toBe('ERROR: mv.ssh: 5\n');
  });

  test('WARN is a level since 7.0, WARNING never is', () => {
    expect(logText('split', clone, 'warn', 'x')).toBe('WARN: clone: x\n');
    expect(logText('markers', clone, 'warn', 'x')).toBe('INFO: clone: warning: x\n');
  });

  test('from 6.0.3 to 6.10 all of stderr is the message: no log lines', () => {
    expect(logText('joined', clone, 'error', 'x')).toBe('');
  });

  test('secrets never, the longest first', () => {
    expect(logText('split', clone, 'info', 'token abcdef and abcd', ['abcd', 'abcdef'])).toBe(
      'INFO: clone: token *** and ***\n',
    );
    expect(
      failureText('split', clone, new DriverError('LINSTOR_AUTH', 'bad s3cret'), ['s3cret']),
    ).toStartWith('bad ***');
  });

  test('one line, without control characters', () => {
    expect(oneLine(' a\r\n\tb\u0007c\u2028d\ud800 ')).toBe('a b c d\ufffd');
  });
});
