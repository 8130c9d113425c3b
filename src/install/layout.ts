import { join } from 'node:path';

/**
 * Where OpenNebula keeps its things on a front-end: system-wide, or all below ONE_LOCATION. `root` is put before every
 * path when something is read or written, never into what is installed (a staging directory, or a mounted image).
 */
export interface Layout {
  readonly root: string;
  /** Empty for a system-wide installation. */
  readonly oneLocation: string;
  readonly onedConf: string;
  readonly vmmExecrc: string;
  readonly varDir: string;
  readonly remotes: string;
  readonly logDir: string;
  /** Our own directory, outside `remotes`: binary, record of the installation, backups. */
  readonly home: string;
  readonly binary: string;
  readonly manifest: string;
  readonly backups: string;
  /** Link for the operator's shell. */
  readonly command: string;
  readonly launcher: string;
  readonly config: string;
}

export function layoutOf(options: { root?: string; oneLocation?: string }): Layout {
  const one = (options.oneLocation ?? '').replace(/\/+$/, '');
  const etc = one ? `${one}/etc` : '/etc/one';
  const varDir = one ? `${one}/var` : '/var/lib/one';
  const home = one ? `${one}/lib/linstor_un` : '/usr/lib/one/linstor_un';
  const remotes = `${varDir}/remotes`;
  return {
    root: (options.root ?? '').replace(/\/+$/, ''),
    oneLocation: one,
    onedConf: `${etc}/oned.conf`,
    vmmExecrc: `${etc}/vmm_exec/vmm_execrc`,
    varDir,
    remotes,
    logDir: one ? varDir : '/var/log/one',
    home,
    binary: `${home}/linstor_un`,
    manifest: `${home}/install.json`,
    backups: `${home}/backup`,
    command: one ? `${one}/bin/linstor_un` : '/usr/bin/linstor_un',
    launcher: `${remotes}/datastore/linstor_un/launcher`,
    config: `${remotes}/etc/datastore/linstor_un/linstor_un.conf`,
  };
}

/** The path on this machine's file system. */
export function onDisk(layout: Layout, path: string): string {
  return layout.root === '' ? path : join(layout.root, path);
}
