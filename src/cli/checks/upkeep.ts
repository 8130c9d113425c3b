import type { Capabilities } from '../../linstor/linstor.ts';
import { parseResource } from '../../volumes/names.ts';
import { effectiveProp } from '../../volumes/quorum.ts';
import { sameName } from '../../volumes/replicas.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, orElse } from './facts.ts';
import { between } from './versions.ts';

/** What LINSTOR does by itself or leaves to its operator, and is noticed too late. */
export function checkUpkeep(cluster: ClusterFacts, capabilities: Capabilities): Finding[] {
  return [
    ...checkDatabase(cluster, capabilities),
    ...checkOwnSnapshots(cluster),
    ...checkDiscards(cluster, capabilities),
    ...checkAuthentication(cluster),
  ];
}

/** From 1.35.1 on it writes one every day (linstor-behaviour §0.2). */
function checkDatabase({ label }: ClusterFacts, { serverVersion }: Capabilities): Finding[] {
  if (!between(serverVersion, '0.0.0', '1.35.0')) return [];
  return [
    {
      id: 'linstor.database',
      severity: 'info',
      object: label,
      what: `LINSTOR ${serverVersion} does not export its database by itself`,
      why: 'volumes whose names are lost with it can only be found again by hand',
      remedy:
        'export it every day, and keep the file elsewhere: /usr/share/linstor-server/bin/linstor-database export-db FILE',
    },
  ];
}

/** `AutoSnapshot/RunEvery`, and schedules of backup shipping. */
const byLinstor = /^(?:autoSnap\d+|back_\d{8}_\d{6})$/;

function checkOwnSnapshots({ snapshots, settings, label }: ClusterFacts): Finding[] {
  const found = orElse(snapshots, []).filter(
    ({ name, resource }) =>
      byLinstor.test(name) && parseResource(settings.namePrefix, resource) !== undefined,
  );
  if (found.length === 0) return [];
  const names = [...new Set(found.map(({ resource }) => resource))];
  return [
    {
      id: 'storage.own-snapshots',
      severity: 'info',
      object: label,
      what: `${found.length} snapshots that LINSTOR has taken by itself, of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`,
      why: 'OpenNebula does not know them: they take space, keep thick volumes from growing, and are deleted with their disk',
      remedy: `linstor snapshot list -r ${names[0]}\nlinstor resource-group list-properties GROUP   # AutoSnapshot/RunEvery, schedules`,
    },
  ];
}

const allowDiscards = 'Luks/AllowDiscards';

/** What a guest has freed does not come back to the pool through LUKS, unless LINSTOR is told to (LINSTOR 1.34). */
function checkDiscards(cluster: ClusterFacts, { restVersion }: Capabilities): Finding[] {
  const encrypted = orElse(cluster.definitions, []).filter(
    ({ name, layers }) =>
      layers.includes('LUKS') && parseResource(cluster.settings.namePrefix, name) !== undefined,
  );
  if (!between(restVersion, '1.28.0', '99.0.0') || !cluster.properties.ok || !cluster.groups.ok) return [];
  const { value: properties } = cluster.properties;
  const groups = cluster.groups.value;
  const kept = encrypted.filter(({ props, group }) => {
    const own = groups.find(({ name }) => sameName(name, group));
    return effectiveProp(allowDiscards, props, own?.props, properties)?.toLowerCase() !== 'true';
  });
  if (kept.length === 0) return [];
  const group = kept[0]?.group ?? 'GROUP';
  return [
    {
      id: 'storage.discards',
      severity: 'info',
      object: cluster.label,
      what: `${kept.length} encrypted volumes pass no discards on: what guests free stays occupied`,
      why: 'thin pools fill up for good; on the other hand, discards show on the disk which blocks are in use',
      remedy: `linstor resource-group set-property ${group} ${allowDiscards} true   # holds when the volume is opened next`,
    },
  ];
}

/** TLS says whom one talks to; it does not keep anybody away. */
function checkAuthentication({ settings, label, properties }: ClusterFacts): Finding[] {
  const { transport, controllers, token, password, certFile } = settings;
  const secured = controllers.some((each) => /^(?:https|linstor\+ssl|linstor\+https):/i.test(each));
  if (transport === 'cli' || !secured || token !== undefined || password !== undefined) return [];
  if (certFile !== undefined || !properties.ok) return [];
  return [
    {
      id: 'linstor.authentication',
      severity: 'info',
      object: label,
      what: 'the controller is reached with TLS, but asks nobody who they are',
      why: 'whoever reaches its port may change every disk',
      remedy:
        'LS_CERTFILE and LS_KEYFILE for a controller that trusts a client CA, or LS_TOKEN_FILE (LINSTOR 1.34)',
    },
  ];
}
