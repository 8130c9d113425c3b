import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isDriverError } from '../../src/errors.ts';
import { bytesOfText } from '../../src/hosts/raw-text.ts';
import { decodeBase64 } from '../../src/opennebula/base64.ts';
import { escapeXml, legalText, parseXml } from '../../src/opennebula/xml.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isDriverError(error, 'BAD_MESSAGE')) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('reading', () => {
  const document = parseXml(
    '<VM><ID>7</ID><T><DISK><ID>0</ID></DISK><X><![CDATA[a <b> &amp;]]></X></T><E/><M> a </M></VM>',
    'VM',
  );

  test('one element and several are both lists', () => {
    expect(document.all('T/DISK').map((disk) => disk.value('ID'))).toEqual(['0']);
    const two = parseXml('<T><D><I>1</I></D><D><I>2</I></D></T>', 'T');
    expect(two.all('D/I').map((element) => element.text)).toEqual(['1', '2']);
    expect(two.all('D/I/J')).toEqual([]);
  });

  test('missing and empty elements are told apart, blanks are kept', () => {
    expect(document.value('NOPE')).toBeUndefined();
    expect(document.value('T/NOPE/X')).toBeUndefined();
    expect(document.value('E')).toBe('');
    expect(document.value('M')).toBe(' a ');
  });

  test('CDATA is text', () => {
    expect(document.value('T/X')).toBe('a <b> &amp;');
  });

  test('names of JavaScript’s own are no elements', () => {
    expect(document.value('toString')).toBeUndefined();
    expect(document.value('__proto__')).toBeUndefined();
    const hostile = parseXml('<A><__proto__>x</__proto__><constructor>y</constructor></A>', 'A');
    expect(hostile.value('__proto__')).toBe('x');
    expect(Object.keys(hostile.attributes())).toEqual(['__PROTO__', 'CONSTRUCTOR']);
  });

  test('attributes: simple ones only, upper case, the first of two', () => {
    const template = parseXml('<T><a>1</a><A>2</A><B>x</B><B>y</B><C><D>1</D></C></T>', 'T');
    expect(template.attributes()).toEqual({ A: '1', B: 'x' });
  });

  test('a part written anew reads the same', () => {
    const again = parseXml(document.serialize(), 'VM');
    expect(again.value('T/X')).toBe('a <b> &amp;');
    expect(again.serialize()).toBe(document.serialize());
  });
});

describe('hostile documents', () => {
  const bomb = `<!DOCTYPE a [<!ENTITY a "lol">${[...'bcdefghij']
    .map((name, index) => `<!ENTITY ${name} "${`&${String.fromCharCode(97 + index)};`.repeat(10)}">`)
    .join('')}]><VM>&j;</VM>`;

  test.each([
    ['entity bomb', bomb, 'document type'],
    ['external subset', '<!DOCTYPE VM SYSTEM "file:///etc/passwd"><VM>1</VM>', 'document type'],
    ['doctype behind a comment', '<?xml version="1.0"?><!-- x -->\n<!doctype VM><VM/>', 'document type'],
    ['truncated', '<VM><ID>1</ID>', 'not readable'],
    ['nothing', '', 'root element'],
    ['two roots', '<VM/><VM/>', 'Only one root'],
    ['no XML', 'hello', 'root element'],
    ['undeclared entity', '<VM>&nbsp;</VM>', 'nbsp'],
    ['wrong root', '<HOST><ID>1</ID></HOST>', '<HOST> and not <VM>'],
  ])('%s', (_name, text, reason) => {
    expect(refusal(() => parseXml(text, 'VM'))).toContain(reason);
  });

  test('longer than the limit', () => {
    expect(refusal(() => parseXml(`<VM>${'x'.repeat(200)}</VM>`, 'VM', { maxChars: 100 }))).toContain(
      'longer than 100',
    );
  });

  test('a document type inside CDATA is text', () => {
    expect(parseXml('<VM><A><![CDATA[<!DOCTYPE x>]]></A></VM>', 'VM').value('A')).toBe('<!DOCTYPE x>');
  });

  test('deep nesting neither crashes nor hangs', () => {
    const deep = parseXml(`${'<VM>'.repeat(5000)}${'</VM>'.repeat(5000)}`, 'VM');
    expect(deep.all('VM/VM/VM')).toHaveLength(1);
  });
});

describe('characters that XML forbids', () => {
  test('are dropped, and the rest is read', () => {
    const vm = parseXml('<VM><A>x\u0001y\u000b</A><B>&#1;b&#x1F;&#10;&#65;</B><C>\ud800c</C></VM>', 'VM');
    expect([vm.value('A'), vm.value('B'), vm.value('C')]).toEqual(['xy', 'b\nA', '\ufffdc']);
  });

  test('in CDATA a reference is text and stays', () => {
    const vm = parseXml('<VM><A><![CDATA[&#1;\u0002x]]></A></VM>', 'VM');
    expect(vm.value('A')).toBe('&#1;x');
  });

  test('clean text is left alone', () => {
    expect(legalText('a\tb\n&amp; ü 😀')).toBe('a\tb\n&amp; ü 😀');
  });

  test('any user attribute leaves the VM readable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.boolean(), (value, inCdata) => {
        const safe = inCdata ? `<![CDATA[${value.replaceAll(']]>', '')}]]>` : escapeXml(value);
        const vm = parseXml(`<VM><ID>5</ID><U>${safe}</U></VM>`, 'VM');
        expect(vm.value('ID')).toBe('5');
      }),
    );
  });

  test('bytes that are no UTF-8 arrive as they are, other text beside them as well', () => {
    const bytes = Buffer.concat([
      Buffer.from('<VM><PATH><![CDATA[/é/'),
      Buffer.from([0xff, 0xfe, 0x80, 0xc3]),
      Buffer.from(' 😀]]></PATH><A><B>x</B><B>y</B></A></VM>'),
    ]);
    const document = parseXml(decodeBase64(bytes.toString('base64'), 'message'), 'VM');
    const path = document.value('PATH') ?? '';
    const expected = Buffer.concat([
      Buffer.from('/é/'),
      Buffer.from([0xff, 0xfe, 0x80, 0xc3]),
      Buffer.from(' 😀'),
    ]);
    expect(Buffer.from(bytesOfText(path)).equals(expected)).toBe(true);
    expect(document.all('A/B').map(({ text }) => text)).toEqual(['x', 'y']);
  });
});
