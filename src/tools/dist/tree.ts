import { chmodSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface TreeSources {
  readonly root: string;
  /** The compiled program. */
  readonly binary: string;
  readonly manPages: ReadonlyMap<string, string>;
  /** By shell. */
  readonly completions: Readonly<Record<'bash' | 'zsh' | 'fish', string>>;
  readonly licences: string;
  /** CycloneDX. */
  readonly sbom: string;
}

/** What a package puts on a front-end, below `tree`. The program stands where `linstor_un install` would put it. */
export function makeTree(tree: string, sources: TreeSources): void {
  const write = (path: string, content: string | Uint8Array, mode = 0o644): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(tree, path), content, { mode });
    chmodSync(join(tree, path), mode);
  };
  const copy = (from: string, path: string, mode = 0o644): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
    cpSync(from, join(tree, path));
    chmodSync(join(tree, path), mode);
  };
  copy(sources.binary, 'usr/lib/one/linstor_un/linstor_un', 0o755);
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  symlinkSync('/usr/lib/one/linstor_un/linstor_un', join(tree, 'usr/bin/linstor_un'));
  for (const [name, text] of sources.manPages)
    write(`usr/share/man/man1/${name}.gz`, gzipSync(text, { level: 9 }));
  write('usr/share/bash-completion/completions/linstor_un', sources.completions.bash);
  write('usr/share/zsh/vendor-completions/_linstor_un', sources.completions.zsh);
  write('usr/share/fish/vendor_completions.d/linstor_un.fish', sources.completions.fish);
  for (const folder of ['systemd', 'prometheus', 'grafana']) {
    const target = folder === 'systemd' ? 'usr/lib/systemd/system' : `usr/share/linstor_un/${folder}`;
    for (const name of listed(join(sources.root, 'packaging', folder)))
      copy(join(sources.root, 'packaging', folder, name), `${target}/${name}`);
  }
  const docs = 'usr/share/doc/linstor_un';
  for (const name of ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE'])
    if (listed(sources.root).includes(name)) copy(join(sources.root, name), `${docs}/${name}`);
  for (const name of listed(join(sources.root, 'docs')).filter((each) => each.endsWith('.md')))
    copy(join(sources.root, 'docs', name), `${docs}/docs/${name}`);
  for (const name of listed(join(sources.root, 'docs/pictures')))
    copy(join(sources.root, 'docs/pictures', name), `${docs}/docs/pictures/${name}`);
  write(`${docs}/copyright`, sources.licences);
  write(`${docs}/sbom.cdx.json`, sources.sbom);
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
