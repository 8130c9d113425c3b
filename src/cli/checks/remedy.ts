/** What to do, so that it can be pasted into a shell: a line is a command, or begins with `#`. */

export const asRoot = (command: string): string => `sudo ${command}`;

/** Root's commands on a machine that is not this one. */
export const onHost = (host: string, ...commands: readonly string[]): string =>
  [`# on ${host}, as root:`, ...commands].join('\n');

/** Programs that a remedy may begin with. */
const programs: ReadonlySet<string> = new Set([
  ...[
    'linstor',
    'linstor_un',
    'onedatastore',
    'onehook',
    'onehost',
    'oneimage',
    'onevm',
    'sudo',
    'sudoedit',
    'su',
  ],
  ...[
    'apt-get',
    'dnf',
    'drbdadm',
    'fuser',
    'install',
    'lvchange',
    'lvmconfig',
    'mkdir',
    'printf',
    'sed',
    'ssh',
    'ssh-keygen',
  ],
  ...['systemctl', 'timedatectl', 'usermod', 'vgs', 'virsh', 'modprobe', 'df', 'vi', 'scp', 'command'],
]);

export const isCommand = (line: string): boolean => programs.has(/^[\w-]+/.exec(line.trim())?.[0] ?? '');

/** Advice becomes a comment. */
export function pasteable(remedy: string): string {
  return remedy
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => (line.startsWith('#') || isCommand(line) ? line : `# ${line}`))
    .join('\n');
}

/** `drbdpool-thin--pool-tpool`, as the device mapper calls it: `drbdpool/thin-pool`. */
export function volumeOf(mapperName: string): string {
  const [, group = '', volume = ''] = /^((?:[^-]|--)+)-((?:[^-]|--)+?)(?:-tpool)?$/.exec(mapperName) ?? [];
  return group === '' ? mapperName : `${group}/${volume}`.replaceAll('--', '-');
}
