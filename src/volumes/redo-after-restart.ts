import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Linstor } from '../linstor/linstor.ts';

/**
 * `work` makes something of LINSTOR's own copies: snapshot, restore. When the controller was away meanwhile, what it makes is not used, even if
 * every call succeeded: a controller that was killed forgets the last seconds of what it has answered, and then, asked for a device,
 * makes a new, empty volume. It is taken back by its undo steps and made anew, once.
 */
export async function undisturbed<T extends { readonly copied?: boolean }>(
  ctx: Pick<Context, 'undo' | 'log' | 'signal'>,
  linstor: Linstor,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  for (let again = false; ; again = true) {
    const before = await linstor.absences();
    const wasAway = async (): Promise<boolean> => (await linstor.absences()) !== before;
    try {
      return await ctx.undo.within(async () => {
        const made = await work();
        // Bytes that were copied were seen to arrive, and what is lost of their volume is missed when its mark is set.
        if (!made.copied && (await wasAway())) throw disturbed(what);
        return made;
      });
    } catch (error) {
      if (again || ctx.signal.aborted || !isLinstors(error) || !(await wasAway())) throw error;
      ctx.log.warn(`${toDriverError(error).message}; ${what} is created again`);
    }
  }
}

const isLinstors = (error: unknown): boolean =>
  /^LINSTOR_|^SNAPSHOT$|^NO_REPLICA$|^DEVICE_/.test(toDriverError(error).code);

const disturbed = (what: string): DriverError =>
  new DriverError(
    'LINSTOR_UNREACHABLE',
    `the LINSTOR controller was away while ${what} was made, and may have forgotten parts of it`,
    { remedy: 'retry when the controller is back for good (`linstor node list`)' },
  );
