import { DriverError } from '../../errors.ts';

/** Where one controller listens. */
export interface Controller {
  readonly scheme: 'http' | 'https';
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

const plainPort = 3370;
const tlsPort = 3371;
const secureSchemes = new Set(['linstor+ssl', 'https']);
const plainSchemes = new Set(['linstor', 'http']);

function invalid(form: string, why: string): DriverError {
  return new DriverError('BAD_ATTRIBUTE', `"${form}" is not an address of a LINSTOR controller: ${why}`, {
    remedy:
      'write LS_CONTROLLERS as host, host:port, linstor://host[:port] or linstor+ssl://host[:port], separated by commas',
  });
}

function split(form: string): { scheme: string | undefined; host: string; port: number | undefined } {
  const parts = /^(?:([a-z+]+):\/\/)?(?:\[([^\]]+)\]|([^\s:/[\]]+)|([0-9a-f:.]+))(?::(\d+))?\/*$/i.exec(form);
  if (!parts) throw invalid(form, 'it has none of the known forms');
  const host = parts[2] ?? parts[3] ?? parts[4] ?? '';
  return {
    scheme: parts[1]?.toLowerCase(),
    host,
    port: parts[5] === undefined ? undefined : Number(parts[5]),
  };
}

/**
 * One element of LS_CONTROLLERS (linstor-behaviour §8).
 *
 * @param tlsFiles whether a certificate, key or CA is configured: a bare host name then means TLS, as it does for
 *   LINBIT's newer clients. Credentials must not go to a plain port only because the scheme was left out.
 * @throws BAD_ATTRIBUTE
 */
export function parseController(form: string, tlsFiles = false): Controller {
  const { scheme, host, port } = split(form.trim());
  if (scheme !== undefined && !secureSchemes.has(scheme) && !plainSchemes.has(scheme)) {
    throw invalid(form, `${scheme}:// is not known`);
  }
  if (port !== undefined && (port < 1 || port > 65535)) throw invalid(form, `${port} is not a valid port`);
  const secure =
    secureSchemes.has(scheme ?? '') ||
    (scheme !== 'http' && port === tlsPort) ||
    (scheme === undefined && port === undefined && tlsFiles);
  return { scheme: secure ? 'https' : 'http', host, port: port ?? (secure ? tlsPort : plainPort) };
}

/** All of them, in order, each once. Elements may hold several, separated by commas or blanks. */
export function parseControllers(forms: readonly string[], tlsFiles = false): Controller[] {
  const elements = forms.flatMap((form) => form.split(/[\s,]+/)).filter((form) => form !== '');
  const byAddress = new Map(
    elements.map((form) => parseController(form, tlsFiles)).map((one) => [baseUrl(one), one]),
  );
  if (byAddress.size === 0) {
    throw new DriverError('BAD_ATTRIBUTE', 'no LINSTOR controller is configured', {
      remedy: 'set LS_CONTROLLERS',
    });
  }
  return [...byAddress.values()];
}

export function address(controller: Controller): string {
  const host = controller.host.includes(':') ? `[${controller.host}]` : controller.host;
  return `${host}:${controller.port}`;
}

export function baseUrl(controller: Controller): string {
  return `${controller.scheme}://${address(controller)}`;
}

/** The form that every version of LINBIT's client understands. */
export function clientForm(controller: Controller): string {
  return `${controller.scheme === 'https' ? 'linstor+ssl' : 'linstor'}://${address(controller)}`;
}

/**
 * A controller with TLS redirects its plain port (linstor-behaviour §0.3). The new address replaces the old one for
 * good: following per request would lose the body of a POST. Credentials stay with the host they were meant for.
 * @throws LINSTOR_REPLY when the redirect leads elsewhere
 */
export function redirected(from: Controller, location: string | null): Controller {
  const target = URL.parse(location ?? '', baseUrl(from));
  const host = target?.hostname.replace(/^\[|\]$/g, '');
  if (
    !target ||
    from.scheme === 'https' ||
    target.protocol !== 'https:' ||
    host?.toLowerCase() !== from.host.toLowerCase()
  ) {
    throw new DriverError(
      'LINSTOR_REPLY',
      `${baseUrl(from)} redirects to ${location || 'nowhere'}, which is not the same controller over TLS`,
    );
  }
  const port = target.port === '' ? 443 : Number(target.port);
  return { scheme: 'https', host: from.host, port };
}
