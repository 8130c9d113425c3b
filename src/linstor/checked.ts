import type * as z from 'zod/mini';
import { DriverError } from '../errors.ts';
import type { Json } from './json.ts';

/** @throws LINSTOR_REPLY naming the first place that is not as expected */
export function checked<T extends z.ZodMiniType>(schema: T, raw: Json, what: string): z.output<T> {
  let result: ReturnType<T['safeParse']>;
  try {
    result = schema.safeParse(raw) as ReturnType<T['safeParse']>;
  } catch (cause) {
    // Nested deeper than there is stack for.
    throw new DriverError('LINSTOR_REPLY', `${what}: the answer cannot be read (${String(cause)})`, {
      cause,
    });
  }
  if (result.success) return result.data as z.output<T>;
  const issue = result.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'as a whole' : `at ${issue.path.join('.')}`;
  const why =
    issue && 'expected' in issue ? `expected ${issue.expected}` : issue?.message || 'something else';
  throw new DriverError('LINSTOR_REPLY', `${what}: the answer is not as expected ${where}: ${why}`);
}
