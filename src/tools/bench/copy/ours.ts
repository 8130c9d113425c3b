/** One import by the driver's engine: argument is JSON {path, host, device, bytes, stagingDir}. */
import { basename } from 'node:path';
import { z } from 'zod';
import { deviceIdentity } from '../../../hosts/scripts/identity.ts';
import { SshHosts } from '../../../hosts/ssh.ts';
import { importImage } from '../../../transfer/import.ts';
import { bytes } from '../../../units.ts';

const request = z
  .object({
    path: z.string(),
    host: z.string(),
    device: z.string(),
    bytes: z.number(),
    stagingDir: z.string(),
  })
  .parse(JSON.parse(Bun.argv[2] ?? ''));

await importImage(
  new SshHosts(),
  {
    path: request.path,
    policy: { safeDirs: [], restrictedDirs: [], alwaysRestricted: [] },
    addresses: { schemes: [], allow: [], guarded: [], marketplaces: async () => [] },
  },
  {
    host: request.host,
    device: request.device,
    identity: deviceIdentity('storage', basename(request.device).replace('_00000', '')),
    bytes: bytes(request.bytes),
    readsZero: true,
  },
  { stagingDir: request.stagingDir },
);
