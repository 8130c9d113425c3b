import { readFileSync } from 'node:fs';
import { decodeBase64, encodeBase64 } from '../opennebula/base64.ts';
import { defaultRankOf } from '../placer/message.ts';
import { placeByData } from '../placer/place.ts';
import { readStdin } from '../standard-io.ts';
import { operatorCommand } from './command.ts';

export const place = operatorCommand({
  name: 'place',
  summary:
    'For the scheduler of OpenNebula 7, by scheduler/linstor_un/place: the message from stdin with where the data of each VM are, to stdout. ' +
    'That script hands the message on as it came when this fails or takes too long.',
  args: {},
  exitCodes: [
    [0, 'the message is on stdout'],
    [1, 'it could not be read, or LINSTOR or oned did not answer; nothing is on stdout'],
  ],
  examples: [['place < message', 'what the next scheduler is given']],
  run: async (_args, environment) => {
    const context = await environment.context();
    const xml = decodeBase64((await readStdin()).trim(), 'the message of the scheduler');
    const placed = await placeByData(context, xml, defaultRankOf(rankConf(environment.env)));
    environment.terminal.out(`${encodeBase64(placed)}\n`);
    return 0;
  },
});

/** OpenNebula's own; without it hosts are ranked by their data alone. */
function rankConf(env: Readonly<Record<string, string | undefined>>): string {
  const location = env['ONE_LOCATION']?.trim();
  try {
    return readFileSync(
      location ? `${location}/etc/schedulers/rank.conf` : '/etc/one/schedulers/rank.conf',
      'utf8',
    );
  } catch {
    return '';
  }
}
