import { DriverError } from '../errors.ts';
import { escapeXml, legalText, parseXml, poolLimit, type XmlElement } from './xml.ts';

/** The texts of XML-RPC, as far as oned speaks it (contract §8.2). No transport here. */

export type Parameter = string | number | boolean;

/** Parameters are strings, ints and booleans. */
export function encodeCall(method: string, parameters: readonly Parameter[]): string {
  const values = parameters.map((value) => `<param><value>${encodeValue(value)}</value></param>`).join('');
  return `<?xml version="1.0"?><methodCall><methodName>${escapeXml(method)}</methodName><params>${values}</params></methodCall>`;
}

function encodeValue(value: Parameter): string {
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (typeof value === 'number') return `<int>${value}</int>`;
  return `<string>${escapeXml(legalText(value))}</string>`;
}

/** oned's answer: success with a document or a text, refusal with a code, or a fault of the protocol. */
export type Reply =
  | { readonly kind: 'success'; readonly body: string }
  | { readonly kind: 'failure'; readonly message: string; readonly code: number }
  | { readonly kind: 'fault'; readonly message: string; readonly code: number };

/**
 * Answers are arrays: success, body or message, code; failures have the object's id and, since 5.12, an `i8` in
 * addition, with or without a name-space prefix: members after the third are not looked at. Throws ONE_UNREACHABLE
 * for what is no answer of oned's.
 */
export function decodeReply(text: string): Reply {
  const document = parseXml(text, 'methodResponse', {
    what: 'answer of oned',
    code: 'ONE_UNREACHABLE',
    maxChars: poolLimit,
  });
  const fault = document.first('fault');
  if (fault) return decodeFault(fault);
  const [success, body, code] = document.all('params/param/value/array/data/value').map(textOfValue);
  if (success === undefined || body === undefined) {
    throw new DriverError('ONE_UNREACHABLE', 'the answer is not one of oned’s: it holds no array');
  }
  if (success === '1' || success === 'true') return { kind: 'success', body };
  return { kind: 'failure', message: body, code: toCode(code) };
}

function decodeFault(fault: XmlElement): Reply {
  const members = new Map(
    fault.all('value/struct/member').map((member) => {
      const value = member.first('value');
      return [member.value('name') ?? '', value ? textOfValue(value) : ''];
    }),
  );
  return {
    kind: 'fault',
    message: members.get('faultString') ?? 'no reason given',
    code: toCode(members.get('faultCode')),
  };
}

/** `<value><string>x</string></value>` or, untyped, `<value>x</value>`. */
function textOfValue(value: XmlElement): string {
  return value.children[0]?.text ?? value.text;
}

function toCode(text: string | undefined): number {
  const code = Number(text);
  return Number.isInteger(code) ? code : 0;
}
