import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ControllerSettings } from './controller-settings.ts';
import { ConfigRefused, parsePythonConfig } from './python-config.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type ClientSettings = Partial<
  Pick<
    ControllerSettings,
    'controllers' | 'certFile' | 'keyFile' | 'caFile' | 'token' | 'username' | 'password'
  >
>;
type Section = Readonly<Record<string, string>>;

export interface ClientConfigSources {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly home?: string;
  /** Root of /etc and /var, for tests. */
  readonly root?: string;
  /** A file that is there and cannot be read: the settings then come from elsewhere, which somebody should know. */
  readonly onProblem?: (message: string) => void;
}

function readText(path: string, onProblem: ((message: string) => void) | undefined): string | undefined {
  try {
    // Usually there is no such file, and every action asks: an answer is cheaper than an error.
    return statSync(path, { throwIfNoEntry: false }) && readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') onProblem?.(`${path} cannot be read (${code})`);
    return undefined;
  }
}

/** `[global]` of a file; `undefined` when it has no such section. One that the client itself would refuse counts as none, and is told. */
function globalSection(
  path: string,
  text: string,
  onProblem: ((message: string) => void) | undefined,
): Section | undefined {
  try {
    return parsePythonConfig(text).get('global');
  } catch (error) {
    if (!(error instanceof ConfigRefused)) throw error;
    onProblem?.(`${path} is not used: the LINSTOR client would not read it either (${error.message})`);
    return undefined;
  }
}

/** The files in the order of LINBIT's client: a later section replaces an earlier one as a whole (linstor-behaviour §8). */
function readFiles(sources: ClientConfigSources): Section {
  const root = sources.root ?? '/';
  const folder = join(root, 'etc/linstor/linstor-client.d');
  const names = namesIn(folder)
    .filter((name) => name.endsWith('.conf'))
    .sort();
  const read = (path: string) => {
    const text = readText(path, sources.onProblem);
    return text === undefined ? undefined : { path, text };
  };
  const own = read(join(sources.home ?? homeDirectory(sources.env), '.config/linstor/linstor-client.conf'));
  const last = own ?? read(join(root, 'etc/linstor/linstor-client.conf'));
  const files = [...names.map((name) => read(join(folder, name))), last];
  const sections = files
    .map((file) => file && globalSection(file.path, file.text, sources.onProblem))
    .filter((section) => section !== undefined);
  return sections.at(-1) ?? {};
}

/** Every daemon's environment has it; only without it is Node's module loaded, which asks the user database. */
function homeDirectory(env: ClientConfigSources['env']): string {
  return env?.['HOME'] || process.getBuiltinModule('node:os').homedir();
}

function namesIn(folder: string): string[] {
  try {
    return existsSync(folder) ? readdirSync(folder) : [];
  } catch {
    return [];
  }
}

/** First that is set and not empty. */
function first(...values: readonly (string | undefined)[]): string | undefined {
  return values.find((value) => value !== undefined && value !== '');
}

function token(
  env: Readonly<Record<string, string | undefined>>,
  sources: ClientConfigSources,
): string | undefined {
  const file = env['LS_BEARER_TOKEN_FILE'];
  if (file) return first(readText(file, sources.onProblem)?.trim());
  const text = readText(join(sources.root ?? '/', 'var/lib/linstor.d/auth.json'), undefined);
  return text === undefined ? undefined : first(/"token"\s*:\s*"([^"]+)"/.exec(text)?.[1]);
}

/**
 * How LINSTOR's own clients on this machine reach the controller: the default where the datastore says nothing.
 * Environment before files; the names are those of LINBIT's Python client, of golinstor, and of this driver's
 * datastore attributes (linstor-behaviour §8).
 */
export function clientSettings(sources: ClientConfigSources = {}): ClientSettings {
  const env = sources.env ?? process.env;
  const file = readFiles(sources);
  const option = (name: string) => first(env[`LS_CLIENT_${name.toUpperCase()}`], file[name]);
  const controllers = first(env['LS_CONTROLLERS'], option('controllers'));
  const fields: Mutable<{ [K in keyof ClientSettings]: ClientSettings[K] | undefined }> = {
    controllers: controllers
      ?.split(/[\s,]+/)
      .map((one) => one.trim())
      .filter((one) => one !== ''),
    certFile: first(env['LS_CERTFILE'], env['LS_USER_CERTIFICATE_FILE'], option('certfile')),
    keyFile: first(env['LS_KEYFILE'], env['LS_USER_KEY_FILE'], option('keyfile')),
    caFile: first(env['LS_CAFILE'], env['LS_ROOT_CA_FILE'], option('cafile')),
    username: first(env['LS_USERNAME'], option('user')),
    password: first(env['LS_PASSWORD'], option('password')),
    token: token(env, sources),
  };
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as ClientSettings;
}
