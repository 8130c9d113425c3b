import { openLinstor } from '../../src/linstor/open.ts';
import { createContractGroups, deleteContractGroups } from './linstor-groups.ts';
import { linstorContract } from './linstor-suite.ts';

/*
 * The contract against a real controller: LINSTOR_CONTRACT_URL=http://127.0.0.1:3370, and with
 * LINSTOR_CONTRACT_CLIENT=/usr/bin/linstor over LINBIT's client as well. Needs the nodes and pools that
 * linstor-suite.ts names.
 */
const url = process.env['LINSTOR_CONTRACT_URL'];
const command = process.env['LINSTOR_CONTRACT_CLIENT'];

for (const transport of ['rest', 'cli'] as const) {
  if (!url || (transport === 'cli' && !command)) continue;
  linstorContract(
    `${transport}, real controller`,
    async () => {
      await createContractGroups(url);
      return {
        linstor: openLinstor({ controllers: [url], transport, linstorCommand: command ?? 'linstor' }),
        cleanup: () => deleteContractGroups(url),
      };
    },
    { refusedClone: process.env['LINSTOR_CONTRACT_CLONE'] === 'yes' },
  );
}
