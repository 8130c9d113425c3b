import { DriverError } from '../errors.ts';
import type { Stage } from '../hosts/pipeline.ts';
import { type Bytes, bytes } from '../units.ts';
import { bandwidth } from './bandwidth.ts';
import type { SourceRequest } from './source.ts';
import { stages } from './target.ts';

/** The programs that bring an image from elsewhere. */

/** As given, once it is known to be a rate: curl and the downloader read the suffix themselves. */
const limitOf = ({ limitTransferBw }: SourceRequest): string | undefined =>
  bandwidth(limitTransferBw) === undefined ? undefined : limitTransferBw?.trim();

/**
 * curl for http(s). No other protocol, also not by redirection: `file:` would read any file past the path policy.
 * Its ~/.curlrc applies (proxy, `insecure`).
 */
export function curlStage(request: SourceRequest, headers: string): Stage {
  const limit = limitOf(request);
  return {
    name: stages.fetch,
    // 23: it could not write, because the next stage is gone.
    secondaryCodes: [23],
    argv: [
      'curl',
      ...['--fail', '--silent', '--show-error', '--location', '--globoff'],
      ...['--proto', '=http,https', '--proto-redir', '=http,https', '--max-redirs', '10'],
      ...['--connect-timeout', '30', '--retry', '3', '--retry-delay', '3'],
      // A server that stops sending must not hold the action for ever.
      ...['--speed-limit', '1', '--speed-time', '120'],
      ...['--dump-header', headers],
      ...(limit ? ['--limit-rate', limit] : []),
      ...['--output', '-', '--', request.path],
    ],
  };
}

/** OpenNebula's own downloader knows the other schemes. It unpacks nothing and checks nothing here: we do. */
export function downloaderStage(request: SourceRequest): Stage {
  const { downloader, path } = request;
  if (!downloader) {
    throw new DriverError(
      'IMAGE_FETCH',
      `${JSON.stringify(path)} needs OpenNebula’s downloader.sh, which was not found`,
    );
  }
  const limit = limitOf(request);
  return {
    name: stages.fetch,
    secondaryCodes: [255],
    argv: [downloader, '--nodecomp', ...(limit ? ['--limit', limit] : []), '--', path, '-'],
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
