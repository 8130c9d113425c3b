import { describe, expect, test } from 'bun:test';
import config from '../../drivers/etc/datastore/linstor_un/linstor_un.conf' with { type: 'text' };
import fragment from '../../drivers/oned.conf.fragment' with { type: 'text' };
import { registerInOnedConf } from '../../src/install/oned-conf.ts';
import { parseConfig } from '../../src/opennebula/config-file.ts';
import { onedConf } from './fixtures.ts';

describe('the files that are installed', () => {
  test('the default configuration sets nothing, and every line of it means something', () => {
    expect(parseConfig(config, 'linstor_un.conf', {}).values).toEqual({});
    const on = config.replaceAll(/^#([A-Z_]+=)/gm, '$1');
    expect(on).not.toBe(config);
    const { ignored, values } = parseConfig(on, 'linstor_un.conf', {});
    expect(ignored).toEqual([]);
    expect(Object.keys(values)).toEqual(
      expect.arrayContaining([
        'TRANSPORT',
        'LS_CONTROLLERS',
        'NODE_MAP',
        'NAME_PREFIX',
        'STAGING_DIR',
        'VERIFY',
        'COMPRESS_TRANSFER',
      ]),
    );
  });

  test('the sections of the fragment are what the installation adds', () => {
    const { text } = registerInOnedConf(onedConf);
    for (const section of fragment.match(/^[A-Z_]+_CONF = \[[^\]]*\]/gm) ?? [])
      expect(text).toContain(section);
    expect(fragment.match(/^[A-Z_]+_CONF = \[/gm)).toHaveLength(2);
  });

  test('a fragment that is pasted by hand is all that the sections need', () => {
    const { edits } = registerInOnedConf(`${onedConf}\n${fragment}`);
    expect(new Set(edits.map((edit) => edit.kind))).toEqual(new Set(['list']));
  });
});
