import { join } from 'node:path';
import { openLinstor } from '../../src/linstor/open.ts';
import { startLab } from '../support/lab.ts';
import { createContractGroups, deleteContractGroups } from './linstor-groups.ts';
import { linstorContract } from './linstor-suite.ts';

/* One suite for both transports, on the lab: over REST, and by an executable `linstor` as a site would configure it. */
for (const transport of ['rest', 'cli'] as const) {
  linstorContract(`${transport}, lab`, async () => {
    const lab = await startLab({ nodes: ['alpha', 'bravo', 'charlie'] });
    const url = lab.cluster.linstorUrl;
    await createContractGroups(url);
    return {
      linstor: openLinstor({
        controllers: [url],
        transport,
        linstorCommand: join(lab.cluster.paths.bin, 'linstor'),
      }),
      cleanup: async () => {
        await deleteContractGroups(url);
        await lab.stop();
      },
    };
  });
}
