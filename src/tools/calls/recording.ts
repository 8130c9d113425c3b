import { z } from 'zod';
import type { ActionKind } from '../../actions/action.ts';
import { findAction } from '../../actions/registry.ts';

/** One line of a recording; format: test/recordings/opennebula/README.md. */
const line = z.object({
  seq: z.number(),
  cli: z.string().default(''),
  kind: z.string(),
  driver: z.string().default(''),
  action: z.string(),
  argv: z.array(z.string()),
  stdin: z.string().optional(),
  stdin_base64_of: z.string().optional(),
  reply_rc: z.number().default(0),
  reply_stdout: z.string().default(''),
});

export interface RecordedCall {
  readonly seq: number;
  readonly cli: string;
  readonly kind: ActionKind;
  /** File name below the driver's directory: `clone.ssh`, `save_linstor_un`. */
  readonly file: string;
  /** Without the suffix. */
  readonly action: string;
  readonly driver: string;
  readonly argv: readonly string[];
  readonly document?: string;
  /** How the document stands in stdin. */
  readonly encoding: 'none' | 'base64' | 'raw';
  /** The tracing driver was told to fail here. */
  readonly failed: boolean;
  readonly reply: string;
}

export interface Recording {
  /** Calls of actions that this driver has. */
  readonly calls: readonly RecordedCall[];
  /** Calls of others: backup datastores, marketplaces, hypervisor scripts. */
  readonly foreign: number;
  /** Documents of all calls, also of the others: they show VMs and images, too. */
  readonly documents: readonly { readonly seq: number; readonly text: string }[];
}

export function readRecording(text: string): Recording {
  const all = text
    .split('\n')
    .filter((one) => one.trim() !== '')
    .map((one) => line.parse(JSON.parse(one)));
  const calls = all.map(toCall).filter((call) => call !== undefined);
  const documents = all.map(({ seq, stdin, stdin_base64_of }) => ({
    seq,
    text: stdin_base64_of ?? stdin ?? '',
  }));
  return { calls, foreign: all.length - calls.length, documents };
}

function toCall(entry: z.output<typeof line>): RecordedCall | undefined {
  const { kind } = entry;
  if (kind !== 'datastore' && kind !== 'tm' && kind !== 'vmm') return undefined;
  // `-l save=save_linstor_un,restore=restore_linstor_un` (contract §5.1).
  const file = kind === 'vmm' ? `${entry.action}_linstor_un` : entry.action;
  const action = file.split('.', 1)[0] ?? file;
  if (!findAction(kind, action)) return undefined;
  // A kernel or initrd belongs to a file datastore, which is never one of ours (contract §3.2).
  if (/\/(kernel|initrd)$/.test(entry.argv[1] ?? '')) return undefined;
  const document = entry.stdin_base64_of ?? entry.stdin;
  return {
    seq: entry.seq,
    cli: entry.cli,
    kind,
    file,
    action,
    driver: entry.driver,
    argv: entry.argv,
    ...(document === undefined ? {} : { document }),
    encoding: entry.stdin_base64_of === undefined ? (entry.stdin ? 'raw' : 'none') : 'base64',
    failed: entry.reply_rc !== 0,
    reply: entry.reply_stdout,
  };
}
