import { toDriverError } from '../../errors.ts';
import { kvmDrivers, registerInOnedConf } from '../../install/oned-conf.ts';
import { type OnedEdit, placerIn } from '../../install/oned-revert.ts';
import { attributeOf, parseOnedConf, vectorsOf } from '../../install/oned-syntax.ts';
import { isOurs, lists, localActions, sections } from '../../install/registration.ts';
import { unrestricted } from '../../install/restricted.ts';
import { liveSnapshotPairs, wantedPairs } from '../../install/vmm-execrc.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Finding, Severity } from './check.ts';
import type { Facts } from './facts.ts';
import { asRoot } from './remedy.ts';

/** oned.conf and vmm_execrc (users 1.1: the largest source of support questions). */
export function checkRegistration(facts: Facts): Finding[] {
  const { onedConf, vmmExecrc } = facts.files;
  if (!onedConf.ok) {
    return [
      {
        id: 'registration.file',
        severity: 'fail',
        object: facts.layout.onedConf,
        what: `oned.conf cannot be read: ${onedConf.error.message}`,
        why: 'without it the registration cannot be checked',
        remedy:
          'run doctor on the front-end, as oneadmin or root; set ONE_LOCATION for a self-contained installation',
      },
    ];
  }
  const oned = checkOnedConf(facts, onedConf.value);
  const execrc = vmmExecrc.ok
    ? checkExecrc(facts, onedConf.value, vmmExecrc.value)
    : [
        {
          id: 'registration.execrc',
          severity: 'fail',
          object: facts.layout.vmmExecrc,
          what: `it cannot be read: ${vmmExecrc.error.message}`,
          why: 'it defines which VMs can be snapshotted while running',
          remedy: `restore ${facts.layout.vmmExecrc} from OpenNebula's package`,
        } as const,
      ];
  const pending: Finding[] = facts.files.restartPending
    ? [
        {
          id: 'registration.restart',
          severity: 'warn',
          object: facts.layout.onedConf,
          what: 'it was changed after oned was started',
          why: 'oned reads it only when it starts',
          remedy: asRoot('systemctl restart opennebula'),
        },
      ]
    : [];
  const all = [...oned, ...execrc, ...pending];
  return all.some((item) => item.severity === 'fail' || item.severity === 'warn')
    ? all
    : [{ id: 'registration', severity: 'ok', what: 'oned.conf and vmm_execrc register the driver' }, ...all];
}

function checkOnedConf(facts: Facts, text: string): Finding[] {
  try {
    const { edits, conflicts, text: wanted } = registerInOnedConf(text);
    return [
      ...edits.map((edit) => missing(facts, edit, wanted)),
      ...conflicts.map(
        (what) =>
          ({
            id: 'registration.local-actions',
            severity: 'warn',
            object: facts.layout.onedConf,
            what,
            why: 'suspend, resume and snapshots of VMs on linstor_un need our scripts',
            remedy: `in ARGUMENTS of VM_MAD: -l ${Object.entries(localActions)
              .map(([action, script]) => `${action}=${script}`)
              .join(',')}`,
          }) as const,
      ),
      ...unrestricted(parseOnedConf(text)).map(
        ({ line, why }) =>
          ({
            id: 'registration.restricted',
            severity: 'warn',
            object: facts.layout.onedConf,
            what: `${line} is missing`,
            why,
            remedy: `add ${line} to ${facts.layout.onedConf}, as OpenNebula's package has it\n${asRoot('systemctl restart opennebula')}`,
          }) as const,
      ),
      ...checkValues(text, facts.layout.onedConf),
      ...checkPlacer(facts, text),
    ];
  } catch (error) {
    const known = toDriverError(error);
    return [
      {
        id: 'registration.syntax',
        severity: 'fail',
        object: facts.layout.onedConf,
        what: known.message,
        why: 'oned does not start, or not with these drivers',
        remedy: known.remedy,
      },
    ];
  }
}

/** LOCALITY asks for what only the placer can do. */
function checkPlacer({ settings, layout }: Facts, text: string): Finding[] {
  const placer = placerIn(parseOnedConf(text));
  const wants = [...settings].filter(([, known]) => known.ok && known.value.locality !== 'off');
  if (!placer || placer.name === driverName || wants.length === 0) return [];
  return [
    {
      id: 'registration.placer',
      severity: 'info',
      object: layout.onedConf,
      what: `LOCALITY is set on datastore ${wants.map(([id]) => id).join(', ')}, but SCHED_MAD places VMs by ${placer.name}`,
      why: 'VMs get new disks where they are, but do not go where their data are',
      remedy: 'linstor_un install --placer',
    },
  ];
}

const installRemedy =
  'sudo linstor_un install   # --dry-run shows all lines first\nsudo systemctl restart opennebula';

