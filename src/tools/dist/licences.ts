import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };

/** Packages that are inside of the compiled program: the dependencies and what they need, as they are installed. */
export function bundledPackages(modules: string): string[] {
  const found = new Set<string>();
  const walk = (name: string): void => {
    if (found.has(name)) return;
    const path = join(modules, name, 'package.json');
    if (!existsSync(path)) throw new Error(`${name} is not installed: run setup first`);
    found.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(path, 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const each of Object.keys(dependencies)) walk(each);
  };
  for (const name of Object.keys(packageJson.dependencies)) walk(name);
  return [...found].sort();
}

/** Names, versions and full licence texts. */
export function licenceTexts(modules: string): string {
  const parts = bundledPackages(modules).map((name) => {
    const folder = join(modules, name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      version: string;
      license?: string;
    };
    const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
    const text = file ? readFileSync(join(folder, file), 'utf8').trim() : '';
    const more =
      name === 'bun'
        ? 'Bun contains JavaScriptCore (LGPL-2) and other libraries: https://bun.sh/docs/project/license'
        : '';
    return [`${name} ${version}: ${license ?? 'see the package'}`, more, text]
      .filter((each) => each !== '')
      .join('\n\n');
  });
  return `linstor_un: Apache-2.0, see LICENSE. The compiled program contains:\n\n${parts.join(`\n\n${'-'.repeat(72)}\n\n`)}\n`;
}

export function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}
