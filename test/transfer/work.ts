import { expect } from 'bun:test';
import { readdirSync, statSync } from 'node:fs';
import { parseSourceRule } from '../../src/opennebula/source-rule.ts';
import type { AddressPolicy } from '../../src/transfer/address.ts';
import type { TransferTarget } from '../../src/transfer/target.ts';
import { bytes } from '../../src/units.ts';
import { device as deviceOf } from '../support/device.ts';

/** What a file stands for as the target of a transfer: all of it. */
export const target = (device: string, host = 'host1', readsZero = false): TransferTarget => ({
  host,
  ...deviceOf(device),
  bytes: bytes(statSync(device).size),
  readsZero,
});

/** Servers of tests are on loopback. */
export const served = (...ports: readonly (number | undefined)[]): AddressPolicy => ({
  schemes: ['s3', 'ssh', 'rbd'],
  allow: ports.flatMap((port) => {
    const rule = parseSourceRule(`127.0.0.1:${port}`);
    return rule ? [rule] : [];
  }),
  guarded: [],
  marketplaces: async () => [],
});

export const anywhere = served();

/** Nothing of ours stays in the directory that images and scratch files are in. */
export function expectNoScratch(directory: string): void {
  expect(readdirSync(directory).filter((name) => name.startsWith('.linstor_un'))).toEqual([]);
}