function missing({ layout }: Facts, edit: OnedEdit, wanted: string): Finding {
  const base = { object: layout.onedConf, severity: 'fail' as Severity };
  switch (edit.kind) {
    case 'list': {
      const entries = parseOnedConf(wanted);
      const section = vectorsOf(entries, edit.section).find((item) =>
        [attributeOf(item, 'EXECUTABLE')?.value.text, attributeOf(item, 'NAME')?.value.text].includes(
          edit.key,
        ),
      );
      const line = section ? `ARGUMENTS = "${attributeOf(section, 'ARGUMENTS')?.value.text}"` : '';
      const why =
        lists.find((rule) => rule.section === edit.section && rule.option.short === edit.option.short)?.why ??
        'checkpoints of VMs are not kept in LINSTOR, and whole VMs cannot be snapshotted, without it';
      return {
        ...base,
        id: `registration.${edit.section.toLowerCase()}`,
        severity: edit.section === 'VM_MAD' ? 'warn' : 'fail',
        what: `${edit.section} ${edit.key}: ${edit.items.join(', ')} is missing in the list ${edit.option.short}`,
        why,
        remedy: `# in ${edit.section}: ${line}\n${installRemedy}`,
      };
    }
    case 'section':
      return {
        ...base,
        id: `registration.${edit.section.toLowerCase()}`,
        what: `there is no ${edit.section} section for linstor_un`,
        why: 'datastores of the driver cannot be created',
        remedy: `# adds to oned.conf:\n${edit.inserted.trim().replaceAll(/^/gm, '# ')}\n${installRemedy}`,
      };
    case 'attribute':
      return {
        ...base,
        id: `registration.${edit.section.toLowerCase()}`,
        severity: 'warn',
        what: `${edit.section} of linstor_un lacks ${edit.name}`,
        why: 'new datastores do not get it',
        remedy: `# adds to it: ${edit.inserted.trim()}\n${installRemedy}`,
      };
    case 'placer':
      return {
        ...base,
        id: 'registration.sched_mad',
        severity: 'warn',
        what: `SCHED_MAD places VMs by ${edit.before}, not by linstor_un`,
        why: 'LOCALITY does not guide the scheduler',
        remedy: 'linstor_un install --placer',
      };
    case 'single':
      return {
        ...base,
        id: `registration.${edit.name.toLowerCase()}`,
        severity: edit.name === 'INHERIT_DATASTORE_ATTR' ? 'fail' : 'warn',
        what: `${edit.name} does not name ${edit.value}`,
        why:
          edit.name === 'INHERIT_DATASTORE_ATTR'
            ? 'disks of VMs do not get it'
            : 'it would be stored and shown in plain text',
        remedy: `# adds to oned.conf: ${edit.inserted.trim()}\n${installRemedy}`,
      };
  }
}

/** Values that do not work; others may be as the site wants them. */
const mustBe: Readonly<Record<string, readonly [value: string, severity: Severity, why: string]>> = {
  LN_TARGET: [
    'NONE',
    'fail',
    'persistent images are used where they are; another value makes OpenNebula count and move data that stays',
  ],
  SHARED: [
    'YES',
    'fail',
    'the driver monitors from the front-end; with NO there is no capacity and live migration copies disks',
  ],
  DRIVER: [
    'raw',
    'fail',
    'devices hold raw data; with qcow2 the guest sees the image file instead of its disk',
  ],
  DISK_TYPE: ['BLOCK', 'fail', 'disks are block devices; as files libvirt refuses them'],
  PERSISTENT_ONLY: ['NO', 'warn', 'only persistent images could be made'],
};

function checkValues(text: string, file: string): Finding[] {
  const entries = parseOnedConf(text);
  return sections.flatMap((rule) => {
    const found = vectorsOf(entries, rule.name).filter(isOurs);
    const double: Finding[] =
      found.length > 1
        ? [
            {
              id: `registration.${rule.name.toLowerCase()}`,
              severity: 'warn',
              what: `${rule.name} for linstor_un is defined ${found.length} times`,
              why: 'oned takes the first; a change of the others has no effect',
              remedy: `sudoedit ${file}   # remove all but one ${rule.name} with NAME = "linstor_un"\nsudo systemctl restart opennebula`,
            },
          ]
        : [];
    const values = (found[0]?.attributes ?? []).flatMap((item): Finding[] => {
      const known = mustBe[item.name];
      if (!known || item.value.text.toUpperCase() === known[0].toUpperCase()) return [];
      return [
        {
          id: `registration.${rule.name.toLowerCase()}`,
          severity: known[1],
          what: `${rule.name} ${item.name} = "${item.value.text}"`,
          why: known[2],
          remedy: `sudoedit ${file}   # in ${rule.name} of linstor_un: ${item.name} = "${known[0]}"\nsudo systemctl restart opennebula`,
        },
      ];
    });
    return [...double, ...values];
  });
}

function checkExecrc(facts: Facts, onedConf: string, execrc: string): Finding[] {
  let names: string[];
  try {
    names = kvmDrivers(parseOnedConf(onedConf)).map((item) => item.name);
  } catch {
    names = [];
  }
  const present = liveSnapshotPairs(execrc);
  const lacking = wantedPairs(names).filter((pair) => !present.includes(pair));
  if (lacking.length === 0) return [];
  return [
    {
      id: 'registration.live-snapshots',
      severity: 'fail',
      object: facts.layout.vmmExecrc,
      what: `LIVE_DISK_SNAPSHOTS lacks ${lacking.join(' ')}`,
      why: 'snapshots of running VMs suspend the VM or are refused',
      remedy: `# LIVE_DISK_SNAPSHOTS="${[...present, ...lacking].join(' ')}"\n${installRemedy}`,
    },
  ];
}
