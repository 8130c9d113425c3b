import { DriverError } from '../errors.ts';
import { type OneCallEntry, oneDeadlineMs } from './oned-client.ts';
import { atLeast } from './version.ts';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without a shell. Rejects when it does not exist or does not end in time. */
export type RunCommand = (argv: readonly string[], timeoutMs: number) => Promise<CommandResult>;

export interface OneCommandsOptions {
  readonly run: RunCommand;
  readonly version?: string | undefined;
  readonly deadlineMs?: number;
  readonly onCall?: (entry: OneCallEntry) => void;
}

/**
 * OpenNebula's own commands, for when XML-RPC cannot be had (contract §8.3): slow, but they know every way to
 * reach oned. Each gives the document as XML.
 */
export class OneCommands {
  readonly #options: OneCommandsOptions;

  constructor(options: OneCommandsOptions) {
    this.#options = options;
  }

  vm(id: number): Promise<string> {
    return this.#run(['onevm', 'show', '-x', String(id)]);
  }

  /** Decrypted where the release can (5.12). */
  datastore(id: number): Promise<string> {
    const decrypt = atLeast(this.#options.version, 5, 12) ? ['--decrypt'] : [];
    return this.#run(['onedatastore', 'show', '-x', ...decrypt, String(id)]);
  }

  image(id: number): Promise<string> {
    return this.#run(['oneimage', 'show', '-x', String(id)]);
  }

  hosts(): Promise<string> {
    return this.#run(['onehost', 'list', '-x']);
  }

  datastores(): Promise<string> {
    return this.#run(['onedatastore', 'list', '-x']);
  }

  vms(): Promise<string> {
    return this.#run(['onevm', 'list', '--extended', '-x']);
  }

  images(): Promise<string> {
    return this.#run(['oneimage', 'list', '-x']);
  }

  marketplaces(): Promise<string> {
    return this.#run(['onemarket', 'list', '-x']);
  }

  async version(): Promise<string> {
    const output = await this.#run(['onevm', '--version']);
    const version = /OpenNebula\s+(\S+)/.exec(output)?.[1];
    if (version) return version;
    throw new DriverError('ONE_UNREACHABLE', '`onevm --version` printed no version');
  }

  async #run(argv: readonly string[]): Promise<string> {
    const started = performance.now();
    let outcome = 'failed';
    try {
      const result = await this.#options.run(argv, this.#options.deadlineMs ?? oneDeadlineMs);
      outcome = `exit ${result.exitCode}`;
      if (result.exitCode === 0) return result.stdout;
      throw refusal(argv, result);
    } finally {
      const [verb = '', ...rest] = argv;
      this.#options.onCall?.({
        kind: 'one',
        verb,
        target: rest.join(' '),
        ms: Math.round(performance.now() - started),
        outcome,
      });
    }
  }
}

/** The commands tell in words what oned answered with a code. */
function refusal(argv: readonly string[], { exitCode, stdout, stderr }: CommandResult): DriverError {
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-3).join(' ');
  const message = `\`${argv.join(' ')}\` ended with ${exitCode}: ${said || 'no output'}`;
  if (/Error getting .*\[\d+\]|not found/i.test(said)) return new DriverError('ONE_NOT_FOUND', message);
  if (/authenticat|not authorized/i.test(said)) return new DriverError('ONE_REFUSED', message);
  return new DriverError('ONE_UNREACHABLE', message);
}
