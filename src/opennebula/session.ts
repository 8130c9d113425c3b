import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where oned listens and as whom we speak; looked up as OpenNebula's own tools do it (contract §8.1). */
export interface Access {
  readonly endpoint: string;
  /** `user:password`, sent as the first parameter of every call. A secret. */
  readonly session: string;
}

const defaultEndpoint = 'http://localhost:2633/RPC2';

/** `varLocation` is oneadmin's home. Throws ONE_UNREACHABLE when no session file can be read. */
export function findAccess(env: Environment, varLocation = '/var/lib/one'): Access {
  return { endpoint: findEndpoint(env, varLocation), session: findSession(env, varLocation) };
}

export function findEndpoint(env: Environment, varLocation = '/var/lib/one'): string {
  const fromEnvironment = env['ONE_XMLRPC']?.trim();
  if (fromEnvironment) return fromEnvironment;
  for (const path of homeFiles(env, varLocation, 'one_endpoint')) {
    const endpoint = read(path);
    if (endpoint) return endpoint;
  }
  return defaultEndpoint;
}

function findSession(env: Environment, varLocation: string): string {
  const named = env['ONE_AUTH'];
  const candidates = [...(named ? [named] : []), ...homeFiles(env, varLocation, 'one_auth')];
  for (const path of candidates) {
    const session = read(path);
    if (session) return session;
  }
  throw new DriverError(
    'ONE_UNREACHABLE',
    'OpenNebula credentials not found: no readable file with user:password',
    {
      details: [`looked at ${candidates.join(', ')}`],
    },
  );
}

function homeFiles(env: Environment, varLocation: string, name: string): string[] {
  const homes = [env['HOME'], varLocation].filter((home): home is string => Boolean(home));
  return [...new Set(homes)].map((home) => join(home, '.one', name));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
