import type { DriverCall } from './driver.ts';
import { type LabDisk, type LabVm, type PendingScript, type TransferLine, vmOf } from './model.ts';
import type { Session } from './oned.ts';

/** Where a VM's directory is: a host, or the front-end for a stopped or undeployed VM. */
export interface Place {
  readonly host: string;
  readonly datastoreId: number;
}

const attribute = (disk: LabDisk, name: string): string => disk.attributes[name] ?? '';

export const isVolatile = (disk: LabDisk): boolean => attribute(disk, 'CLONE') === '';

/** Lower-case TM_MAD_SYSTEM as a suffix: the disk lives in a system datastore of another TM (contract §3.1). */
function suffixOf(disk: LabDisk): string {
  const mode = attribute(disk, 'TM_MAD_SYSTEM').toLowerCase();
  return mode === '' || mode === attribute(disk, 'TM_MAD') ? '' : `.${mode}`;
}

export class Lines {
  readonly #session: Session;
  readonly #vm: LabVm;
  readonly #systemTm: string;

  constructor(session: Session, vm: LabVm, systemTm: string) {
    this.#session = session;
    this.#vm = vm;
    this.#systemTm = systemTm;
  }

  directory(place: Place): string {
    return `${place.host}:${this.#session.vmDirectory(place.datastoreId, this.#vm.id)}`;
  }

  #disk(place: Place, disk: LabDisk): string {
    return `${this.directory(place)}/disk.${disk.id}`;
  }

  /** Image datastore of an image disk; the system datastore for volatile ones (contract §3.1). */
  #line(disk: LabDisk, place: Place, command: string, ...args: readonly (string | number)[]): TransferLine {
    const volatile = isVolatile(disk);
    const datastore = volatile ? String(place.datastoreId) : attribute(disk, 'DATASTORE_ID');
    return {
      driver: volatile ? this.#systemTm : attribute(disk, 'TM_MAD'),
      command: `${command}${volatile ? '' : suffixOf(disk)}`,
      args: [...args.map(String), String(this.#vm.id), datastore],
    };
  }

  prolog(disk: LabDisk, place: Place): TransferLine {
    const size = attribute(disk, 'SIZE');
    const target = this.#disk(place, disk);
    if (attribute(disk, 'TYPE') === 'swap') return this.#line(disk, place, 'mkswap', size, target);
    if (isVolatile(disk))
      return this.#line(disk, place, 'mkimage', size, attribute(disk, 'FORMAT') || 'raw', target);
    const source = attribute(disk, 'SOURCE');
    // A SOURCE with a colon is passed as it is (contract §3.1).
    const from = source.includes(':') ? source : `${this.#session.frontend}:${source}`;
    return this.#line(disk, place, attribute(disk, 'CLONE') === 'YES' ? 'clone' : 'ln', from, target);
  }

  /** Normal end of a disk: persistent ones go back, others are deleted. */
  epilog(disk: LabDisk, place: Place): TransferLine {
    return attribute(disk, 'SAVE') === 'YES'
      ? this.#line(disk, place, 'mvds', this.#disk(place, disk), attribute(disk, 'SOURCE'))
      : this.delete(disk, place);
  }

  /** Clean-up: DELETE for every disk, persistent ones too. */
  delete(disk: LabDisk, place: Place): TransferLine {
    return this.#line(disk, place, 'delete', this.#disk(place, disk));
  }

  move(disk: LabDisk, from: Place, to: Place): TransferLine {
    return this.#line(disk, to, 'mv', this.#disk(from, disk), this.#disk(to, disk));
  }

  disk(disk: LabDisk, place: Place, command: string, ...args: readonly (string | number)[]): TransferLine {
    return this.#line(disk, place, command, this.#disk(place, disk), ...args);
  }

  /** A line about the VM directory itself. */
  whole(command: string, place: Place, ...paths: readonly Place[]): TransferLine {
    return {
      driver: this.#systemTm,
      command,
      args: [
        ...[...paths, place].map((each) => this.directory(each)),
        String(this.#vm.id),
        String(place.datastoreId),
      ],
    };
  }
}

export const runLine = (session: Session, { driver, command, args }: TransferLine): Promise<DriverCall> =>
  session.call({ kind: 'tm', driver, action: command, argv: args });

/** Lines one after the other; the first that fails stops the file. */
export async function runLines(
  session: Session,
  lines: readonly TransferLine[],
): Promise<DriverCall | undefined> {
  for (const line of lines) {
    const call = await runLine(session, line);
    if (call.exitCode !== 0) return call;
  }
  return undefined;
}

/**
 * A transfer script of a VM: its LCM state while it runs, the failure state and the script itself when a line
 * failed, so that `recover --retry` runs it again from the first line (contract §3.4).
 */
export async function runScript(
  session: Session,
  vmId: number,
  script: PendingScript,
): Promise<DriverCall | undefined> {
  session.update((state) => {
    const vm = vmOf(state, vmId);
    vm.state = 3;
    vm.lcmState = script.lcmState;
  });
  const failure = await runLines(session, script.lines);
  session.update((state) => {
    const vm = vmOf(state, vmId);
    if (failure) {
      vm.lcmState = script.failureState;
      vm.pending = script;
    } else {
      delete vm.pending;
    }
  });
  return failure;
}
