import { describe, expect, test } from 'bun:test';
import { toCapabilities } from '../../../src/linstor/capabilities.ts';
import {
  baseUrl,
  clientForm,
  parseController,
  parseControllers,
  redirected,
} from '../../../src/linstor/rest/controllers.ts';

describe('forms of LS_CONTROLLERS', () => {
  test.each([
    ['ctl1', 'http://ctl1:3370', 'linstor://ctl1:3370'],
    ['ctl1:8080', 'http://ctl1:8080', 'linstor://ctl1:8080'],
    ['ctl1:3371', 'https://ctl1:3371', 'linstor+ssl://ctl1:3371'],
    ['linstor://ctl1', 'http://ctl1:3370', 'linstor://ctl1:3370'],
    ['linstor+ssl://ctl1', 'https://ctl1:3371', 'linstor+ssl://ctl1:3371'],
    ['LINSTOR+SSL://ctl1:443/', 'https://ctl1:443', 'linstor+ssl://ctl1:443'],
    ['http://ctl1', 'http://ctl1:3370', 'linstor://ctl1:3370'],
    ['https://ctl1.example', 'https://ctl1.example:3371', 'linstor+ssl://ctl1.example:3371'],
    ['[fd00::1]', 'http://[fd00::1]:3370', 'linstor://[fd00::1]:3370'],
    ['[fd00::1]:3371', 'https://[fd00::1]:3371', 'linstor+ssl://[fd00::1]:3371'],
    ['linstor://[fd00::1]:3370', 'http://[fd00::1]:3370', 'linstor://[fd00::1]:3370'],
  ])('%p', (form, url, client) => {
    expect(baseUrl(parseController(form))).toBe(url);
    expect(clientForm(parseController(form))).toBe(client);
  });

  test('with certificates a bare name means TLS; what is written out stays', () => {
    expect(baseUrl(parseController('ctl1', true))).toBe('https://ctl1:3371');
    expect(baseUrl(parseController('linstor://ctl1', true))).toBe('http://ctl1:3370');
    expect(baseUrl(parseController('ctl1:3370', true))).toBe('http://ctl1:3370');
  });

  test('lists, blanks and repetitions', () => {
    const urls = parseControllers(['ctl1, ctl2:3370', 'linstor://ctl1', '']).map(baseUrl);
    expect(urls).toEqual(['http://ctl1:3370', 'http://ctl2:3370']);
  });

  test.each([
    'ftp://ctl1',
    'ctl1:0',
    'ctl1:99999',
    'ctl1:port',
    'http://',
    '[fd00::1',
    'a b:c:d',
    'user@ctl1:x',
  ])('%p is refused and named', (form) => {
    expect(() => parseController(form)).toThrow(form);
  });

  test('no controller at all', () => {
    expect(() => parseControllers([' , '])).toThrow('no LINSTOR controller is configured');
  });
});

describe('redirects', () => {
  const plain = parseController('linstor://ctl1');
  test('to TLS on the same host', () => {
    expect(baseUrl(redirected(plain, 'https://CTL1:3371/v1/nodes'))).toBe('https://ctl1:3371');
    expect(baseUrl(redirected(parseController('[fd00::1]'), 'https://[fd00::1]/v1'))).toBe(
      'https://[fd00::1]:443',
    );
  });
  test.each(['http://ctl1:3380/v1', 'https://ctl2:3371/v1', '/v1/nodes', '', null])(
    'never to %p',
    (location) => {
      expect(() => redirected(plain, location)).toThrow('redirects to');
    },
  );
  test('a loop over TLS is none', () => {
    expect(() => redirected(parseController('https://ctl1'), 'https://ctl1:3371/v1')).toThrow('redirects to');
  });
});

describe('capabilities', () => {
  const able = (server: string, rest: string) =>
    Object.entries(toCapabilities(server, rest)).flatMap(([name, can]) => (can === true ? [name] : []));

  test('an old controller, the recorded one, a future one', () => {
    expect(able('1.12.0', '1.9.0')).toEqual([]);
    expect(able('1.20.0', '1.16.0').sort()).toEqual(['clone']);
    const recorded = able('1.33.3', '1.27.0');
    expect(recorded).toContain('cloneProps');
    expect(recorded).toContain('rollbackAny');
    expect(recorded).not.toContain('managedDualPrimary');
    expect(recorded).not.toContain('balanceAfterRestore');
    expect(able('1.40.0', '1.100.0')).toHaveLength(13);
    expect(able('2.0.0', '2.0.0')).toHaveLength(13);
  });

  test('the first version that has it, and release candidates of it', () => {
    expect(toCapabilities('1.33.0', '1.21.9').spawnProps).toBe(false);
    expect(toCapabilities('1.33.0', '1.22.0').spawnProps).toBe(true);
    expect(toCapabilities('1.30.4', '1.23.0').rollbackAny).toBe(false);
    expect(toCapabilities('1.31.0-rc.1+8', '1.23.0').rollbackAny).toBe(true);
    expect(toCapabilities('1.31', '1.22').rollbackAny).toBe(true);
    expect(toCapabilities('garbage', '').clone).toBe(false);
  });
});
