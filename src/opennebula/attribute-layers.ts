import { DriverError } from '../errors.ts';
import {
  type Attribute,
  type AttributeName,
  type AttributeValue,
  attributeNames,
  attributes,
  type FieldsOf,
  namesOf,
  type Place,
} from './attributes.ts';
import type { Attributes } from './one.ts';
import { ownerOf } from './template-owner.ts';

/** One source of attributes: linstor_un.conf or the template of a datastore. */
export interface Layer {
  readonly values: Attributes;
  /** What a datastore is, by its TYPE; absent when the template does not say. */
  readonly place?: Place;
}

interface Found {
  /** The name under which it stands there. */
  readonly name: string;
  readonly value: string;
  readonly layer: Layer;
}

const placeOfType: Readonly<Record<string, { place: Place }>> = {
  IMAGE_DS: { place: 'image' },
  SYSTEM_DS: { place: 'system' },
};

export function datastoreLayer(template: Attributes): Layer {
  const type = template['TYPE']?.toUpperCase();
  const layer: Layer = { values: template, ...(type === undefined ? {} : placeOfType[type]) };
  refuseMisplaced(layer);
  return layer;
}

/** The value in the last layer that has one. Throws BAD_ATTRIBUTE. */
export function pick<N extends AttributeName>(
  layers: readonly Layer[],
  name: N,
): AttributeValue<N> | undefined {
  const found = layers.map((layer) => find(layer, name)).findLast((one) => one !== undefined);
  if (!found) return undefined;
  const value = attributes[name].parse(found.value);
  if (value === undefined) throw wrongValue(found, attributes[name]);
  return value as AttributeValue<N>;
}

/** The fields of these attributes; one that is not set anywhere has its fallback or is left out. Throws BAD_ATTRIBUTE. */
export function readFields<N extends AttributeName>(
  layers: readonly Layer[],
  names: readonly N[],
): FieldsOf<N> {
  const fields = names.flatMap((name) => {
    const value = pick(layers, name) ?? attributes[name].fallback;
    return value === undefined ? [] : [[attributes[name].field, value]];
  });
  return Object.fromEntries(fields);
}

export function has(layer: Layer, names: readonly AttributeName[]): boolean {
  return names.some((name) => find(layer, name) !== undefined);
}

/**
 * A blank value counts as not set. What has no meaning in that kind of datastore is passed over: oned itself writes
 * SAFE_DIRS into system datastores.
 */
function find(layer: Layer, name: AttributeName): Found | undefined {
  const where: readonly Place[] = attributes[name].where;
  if (layer.place !== undefined && !where.includes(layer.place)) return undefined;
  for (const candidate of namesOf(name)) {
    const value = layer.values[candidate]?.trim();
    if (value) return { name: candidate, value, layer };
  }
  return undefined;
}

/** Site-wide attributes decide names of objects: overlooked in a datastore they would lead to the wrong ones. */
function refuseMisplaced(layer: Layer): void {
  for (const name of attributeNames) {
    const where: readonly Place[] = attributes[name].where;
    if (where.length === 1 && where[0] === 'conf' && layer.values[name]?.trim()) {
      throw new DriverError(
        'BAD_ATTRIBUTE',
        `${name} is set in ${ownerOf(layer.values)}, but applies to the whole site`,
        {
          remedy: `move ${name} to linstor_un.conf`,
        },
      );
    }
  }
}

export function wrongValue(
  found: Found,
  { secret, allowed }: Pick<Attribute<unknown>, 'secret' | 'allowed'>,
): DriverError {
  const { name, layer } = found;
  const owner = ownerOf(layer.values);
  const value = secret
    ? 'its value'
    : `“${found.value.length > 120 ? `${found.value.slice(0, 120)}…` : found.value}”`;
  const inFile = layer.place === 'conf';
  return new DriverError(
    'BAD_ATTRIBUTE',
    `${name} of ${owner}: ${value} is not allowed; allowed: ${allowed}`,
    {
      ...(inFile ? { remedy: `correct ${name} in ${owner}` } : {}),
    },
  );
}
