import type { Capabilities } from './linstor.ts';

type CapabilityName = Exclude<keyof Capabilities, 'serverVersion' | 'restVersion'>;

/** Since when, by REST API version or (where the REST version did not move) by server version. Linstor-behaviour §0.2. */
const since: Readonly<Record<CapabilityName, readonly ['rest' | 'server', string]>> = {
  clone: ['rest', '1.10.0'],
  cloneTarget: ['rest', '1.24.0'],
  cloneProps: ['rest', '1.26.0'],
  sizeInfo: ['rest', '1.17.0'],
  multiSnapshot: ['rest', '1.18.0'],
  restorePoolRename: ['rest', '1.21.0'],
  spawnProps: ['rest', '1.22.0'],
  passphraseStatus: ['rest', '1.25.0'],
  rollbackAny: ['server', '1.31.0'],
  deleteSnapshotWithClones: ['server', '1.31.0'],
  managedDualPrimary: ['rest', '1.29.0'],
  balanceProperty: ['server', '1.26.0'],
  balanceAfterRestore: ['rest', '1.28.0'],
};

/** `1.34.0-rc.1+8` as `1.34.0`: a release candidate has what its release has. Missing parts are 0. */
function release(version: string): string {
  const parts = /^\D*(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(version);
  return `${parts?.[1] ?? 0}.${parts?.[2] ?? 0}.${parts?.[3] ?? 0}`;
}

export function toCapabilities(serverVersion: string, restVersion: string): Capabilities {
  const versions = { rest: release(restVersion), server: release(serverVersion) };
  const able = Object.entries(since).map(([name, [which, minimum]]) => [
    name,
    Bun.semver.order(versions[which], minimum) >= 0,
  ]);
  return { serverVersion, restVersion, ...(Object.fromEntries(able) as Record<CapabilityName, boolean>) };
}
