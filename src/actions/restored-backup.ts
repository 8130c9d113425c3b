import type { Context } from '../context.ts';
import type { DatastoreMessage } from '../opennebula/message.ts';
import { datastoreType, imageType } from '../opennebula/states.ts';

/** `rsync://<datastore>/<job>/<ids of the chain>/<path>`, as OpenNebula's backup datastores write it (contract §4.6, backup-contract B10). */
const restored = /^(rsync|restic):\/\/(\d{1,9})\/[^/]*\/([^/]+)(\/.+)$/;

/** rsync reads the very path of the address: it has to be the one of that backup. `vms`: undefined where nobody says which. */
function liesIn(path: string, last: string, vms: readonly number[] | undefined): boolean {
  const [, vm = '', id] = /\/(\d{1,9})\/([^/]+)\/disk\.\d+\.\d+$/.exec(path) ?? [];
  return id === last && (vms === undefined || vms.includes(Number(vm)));
}

/**
 * The scheme of a PATH that a restore of OpenNebula's has made: whoever registers a backup datastore has switched its scheme on, for what lies in
 * it. The image has to say so itself, and its owner to have a backup there with every link of that chain: an address alone, which a
 * tenant can write, opens nobody else's backup. `stat` knows no owner and tells a size alone.
 */
export async function schemeOfRestore(ctx: Context, message: DatastoreMessage): Promise<string | undefined> {
  const [, scheme, digits = '', chain = '', path = ''] = restored.exec(message.path) ?? [];
  if (scheme === undefined || path.split('/').includes('..')) return undefined;
  const id = Number(digits);
  const datastore = (await ctx.one.datastores()).find((each) => each.id === id);
  if (datastore?.type !== datastoreType.BACKUP || datastore.dsMad !== scheme) return undefined;
  const links = chain.split(',').map((link) => link.replace(/^\d+:/, ''));
  const inPlace = (vms?: readonly number[]): boolean =>
    scheme !== 'rsync' || liesIn(path, links.at(-1) ?? '', vms);
  const { image } = message;
  if (!image) return inPlace() ? scheme : undefined;
  if (image.template['FROM_BACKUP_DS'] !== String(id) || image.ownerId === undefined) return undefined;
  if (image.ownerId === 0) return scheme;
  const backups = (await ctx.one.images()).filter(
    (each) => each.type === imageType.BACKUP && each.datastoreId === id && each.ownerId === image.ownerId,
  );
  return backups.some(
    ({ backupSources = [], vmIds = [] }) =>
      links.every((link) => backupSources.includes(link)) && inPlace(vmIds),
  )
    ? scheme
    : undefined;
}
