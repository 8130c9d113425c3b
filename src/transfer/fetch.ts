import { readFileSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { PipelineError, type Stage } from '../hosts/pipeline.ts';
import { localArgv } from '../hosts/ssh.ts';
import { parseIp } from '../networks.ts';
import { type Bytes, bytes } from '../units.ts';
import { shownPath } from './address.ts';
import { bandwidth } from './bandwidth.ts';
import { hostOf, portOf } from './destination.ts';
import curlText from './shell/curl.sh' with { type: 'text' };
import type { SourceRequest } from './source.ts';
import { stages } from './target.ts';

/** The programs that bring an image from elsewhere. */

/** As given, once it is known to be a rate: curl and the downloader read the suffix themselves. */
const limitOf = ({ limitTransferBw }: Pick<SourceRequest, 'limitTransferBw'>): string | undefined =>
  bandwidth(limitTransferBw) === undefined ? undefined : limitTransferBw?.trim();

/**
 * Arguments: file for the headers, pause in seconds, curl's arguments. The address comes by the environment, which other users cannot
 * read: it may be a key. Tries again what may pass, but only as long as no
 * answer has begun: curl's own --retry begins anew behind what it has written already, and a download that stalled once
 * became its first half followed by the whole, with exit code 0.
 */
const curlScript = `\n${curlText}`;

/** For curl's configuration, where quotes and backslashes would mean something: an address has none. */
export const addressEnv = ({ url }: HttpTarget): Readonly<Record<string, string>> => ({
  LINSTOR_UN_ADDRESS: url.href.replaceAll('"', '%22').replaceAll('\\', '%5C'),
});

/** What curl gives up with instead of following a redirection. */
const redirects = 47;

/** Where the answer sends us; undefined for every other failure. */
export function redirection(error: unknown): string | undefined {
  if (!(error instanceof PipelineError) || error.stage !== stages.fetch || error.exitCode !== redirects)
    return undefined;
  return /^@location (.*)$/m.exec(error.stderr)?.[1]?.trim() ?? '';
}

/** What is fetched, and the only addresses at which its host is looked for. */
export interface HttpTarget {
  readonly url: URL;
  readonly addresses: readonly string[];
}

/** A name that we do not know is none that curl may find: only a proxy that ~/.curlrc or the environment names can. */
const unreachable = '255.255.255.255';

function pinned({ url, addresses }: HttpTarget): string[] {
  const host = hostOf(url);
  if (parseIp(host)) return [];
  const list = addresses.length > 0 ? addresses : [unreachable];
  const texts = list.map((address) => (address.includes(':') ? `[${address}]` : address));
  return ['--resolve', `${url.hostname}:${portOf(url)}:${texts.join(',')}`];
}

/**
 * curl for http(s). No other protocol: `file:` would read any file past the path policy. It follows no redirection, and looks for the
 * host only at the addresses that were permitted. Its ~/.curlrc applies (proxy, `insecure`).
 */
export function curlStage(
  request: Pick<SourceRequest, 'limitTransferBw'>,
  target: HttpTarget,
  headers: string,
): Stage {
  const limit = limitOf(request);
  return {
    name: stages.fetch,
    // 23: it could not write, because the next stage is gone.
    secondaryCodes: [23],
    argv: localArgv({
      script: curlScript,
      args: [
        ...[headers, '3'],
        ...['--fail', '--silent', '--show-error', '--location', '--globoff'],
        ...['--proto', '=http,https', '--proto-redir', '=http,https', '--max-redirs', '0'],
        ...pinned(target),
        ...['--connect-timeout', '30'],
        // A server that stops sending must not hold the action for ever.
        ...['--speed-limit', '1', '--speed-time', '120'],
        ...(limit ? ['--limit-rate', limit] : []),
        ...['--output', '-'],
      ],
    }),
  };
}

/**
 * Since 6.4 the downloader's curl tries again by itself (s3), also when half of the object has been written: see
 * curlScript. Releases before know neither that nor the option.
 */
function retriesItself(downloader: string): boolean {
  try {
    return readFileSync(downloader, 'latin1').includes('noretry');
  } catch {
    return false;
  }
}

/** OpenNebula's own downloader knows the other schemes. It unpacks nothing and checks nothing here: we do. */
export function downloaderStage(
  request: Pick<SourceRequest, 'limitTransferBw' | 'downloader'>,
  address: string,
): Stage {
  const { downloader } = request;
  if (!downloader) {
    throw new DriverError(
      'IMAGE_FETCH',
      `${shownPath(address)} needs OpenNebula’s downloader.sh, which was not found`,
    );
  }
  const limit = limitOf(request);
  return {
    name: stages.fetch,
    secondaryCodes: [255],
    argv: [
      downloader,
      '--nodecomp',
      ...(retriesItself(downloader) ? ['--noretry'] : []),
      ...(limit ? ['--limit', limit] : []),
      ...['--', address, '-'],
    ],
  };
}

/** Length by the last answer's headers (redirections come before it). */
export function contentLength(headers: string): Bytes | undefined {
  const last =
    headers
      .trim()
      .split(/\r?\n\r?\n/)
      .at(-1) ?? '';
  const length = /^content-length:\s*(\d+)\s*$/im.exec(last)?.[1];
  const encoded = /^content-encoding:\s*(?!identity)\S/im.test(last);
  return length === undefined || encoded ? undefined : bytes(Number(length));
}
