import type { Call } from '../call.ts';
import { isDigits } from '../digits.ts';
import { DriverError } from '../errors.ts';
import { xmlOfMessage } from './base64.ts';
import { readDatastore } from './datastore-document.ts';
import { readImage } from './image-document.ts';
import type { Datastore, Image } from './one.ts';
import { parseXml, type XmlElement } from './xml.ts';

/**
 * The message of a datastore action, and of `tm/monitor`: `<DS_DRIVER_ACTION_DATA>`. Told by its shape, never by
 * OpenNebula's version (contract §1.2):
 *
 *     <base64 XML> <id>          up to 6.6
 *     - <id>     + stdin         6.6.2, 6.6.3 with driver option -i
 *     <id>       + stdin         since 6.8
 */
export interface DatastoreMessage {
  /** Of the image or, for `monitor`, of the datastore. For `stat` a number that means nothing: make no name of it. */
  readonly id: number;
  readonly datastore: Datastore;
  /** Absent in `monitor`, and in `stat`, whose IMAGE has no ID. */
  readonly image?: Image;
  /** IMAGE/PATH; '' when there is none. In `clone` the SOURCE of the original. */
  readonly path: string;
  /** `tm/monitor`: directory of all datastores on the hosts. */
  readonly datastoreLocation?: string;
  /** `tm/monitor`: whether usage of VM disks is wanted in this round; absent up to 5.8, where it always is. */
  readonly monitorVmDisks?: boolean;
  /** The document, for what is not typed here. */
  readonly document: XmlElement;
  /** The document as text, decoded. */
  readonly xml: string;
}

/** Actions whose id is a request number and not an image's. */
const requestNumbered: ReadonlySet<string> = new Set(['stat', 'restore', 'export']);

/** Throws BAD_MESSAGE. */
export async function readDatastoreMessage(call: Call): Promise<DatastoreMessage> {
  const { encoded, id } = await shapeOf(call);
  const xml = xmlOfMessage(encoded, `message of ${call.kind}/${call.name}`);
  const document = parseXml(xml, 'DS_DRIVER_ACTION_DATA');
  const datastore = onlyChild(document, 'DATASTORE');
  if (!datastore) throw badMessage(call, 'it has no DATASTORE element');
  const image = onlyChild(document, 'IMAGE');
  const location = document.value('DATASTORE_LOCATION')?.trim();
  const monitorVmDisks = document.value('MONITOR_VM_DISKS');
  const message: DatastoreMessage = {
    id,
    datastore: readDatastore(datastore),
    ...(image?.first('ID') ? { image: readImage(image) } : {}),
    path: image?.value('PATH') ?? '',
    ...(location ? { datastoreLocation: location } : {}),
    ...(monitorVmDisks === undefined ? {} : { monitorVmDisks: monitorVmDisks.trim() === '1' }),
    document,
    xml,
  };
  checkId(call, message);
  return message;
}

/** The image of the message; BAD_MESSAGE when the call came without one. */
export function requireImage(call: Call, message: DatastoreMessage): Image {
  if (!message.image) throw badMessage(call, 'it has no IMAGE with an ID');
  return message.image;
}

/** BAD_MESSAGE that says which call it was. */
export function badMessage(call: Pick<Call, 'kind' | 'name'>, reason: string): DriverError {
  return new DriverError(
    'BAD_MESSAGE',
    `${call.kind}/${call.name} was called with a message that cannot be used: ${reason}`,
  );
}

/** A number in an argument. `name` is what it stands for: `VM id`. */
export function idArgument(
  call: Pick<Call, 'kind' | 'name'>,
  value: string | undefined,
  name: string,
): number {
  if (value !== undefined && isDigits(value, 9)) return Number(value);
  throw badMessage(
    call,
    value === undefined ? `the ${name} is missing` : `“${brief(value)}” is not a ${name}`,
  );
}

async function shapeOf(call: Call): Promise<{ encoded: string; id: number }> {
  const [first, second] = call.argv;
  if (first === undefined) throw badMessage(call, 'it has no arguments');
  if (second !== undefined && first !== '-')
    return { encoded: first, id: idArgument(call, second, 'request id') };
  const id = idArgument(call, second ?? first, 'request id');
  const encoded = await call.stdin();
  if (encoded.trim() === '')
    throw badMessage(call, 'neither the arguments nor the standard input hold a document');
  return { encoded, id };
}

/** The id in the arguments and the one in the document must be the same object: names are made of it. */
function checkId(call: Call, { id, image, datastore }: DatastoreMessage): void {
  if (requestNumbered.has(call.name)) return;
  const [kind, own] = image ? ['image', image.id] : ['datastore', datastore.id];
  if (own !== id) throw badMessage(call, `it is about ${kind} ${own}, but its id is ${id}`);
}

function onlyChild(document: XmlElement, name: string): XmlElement | undefined {
  const found = document.all(name);
  if (found.length > 1)
    throw new DriverError('BAD_MESSAGE', `the driver message has ${found.length} ${name} elements`);
  return found[0];
}

function brief(value: string): string {
  return value.length > 40 ? `${value.slice(0, 40)}…` : value;
}
