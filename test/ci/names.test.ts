import { expect, test } from 'bun:test';
import type { NodeName, ResourceName } from '../../src/linstor/names.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';

/** The compiler is the test: a line that is expected to fail, and does not, fails the check of types. */
test('a plain string is no name, and a name of one kind is none of another', () => {
  const node: NodeName = nodeName('host1');
  const resource: ResourceName = resourceName('one-image-1');
  const text: string = node;
  // @ts-expect-error: a plain string
  const wrong: NodeName = text;
  // @ts-expect-error: a literal
  const literal: ResourceName = 'one-image-1';
  // @ts-expect-error: the other kind
  const other: ResourceName = node;
  expect<unknown[]>([wrong, literal, other]).toEqual([text, resource, text]);
});
