import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { actionData, datastoreXml } from './documents.ts';
import {
  callDriver,
  type DriverCall,
  type DriverInput,
  type DriverOptions,
  type DriverRequest,
  userMessage,
} from './driver.ts';
import { datastoreOf, type OneState } from './model.ts';
import type { OneStore } from './store.ts';

/**
 * Shape of calls and documents by release (contract §0.1, §1.2): `5.8` documents in argv and no suffix fallback,
 * `6.0` documents in argv, `6.6` argv with a dash, `7.2` documents on stdin.
 */
export type OneGeneration = '5.8' | '6.0' | '6.6' | '7.2';

/** The shape that a release has: `6.10.5` → `7.2` (contract §1.2). */
export function generationOf(version: string): OneGeneration {
  const [major = 0, minor = 0, patch = 0] = version
    .trim()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const release = major * 10_000 + minor * 100 + patch;
  if (!(release > 0)) throw new Error(`not a release of OpenNebula: “${version.trim()}”`);
  if (release < 60_000) return '5.8';
  if (release < 60_602) return '6.0';
  return release < 60_700 ? '6.6' : '7.2';
}

export interface LabOnedOptions extends DriverOptions {
  readonly store: OneStore;
  /** DATASTORE_LOCATION. */
  readonly location: string;
  /** The front-end's host name; default this machine's. */
  readonly frontend?: string;
  readonly generation?: OneGeneration;
  /** Also call `vmm/kvm/save_linstor_un` and `restore_linstor_un` where oned calls save and restore. */
  readonly checkpoints?: boolean;
}

/** What an operator's command caused. */
export interface Operation {
  /** As the operator would type it. */
  readonly command: string;
  readonly calls: readonly DriverCall[];
  readonly ok: boolean;
  /** What oned would show the user. */
  readonly error?: string;
}

/** Everything below operations: store, driver calls, paths. One per operation, so that it collects that one's calls. */
export class Session {
  readonly options: LabOnedOptions;
  readonly frontend: string;
  readonly generation: OneGeneration;
  readonly calls: DriverCall[] = [];

  constructor(options: LabOnedOptions) {
    this.options = options;
    this.frontend = options.frontend ?? hostname();
    this.generation = options.generation ?? '7.2';
  }

  read(): OneState {
    return this.options.store.read();
  }

  update<T>(change: (state: OneState) => T): T {
    return this.options.store.update(change);
  }

  /** oned writes the location with a double slash (contract, notation). */
  vmDirectory(datastoreId: number, vmId: number): string {
    const { location } = this.options;
    return `${dirname(location)}//${basename(location)}/${datastoreId}/${vmId}`;
  }

  async call(request: DriverRequest): Promise<DriverCall> {
    const call = await callDriver(request, this.options);
    this.calls.push(call);
    return call;
  }

  /** A datastore action: document and id where this release puts them. */
  datastoreAction(
    driver: string,
    action: string,
    id: number,
    ...parts: readonly string[]
  ): Promise<DriverCall> {
    return this.call({ kind: 'datastore', driver, action, ...this.#message(id, actionData(...parts)) });
  }

  #message(id: number, document: string): { argv: string[]; stdin?: DriverInput } {
    const encoded = Buffer.from(document).toString('base64');
    if (this.generation === '5.8' || this.generation === '6.0') return { argv: [encoded, String(id)] };
    const stdin: DriverInput = { encoding: 'base64', text: document };
    return this.generation === '6.6' ? { argv: ['-', String(id)], stdin } : { argv: [String(id)], stdin };
  }

  /** Capacity of a datastore, by its own driver; false when the answer was none. */
  async monitor(datastoreId: number, options: { disks?: boolean } = {}): Promise<boolean> {
    const state = this.read();
    const datastore = datastoreOf(state, datastoreId);
    const document = datastoreXml(state, datastore, this.options.location);
    const extras = [
      `<DATASTORE_LOCATION>${this.options.location}</DATASTORE_LOCATION>`,
      `<MONITOR_VM_DISKS>${options.disks === false ? 0 : 1}</MONITOR_VM_DISKS>`,
    ];
    const call =
      datastore.type === 1
        ? await this.call({
            kind: 'tm',
            driver: datastore.tmMad,
            action: 'monitor',
            ...this.#message(datastoreId, actionData(document, ...extras)),
          })
        : await this.datastoreAction(datastore.dsMad, 'monitor', datastoreId, document);
    if (call.exitCode !== 0) return false;
    const amount = (name: string): number | undefined => {
      const digits = new RegExp(`${name}\\s*=\\s*"?(\\d+)`).exec(call.stdout)?.[1];
      return digits === undefined ? undefined : Number(digits);
    };
    const [used, total, free] = [amount('USED_MB'), amount('TOTAL_MB'), amount('FREE_MB')];
    if (used === undefined || total === undefined || free === undefined) return false;
    this.update((current) => {
      Object.assign(datastoreOf(current, datastoreId), { usedMb: used, totalMb: total, freeMb: free });
    });
    return true;
  }

  done(command: string, error?: string): Operation {
    return { command, calls: this.calls, ok: error === undefined, ...(error === undefined ? {} : { error }) };
  }

  /** Fails with what the last call told the user. */
  failed(command: string, call: DriverCall): Operation {
    const said = userMessage(call);
    return this.done(
      command,
      `${call.kind}/${call.action} failed with exit code ${call.exitCode}${said === '' ? '' : `: ${said}`}`,
    );
  }
}

export const now = (): number => Math.floor(Date.now() / 1000);

/** Reply line of a driver: only the first line of stdout reaches oned. */
export const firstLine = (call: DriverCall): string => call.stdout.split('\n', 1)[0]?.trim() ?? '';
