import type { Context } from '../../context.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { MigrationMessage } from '../../opennebula/migration-message.ts';
import { remotesOf, runHere } from '../foreign-script.ts';

export type MigrationAction = 'premigrate' | 'postmigrate' | 'failmigrate';

/** Libvirt moves memory afterwards; these scripts move what is in a VM's directory. */
const timeoutMs = 60 * 60_000;

/** TMs of the VM's other disks, each once, in the order of the disks. */
export function otherTms(message: MigrationMessage): string[] {
  const names = message.vm.disks
    .map((disk) => disk.tmMad)
    .filter((name) => name !== '' && name !== driverName);
  return [...new Set(names)];
}

/**
 * Calls the same action of another TM, marked as coming from us so that it leaves the directory alone. The document
 * goes where it came from: up to 5.8 in the 6th argument, later on stdin (contract §5.4). Throws RelayedFailure.
 */
export async function callOther(
  ctx: Context,
  action: MigrationAction,
  tm: string,
  message: MigrationMessage,
): Promise<void> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(tm))
    throw new DriverError('ONE_INCOMPLETE', `“${tm}” is not the name of a transfer driver`);
  const inArguments = message.shape === 'arguments';
  const { sourceHost, destinationHost, directory, vmId, datastoreId, encoded } = message;
  const result = await runHere(ctx, {
    name: `tm/${tm}/${action}`,
    candidates: [`${remotesOf(ctx)}/tm/${tm}/${action}`],
    argv: [
      sourceHost,
      destinationHost,
      directory,
      String(vmId),
      String(datastoreId),
      ...(inArguments ? [encoded] : []),
      driverName,
    ],
    ...(inArguments ? {} : { stdin: `${encoded}\n` }),
    timeoutMs,
  });
  if (!result) ctx.log.warn(`transfer driver ${tm} has no ${action}; its disks are left to it`);
}

/** All of them for `premigrate`: stops at the first failure, and those that had succeeded are told that it failed. */
export async function premigrateOthers(ctx: Context, message: MigrationMessage): Promise<void> {
  for (const tm of otherTms(message)) {
    ctx.undo.push(`failmigrate of ${tm}`, () => callOther(ctx, 'failmigrate', tm, message));
    await callOther(ctx, 'premigrate', tm, message);
  }
}

/** All of them, whatever one says. Returns what went wrong. */
export async function finishOthers(
  ctx: Context,
  action: 'postmigrate' | 'failmigrate',
  message: MigrationMessage,
): Promise<string[]> {
  const failures: string[] = [];
  for (const tm of otherTms(message)) {
    try {
      await callOther(ctx, action, tm, message);
    } catch (error) {
      failures.push(toDriverError(error).message);
    }
  }
  return failures;
}
