import { isDriverError } from '../../src/errors.ts';

/** The code that the work fails with, the text of what is no error of ours, or `done`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => (isDriverError(error) ? error.code : String(error)),
  );
}
