import { nameByOned } from '../../hosts/this-machine.ts';
import { isHighAvailability } from '../../install/plan.ts';
import { bytes, humanSize } from '../../units.ts';
import type { Finding } from './check.ts';
import type { Facts, LinkFact } from './facts.ts';
import { checkFrontEndTools } from './front-end-tools.ts';
import { asRoot } from './remedy.ts';

/** The files on this front-end, and the same on the others. */
export function checkInstallation(facts: Facts): Finding[] {
  const findings = [
    ...checkUser(facts),
    ...checkBinary(facts),
    ...checkName(facts),
    ...checkLinks(facts),
    ...checkConfig(facts),
    ...checkLog(facts),
    ...checkFrontEndTools(facts),
    ...checkFrontEnds(facts),
    ...checkLocks(facts),
  ];
  if (findings.some((item) => item.severity !== 'info')) return findings;
  return [
    {
      id: 'installation',
      severity: 'ok',
      what: `${facts.files.links.length} action links point to ${facts.layout.binary}`,
    },
    ...findings,
  ];
}

/** Told, because much hangs on it: what is done there is done without ssh, and checkpoints are looked for there. */
function checkName({ files }: Facts): Finding[] {
  const name = files.onedConf.ok ? nameByOned(files.onedConf.value) : undefined;
  if (name === undefined) return [];
  return [
    {
      id: 'installation.name',
      severity: 'info',
      what: `oned calls this front-end ${name} (HOSTNAME in oned.conf); so does the driver`,
    },
  ];
}

function checkBinary({ files, layout, version }: Facts): Finding[] {
  if (files.binary !== 'ok') {
    return [
      {
        id: 'installation.binary',
        severity: 'fail',
        object: layout.binary,
        what: `the program is ${files.binary}`,
        why: 'every action fails',
        remedy: asRoot('linstor_un install'),
      },
    ];
  }
  if (files.installedVersion === undefined || files.installedVersion === version) return [];
  return [
    {
      id: 'installation.version',
      severity: 'info',
      object: layout.binary,
      what: `installed is ${files.installedVersion}, this is ${version}`,
      remedy: asRoot('linstor_un upgrade'),
    },
  ];
}

function checkUser({ files, layout }: Facts): Finding[] {
  if (!files.foreignUser) return [];
  return [
    {
      id: 'installation.user',
      severity: 'warn',
      object: layout.remotes,
      what: `doctor does not run as ${files.owner ?? 'oneadmin'}, who owns it`,
      why: 'ssh keys, known hosts and the session for oned are those of that user: the findings below may be caused by this alone',
      remedy: `sudo -u ${files.owner ?? 'oneadmin'} linstor_un doctor`,
    },
  ];
}

function checkLinks({ files, layout }: Facts): Finding[] {
  const of = (state: LinkFact['state']): LinkFact[] => files.links.filter((link) => link.state === state);
  const names = (links: readonly LinkFact[]): string => {
    const shown = links.slice(0, 3).map((link) => link.path.slice(layout.remotes.length + 1));
    return links.length > 3 ? `${shown.join(', ')} and ${links.length - 3} more` : shown.join(', ');
  };
  const findings: Finding[] = [];
  const broken = [...of('missing'), ...of('not executable')];
  if (files.bashDriver) {
    findings.push({
      id: 'installation.bash-driver',
      severity: 'fail',
      object: layout.remotes,
      what: 'the bash driver of the same name is installed here',
      why: 'its scripts do not work with OpenNebula 6.8 and later',
      remedy: asRoot('linstor_un upgrade'),
    });
  } else if (broken.length > 0) {
    findings.push({
      id: 'installation.actions',
      severity: 'fail',
      object: layout.remotes,
      what: `missing or not executable: ${names(broken)}`,
      why: 'OpenNebula cannot call these actions',
      remedy: asRoot('linstor_un install'),
    });
  }
  const dangling = of('dangling');
  if (dangling.length > 0) {
    findings.push({
      id: 'installation.dangling',
      severity: 'fail',
      object: layout.remotes,
      what: `dangling links: ${names(dangling)}`,
      why: 'the copy of remotes/ to hosts fails (rsync exit 23), and hosts are no longer monitored',
      remedy: asRoot('linstor_un install'),
    });
  }
  const direct = of('binary');
  if (direct.length > 0) {
    const total = direct.reduce((sum, link) => sum + (link.bytes ?? 0), 0);
    findings.push({
      id: 'installation.direct-links',
      severity: 'warn',
      object: layout.remotes,
      what: `${direct.length} action links point directly at the program: ${names(direct)}`,
      why: `onehost sync follows links: ${humanSize(bytes(total))} for every host`,
      remedy: 'sudo linstor_un install   # puts a launcher of a few bytes in their place',
    });
  }
  if (!files.bashDriver && of('foreign').length > 0) {
    findings.push({
      id: 'installation.foreign',
      severity: 'warn',
      object: layout.remotes,
      what: `not ours, but under our names: ${names(of('foreign'))}`,
      why: 'OpenNebula calls them instead of the driver',
      remedy: 'sudo linstor_un install   # sets them aside',
    });
  }
  return findings;
}

