import { readFileSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { datastoreLayer, has, type Layer, pick, readFields } from './attribute-layers.ts';
import { attributesOf, placementTriggers } from './attributes.ts';
import type { DriverConfig } from './config-file.ts';
import type { Attributes } from './one.ts';
import type { ControllerSettings, PlacementSettings, Settings } from './settings.ts';

/**
 * One value from linstor_un.conf and the templates of one or two datastores. Attribute by attribute the later
 * template wins, with two exceptions: where volumes go, and how LINSTOR is reached, each come as a whole from the
 * last template that says anything about it. Throws BAD_ATTRIBUTE.
 */
export function readSettings(config: DriverConfig, ...templates: readonly Attributes[]): Settings {
  const layers: Layer[] = [{ values: config.values, place: 'conf' }, ...templates.map(datastoreLayer)];
  return {
    ...readFields(layers, attributesOf('other')),
    ...readController(config, layers),
    placement: readPlacement(layers),
  };
}

/** What must not appear in logs and messages. */
export function secretsOf(settings: Pick<ControllerSettings, 'token' | 'password'>): string[] {
  return [settings.token, settings.password].filter((value): value is string => Boolean(value));
}

/**
 * From the last layer with a resource group, nodes, a count or pools. Later layers may still add what restricts
 * placement or asks for encryption: to pass that over would put data where it must not be.
 */
function readPlacement(all: readonly Layer[]): PlacementSettings {
  const base = all.findLastIndex((layer) => has(layer, placementTriggers));
  const layers = all.slice(Math.max(base, 0));
  return readFields(layers, attributesOf('placement'));
}

type Credentials = Omit<ControllerSettings, 'controllers' | 'transport' | 'linstorCommand'>;

/**
 * Certificates and passwords belong to the controllers that they were configured with. Where none are configured,
 * the LINSTOR client's own count, as they do for the client when it is given only controllers.
 */
function readController(config: DriverConfig, layers: readonly Layer[]): ControllerSettings {
  const base = layers.findLast((layer) => has(layer, attributesOf('controller')));
  const own = base ? readCredentials(base) : {};
  const { controllers: clientControllers = [], ...clientCredentials } = config.client;
  const controllers = pick(layers, 'LS_CONTROLLERS') ?? clientControllers;
  const { transport } = readFields(layers, ['TRANSPORT']);
  // With nothing configured the client's own configuration decides; it may name controllers where we do not look.
  const fallback = transport === 'cli' ? [] : ['linstor://localhost'];
  return {
    controllers: controllers.length > 0 ? controllers : fallback,
    ...(Object.keys(own).length > 0 ? own : clientCredentials),
    transport,
    linstorCommand: config.linstorCommand,
  };
}

function readCredentials(layer: Layer): Credentials {
  const { controllers: _, ...own } = readFields([layer], attributesOf('controller'));
  if (own.keyFile !== undefined && own.certFile === undefined) {
    throw new DriverError('BAD_ATTRIBUTE', 'LS_KEYFILE is set, but LS_CERTFILE is not', {
      remedy: 'set both in the same place',
    });
  }
  const { token, tokenFile } = own;
  return token !== undefined || tokenFile === undefined ? own : { ...own, token: readToken(tokenFile) };
}

function readToken(path: string): string {
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new DriverError('BAD_ATTRIBUTE', `LS_TOKEN_FILE: ${path} cannot be read`, {
      remedy: 'make it readable by oneadmin',
      cause,
    });
  }
  if (token === '' || /[\r\n]/.test(token)) {
    throw new DriverError('BAD_ATTRIBUTE', `LS_TOKEN_FILE: ${path} does not hold one line`);
  }
  return token;
}
