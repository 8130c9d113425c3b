import * as z from 'zod/mini';
import { DriverError, toDriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import kernelViewText from './shell/kernel-view.sh' with { type: 'text' };

/** What DRBD in the kernel of a host says about its resources and peers, without LINSTOR (linstor-behaviour §13.2). */
export interface KernelResource {
  readonly name: string;
  readonly role: string;
  /** Of every volume. True as well where quorum is off. */
  readonly hasQuorum: boolean;
  /** `off`, `majority`, `all` or a number, as the kernel has it loaded; absent: not told. */
  readonly quorum?: string;
  readonly suspended: boolean;
  /** By the name that the peer has in DRBD: its `NodeUname`. */
  readonly peers: ReadonlyMap<string, KernelPeer>;
}

export interface KernelPeer {
  readonly state: string;
  readonly connected: boolean;
  /** A, B or C; absent: not told. */
  readonly protocol?: string;
}

export interface KernelView {
  /** `uname -n` */
  readonly uname: string;
  readonly resources: ReadonlyMap<string, KernelResource>;
}

const text = z.string();
const status = z.array(
  z.object({
    name: text,
    role: text,
    suspended: z.optional(z.boolean()),
    devices: z.array(z.object({ quorum: z.boolean() })),
    connections: z.array(z.object({ 'peer-node-id': z.number(), name: text, 'connection-state': text })),
  }),
);
const shown = z.array(
  z.object({
    resource: text,
    options: z.optional(z.object({ quorum: z.optional(z.union([text, z.number()])) })),
    connections: z.optional(
      z.array(
        z.object({
          _peer_node_id: z.number(),
          net: z.optional(z.object({ protocol: z.optional(text) })),
        }),
      ),
    ),
  }),
);

/** Reads only; needs no root. */
const script = `\n${kernelViewText}`;

/** Throws what `Hosts.run` throws, and HOST_COMMAND for what is no answer of drbdsetup's. */
export async function kernelView(hosts: Hosts, host: string): Promise<KernelView> {
  const { stdout } = await hosts.run(host, {
    verb: 'drbd-status',
    script,
    timeoutMs: 40_000,
  });
  return parseKernelView(stdout, host);
}

export function parseKernelView(output: string, host: string): KernelView {
  const [uname = '', ...lines] = output.split('\n');
  const border = lines.indexOf('---');
  try {
    const list = status.parse(JSON.parse(lines.slice(0, border).join('\n') || '[]'));
    const options = shown.parse(
      JSON.parse(
        lines
          .slice(border + 1)
          .join('\n')
          .trim() || '[]',
      ),
    );
    if (border < 0 || uname.trim() === '') throw new Error('half an answer');
    const byName = new Map(options.map((item) => [item.resource.toLowerCase(), item]));
    return {
      uname: uname.trim(),
      resources: new Map(
        list.map((item) => {
          const known = byName.get(item.name.toLowerCase());
          const quorum = known?.options?.quorum;
          const protocols = new Map(
            (known?.connections ?? []).map((each) => [each._peer_node_id, each.net?.protocol]),
          );
          const resource: KernelResource = {
            name: item.name,
            role: item.role,
            hasQuorum: item.devices.length > 0 && item.devices.every((device) => device.quorum),
            ...(quorum === undefined ? {} : { quorum: String(quorum) }),
            suspended: item.suspended ?? false,
            peers: new Map(
              item.connections.map((each) => {
                const protocol = protocols.get(each['peer-node-id']);
                return [
                  each.name.toLowerCase(),
                  {
                    state: each['connection-state'],
                    connected: each['connection-state'] === 'Connected',
                    ...(protocol === undefined ? {} : { protocol }),
                  },
                ] as const;
              }),
            ),
          };
          return [item.name.toLowerCase(), resource] as const;
        }),
      ),
    };
  } catch (cause) {
    throw new DriverError(
      'HOST_COMMAND',
      `drbdsetup on ${host} said something else than expected (${toDriverError(cause).message.split('\n')[0]})`,
      { cause },
    );
  }
}