function checkConfig({ files, layout }: Facts): Finding[] {
  if (!files.config.ok) {
    return [
      {
        id: 'configuration',
        severity: 'fail',
        object: layout.config,
        what: files.config.error.message,
        why: 'every action fails',
        remedy: files.config.error.remedy,
      },
    ];
  }
  return files.config.value.map(({ text, meant }) => ({
    id: 'configuration.ignored',
    severity: meant === undefined ? 'info' : 'warn',
    object: layout.config,
    what: text,
    why: 'the line has no effect',
    remedy:
      meant === undefined
        ? `vi ${layout.config}   # remove it`
        : `vi ${layout.config}   # write ${meant} in its place`,
  }));
}

function checkLog({ files }: Facts): Finding[] {
  if (!files.log.path)
    return [
      {
        id: 'log',
        severity: 'info',
        what: 'there is no structured log: LINSTOR_UN_LOG is empty',
        why: '“linstor_un trace” shows nothing',
      },
    ];
  if (!files.log.problem) return [];
  return [
    {
      id: 'log',
      severity: 'warn',
      object: files.log.path,
      what: files.log.problem,
      why: 'actions are not recorded; “linstor_un trace” shows nothing',
      remedy: `sudo install -o oneadmin -g oneadmin -m 0640 /dev/null ${files.log.path}`,
    },
  ];
}

function checkFrontEnds({ frontEnds, files, version, layout }: Facts): Finding[] {
  return frontEnds.flatMap((other): Finding[] => {
    const base = { id: 'installation.front-ends', object: other.host };
    if (!other.version.ok) {
      return [
        {
          ...base,
          severity: 'warn',
          what: `the program there could not be asked: ${other.version.error.message}`,
          why: 'when this front-end becomes the leader, its driver runs',
          remedy: `# on ${other.host}, as root:\nlinstor_un install`,
        },
      ];
    }
    const differs =
      other.version.value !== version ||
      (files.binarySha256 !== undefined && other.sha256 !== undefined && other.sha256 !== files.binarySha256);
    if (!differs) return [];
    return [
      {
        ...base,
        severity: 'warn',
        what: `version ${other.version.value} there, ${version} here`,
        why: 'front-ends must not differ: which one leads decides which driver runs',
        remedy: `scp ${layout.binary} ${other.host}:/tmp/linstor_un\n# on ${other.host}, as root:\n/tmp/linstor_un upgrade`,
      },
    ];
  });
}

/** Do two front-ends of a zone keep out of each other's way? */
function checkLocks({ files, clusters, layout }: Facts): Finding[] {
  if (!files.onedConf.ok) return [];
  const several = isHighAvailability(files.onedConf.value);
  const settings = clusters[0]?.settings;
  if (!settings) return [];
  const base = { id: 'installation.locks', object: layout.config } as const;
  const { sharedLocks, transport } = settings;
  if (several && sharedLocks === 'no')
    return [
      {
        ...base,
        severity: 'warn',
        what: 'SHARED_LOCKS=no, but oned is one of several (SERVER_ID in oned.conf)',
        why: 'when the leader changes in the middle of an action, a retry on the new one and the rest of the old action may work on one disk',
        remedy: `remove SHARED_LOCKS from ${layout.config} on every front-end`,
      },
    ];
  if (!several && sharedLocks === 'yes')
    return [
      {
        ...base,
        severity: 'info',
        what: 'SHARED_LOCKS=yes, but oned is alone',
        why: 'every lock costs three calls to LINSTOR, and every write one more, for nothing',
        remedy: `remove SHARED_LOCKS from ${layout.config}`,
      },
    ];
  if (!several) return [];
  return [
    {
      ...base,
      severity: 'info',
      what: 'locks hold across front-ends, in LINSTOR’s key-value store',
      ...(transport === 'cli'
        ? { why: 'with TRANSPORT=cli each lock takes some seconds, and each write half a second more' }
        : {}),
    },
  ];
}
