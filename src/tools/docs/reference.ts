import { actions } from '../../actions/registry.ts';
import { errorCodes } from '../../error-codes.ts';
import {
  type Attribute,
  type AttributeName,
  attributeNames,
  attributes,
  placementTriggers,
  shownDefault,
} from '../../opennebula/attributes.ts';
import type { CommandHelp } from './commands.ts';
import { block, code, codes, table } from './markdown.ts';
import type { RoundTrips } from './round-trips.ts';

/** What the page is made of besides the tables of the code. */
export interface ReferenceSources {
  readonly commands: readonly CommandHelp[];
  /** Calls to LINSTOR and ssh sessions of each action; absent as long as nobody has counted them. */
  readonly roundTrips?: readonly RoundTrips[];
  /** Headings of the troubleshooting page. */
  readonly explained: ReadonlySet<string>;
}

/** docs/reference.md. Nothing in it is written by hand. */
export function renderReference(sources: ReferenceSources): string {
  const parts = [
    '# Reference',
    'Made by `bun run docs` from the tables of the code; do not edit. [Actions](#actions), [attributes](#attributes), ' +
      '[error codes](#error-codes), [exit codes](#exit-codes), [commands](#commands).',
    '## Actions',
    'What OpenNebula calls. A variant is an additional file name, for a disk of ours in a system datastore with that TM.',
    actionTable(),
    ...(sources.roundTrips ? ['### Round trips', roundTripText, roundTripTable(sources.roundTrips)] : []),
    '## Attributes',
    attributeText,
    attributeTable(),
    '## Error codes',
    'Every failure ends with one of these codes in brackets. They do not change: search for them.',
    errorTable(sources.explained),
    '## Exit codes',
    exitText,
    exitTable(sources.commands),
    '## Commands',
    ...sources.commands.flatMap(({ name, help }) => [`### linstor_un ${name}`, block(help)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

const exitText =
  'Of the commands for people. Every command also ends with 64 for wrong arguments, before anything is done, and with 130 when Ctrl-C is ' +
  'pressed twice. An action that OpenNebula calls ends with 0, or with 1 and one line that says why.';

function exitTable(commands: readonly CommandHelp[]): string {
  return table(
    ['Command', 'Code', 'Means'],
    commands.flatMap(({ name, exitCodes }) =>
      exitCodes.map(([value, meaning]) => [code(`linstor_un ${name}`), String(value), meaning]),
    ),
  );
}

function actionTable(): string {
  return table(
    ['Kind', 'Action', 'Variants', 'Does'],
    actions.map(({ kind, name, variants, summary }) => [
      kind,
      code(name),
      codes(variants.map((variant) => `${name}.${variant}`)),
      summary,
    ]),
  );
}

const roundTripText =
  'Calls to the LINSTOR controller (REST), ssh sessions and XML-RPC calls to oned of one action, as counted on the lab; a test holds ' +
  'the actions to it. Independent calls overlap. *Passes* are rounds of work that these calls wait for on the satellites: most of the ' +
  'time is spent there. *Asks* are rounds of questions about sizes, which take as long as the slowest satellite. The controller ' +
  'answers everything else from memory.';

function roundTripTable(rows: readonly RoundTrips[]): string {
  return table(
    ['Action', 'Case', 'LINSTOR', 'Passes', 'Asks', 'ssh', 'oned', 'Remark'],
    rows.map(({ action, mode, linstor, passes, asks, ssh, one, comment }) => [
      code(action),
      mode || '–',
      String(linstor),
      String(passes),
      String(asks),
      String(ssh),
      one === undefined ? '–' : String(one),
      comment ?? '',
    ]),
  );
}

const attributeText =
  `They stand in the template of an image datastore (image) or a system datastore (system), or in \`linstor_un.conf\` for ` +
  `all (conf); a datastore goes before the file. For a VM disk the system datastore goes before the image datastore. ` +
  `Two groups are taken as a whole from the last place that has any of them: how LINSTOR is reached, and where volumes ` +
  `go (${codes(placementTriggers)} decide whether a place counts). A blank value counts as not set; a wrong one fails ` +
  `the action with [BAD_ATTRIBUTE](#error-codes).`;

function attributeTable(): string {
  return table(
    ['Attribute', 'Means', 'Allowed', 'Default', 'Where', 'Other names'],
    attributeNames.map((name) => attributeRow(name, attributes[name])),
  );
}

function attributeRow(name: AttributeName, attribute: Attribute<unknown>): string[] {
  const { doc, allowed, where, aliases, secret } = attribute;
  const meaning = secret ? `${doc}; never shown` : doc;
  return [code(name), meaning, allowed, shownDefault(attribute) ?? '–', where.join(', '), codes(aliases)];
}

function errorTable(explained: ReadonlySet<string>): string {
  return table(
    ['Code', 'What to do'],
    Object.entries(errorCodes).map(([name, { remedy }]) => [
      explained.has(name) ? `[${code(name)}](troubleshooting.md#${name.toLowerCase()})` : code(name),
      remedy,
    ]),
  );
}
