import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../errors.ts';
import { type AttributeName, attributeNames, namesOf } from './attributes.ts';
import { meantBy } from './misspelt.ts';
import type { Attributes } from './one.ts';
import type { Environment } from './session.ts';
import type { ControllerSettings } from './settings.ts';
import { parseAssignments } from './shell-assignments.ts';
import { nameTemplate } from './template-owner.ts';

/** What the LINSTOR client itself is configured with: environment and linstor-client.conf. */
export type ClientDefaults = Partial<Omit<ControllerSettings, 'transport' | 'linstorCommand'>>;

export interface IgnoredKey {
  readonly key: string;
  readonly line: number;
  readonly reason: string;
  readonly meant?: AttributeName;
}

/** linstor_un.conf, and what else lies below the datastores' attributes. */
export interface DriverConfig {
  /** The file read; absent when there is none. */
  readonly file?: string;
  readonly values: Attributes;
  readonly linstorCommand: string;
  readonly client: ClientDefaults;
  /** Lines without effect, for `doctor`. */
  readonly ignored: readonly IgnoredKey[];
}

export interface ConfigOptions {
  readonly env: Environment;
  /** Directory of OpenNebula's remotes; absent: only LINSTOR_UN_CONF is looked at. */
  readonly remotes?: string;
  readonly client?: ClientDefaults;
}

/** The bash driver's place, kept. */
const placeBelowRemotes = 'etc/datastore/linstor_un/linstor_un.conf';

const attributeKeys: ReadonlySet<string> = new Set(attributeNames.flatMap(namesOf));

/** Variables of the bash driver that have nothing left to set. */
const obsolete: Readonly<Record<string, string>> = {
  JQ: 'JSON is read by the driver itself',
  DD_BLOCK_SIZE: 'the driver chooses the block size',
  DD_CONV: 'zeroes are skipped only where the target is known to read as zero',
  LEGACY_MONITORING: 'the form of monitoring follows from OpenNebula’s version',
};

/**
 * Reads the file that LINSTOR_UN_CONF names, which must exist then, or the one below `remotes`, which may be
 * missing. Throws BAD_CONFIG.
 */
export function readConfig({ env, remotes, client = {} }: ConfigOptions): DriverConfig {
  const named = env['LINSTOR_UN_CONF']?.trim();
  const file = named || (remotes === undefined ? undefined : join(remotes, placeBelowRemotes));
  const text = file === undefined ? undefined : readText(file, Boolean(named));
  if (file === undefined || text === undefined)
    return { values: {}, linstorCommand: 'linstor', client, ignored: [] };
  return { ...parseConfig(text, file, env), client };
}

/** `LINSTOR` names the client's executable; keys that mean nothing here are collected with the reason. */
export function parseConfig(text: string, file: string, env: Environment): Omit<DriverConfig, 'client'> {
  const values: Record<string, string> = {};
  const ignored: IgnoredKey[] = [];
  let linstorCommand = '';
  for (const { key, value, line } of parseAssignments(text, file, env)) {
    if (attributeKeys.has(key)) values[key] = value;
    else if (key === 'LINSTOR') linstorCommand = value.trim();
    else ignored.push(ignoredKey(key, line));
  }
  nameTemplate(values, file);
  return { file, values, linstorCommand: linstorCommand || 'linstor', ignored };
}

function ignoredKey(key: string, line: number): IgnoredKey {
  const reason = obsolete[key];
  if (reason !== undefined) return { key, line, reason };
  const meant = meantBy(key);
  return meant === undefined
    ? { key, line, reason: 'unknown attribute' }
    : { key, line, reason: `unknown attribute; ${meant} is probably meant`, meant };
}

function readText(file: string, required: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (!required && isMissing(cause)) return undefined;
    throw new DriverError('BAD_CONFIG', `${file} cannot be read`, {
      remedy: required
        ? 'correct LINSTOR_UN_CONF, or make the file readable by oneadmin'
        : 'make it readable by oneadmin',
      cause,
    });
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
