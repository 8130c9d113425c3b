import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { oneLine, redact, redactCounting } from '../../src/log/redact.ts';

const secret = 'hunter2-marker';

describe('what is hidden', () => {
  const texts = [
    `https://me:${secret}@controller:3371/v1`,
    `https://${secret}@controller:3371/v1`,
    `https://me:a@${secret}@controller/v1`,
    `fetch https://bucket.example/key?X-Amz-Signature=${secret}&x=y failed`,
    `s3://bucket/key?sig=${secret}`,
    `Authorization: Bearer ${secret}`,
    `authorization: basic \t ${secret}==`,
    `password=${secret}`,
    `LS_PASSWORD = "${secret} with blanks"`,
    `LS_PASSWORD = '${secret}'`,
    `LS_PASSWORD = "unclosed ${secret}`,
    `{"token": "${secret}"}`,
    `{"token":"quote \\" ${secret}"}`,
    JSON.stringify(JSON.stringify({ token: secret })),
    JSON.stringify({ said: JSON.stringify({ 'LUKS-passphrase': secret }) }),
    `passphrase: '${secret}'`,
    `client_secret:${secret},x`,
    `<LS_PASSWORD><![CDATA[${secret}]]></LS_PASSWORD>`,
    `<LS_TOKEN>${secret}</LS_TOKEN>`,
    `<ls_token>${secret}`,
    `<AUTH>${secret}</AUTH>`,
    `<PASS><![CDATA[a < ${secret}`,
  ];
  for (const text of texts) test(text, () => expect(redact(text)).not.toContain(secret));

  test('what is known, in every spelling and overlapping', () => {
    const odd = 'p&s"w<d%ö';
    for (const text of [odd, encodeURIComponent(odd), JSON.stringify(odd), 'x p&amp;s"w&lt;d%ö y'])
      expect(redact(`a ${text} b`, [odd])).not.toMatch(/s"w|w<d|w&lt;d|%C3/);
    expect(redact('one-abcXdef-two', ['abcX', 'Xdef'])).toBe('one-***-two');
    expect(redact('abcdef', ['abcd', 'abcdef'])).toBe('***');
    expect(redact('aaaaaaa', ['aaaa'])).toBe('***');
    expect(redact('aaa', ['a'])).toBe('aaa');
  });

  test('the rest stays readable', () => {
    for (const text of [
      'GET /v1/view/resources?nodes=a 200',
      'http://c1:3370/v1/view: no answer',
      'the token is missing',
      'a <b> c < d',
      'token://x is no address',
      'passing through basic',
    ])
      expect(redact(text)).toBe(text);
    expect(redact('https://u:p@h:1/path?q=1 failed: 404')).toBe('https://***@h:1/path?*** failed: 404');
    expect(redact('<DATASTORE><LS_TOKEN>x</LS_TOKEN><ID>1</ID>')).toBe(
      '<DATASTORE><LS_TOKEN>***</LS_TOKEN><ID>1</ID>',
    );
  });

  test('a marker behind any text before it', () => {
    const noise = fc.stringMatching(/^[a-zA-Z0-9 ./:@?=<>&"'\\-]{0,40}$/);
    fc.assert(
      fc.property(noise, noise, (before, behind) => {
        // An open quote or tag before it may take the key for a part of its own value: hidden too.
        expect(redact(`${before} LS_TOKEN=${secret} ${behind}`)).not.toContain(secret);
        expect(redact(`${before}${secret}${behind}`, [secret])).not.toContain(secret);
      }),
      { numRuns: 500 },
    );
  });
});

describe('time', () => {
  /** Pieces of which a text may be made that is hard to take apart. */
  const pieces = [
    'a',
    '-',
    '.',
    ' ',
    ':',
    '/',
    '://',
    '@',
    '?',
    '=',
    '"',
    "'",
    '\\',
    '\\"',
    '<',
    '>',
    '</',
    '<![CDATA[',
    ']]>',
    'token',
    'token=',
    'TOKEN>',
    '<TOKEN>',
    '<SECRET1>',
    'password',
    'passwpassword',
    'secret:',
    '"token"',
    'Bearer',
    'bearer ',
    'basic',
    'http://',
    'u:p@',
    '\n',
    '\u001b[31m',
    'ö',
  ];
  const perCharacter = 8;

  test('each piece over and over, alone and in pairs: every character is looked at a few times', () => {
    for (const a of pieces) {
      for (const b of pieces) {
        const text = (a + b).repeat(400);
        expect(redactCounting(text).looked, JSON.stringify(a + b)).toBeLessThanOrEqual(
          perCharacter * text.length,
        );
      }
    }
  });

  test('any mixture, at growing lengths', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(1, 10, 100, 1000, 10_000),
        (parts, times) => {
          const text = parts.join('').repeat(times);
          expect(redactCounting(text).looked).toBeLessThanOrEqual(perCharacter * text.length + perCharacter);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a megabyte of what took minutes', () => {
    for (const piece of ['a.', 'passwpassword', 'token', '<TOKEN>', 'a://', '"token": "', 'x=y ']) {
      const text = piece.repeat(Math.ceil(2 ** 20 / piece.length));
      expect(redact(`${text} LS_TOKEN=${secret}`)).not.toContain(secret);
    }
  });
});

test('one line: no escape sequence, no line break, no turn of direction', () => {
  expect(oneLine('a\u001b]0;title\u0007b\r\nERROR: c\u009b31m\u202ed\u2066e')).toBe(
    'a ]0;title b ERROR: c 31m d e',
  );
});
