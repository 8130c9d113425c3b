import { inflateSync } from 'node:zlib';

/** What monitord would have been told, counted: the receiver of the driver's datagrams. */
export class MonitorSink {
  readonly #socket: Bun.udp.Socket<'buffer'>;
  #received: Buffer[];

  private constructor(socket: Bun.udp.Socket<'buffer'>, received: Buffer[]) {
    this.#socket = socket;
    this.#received = received;
  }

  static async open(): Promise<MonitorSink> {
    const received: Buffer[] = [];
    const socket = await Bun.udpSocket({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (_socket, data) => void received.push(Buffer.from(data)) },
    });
    return new MonitorSink(socket, received);
  }

  /** Text for monitord.conf that leads here. */
  get configuration(): string {
    return `NETWORK = [ ADDRESS = "0.0.0.0", MONITOR_ADDRESS = "127.0.0.1", PORT = ${this.#socket.port} ]\n`;
  }

  /** Datagrams that are on their way arrive. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#received.length; await Bun.sleep(20))
      before = this.#received.length;
  }

  /** Disks and snapshots in what came since the last time. */
  take(): { disks: number; snapshots: number } {
    const sums = { disks: 0, snapshots: 0 };
    for (const message of this.#received.splice(0)) {
      const text = usageIn(message.toString('latin1'));
      sums.disks += text.match(/\bDISK_SIZE=/g)?.length ?? 0;
      sums.snapshots += text.match(/\bSNAPSHOT_SIZE=/g)?.length ?? 0;
    }
    return sums;
  }

  close(): void {
    this.#socket.close();
  }
}

/** `MONITOR_VM SUCCESS -1 0 <base64 of deflated VM=[…,MONITOR="base64"]…>` → the inner texts. */
export function usageIn(message: string): string {
  const payload = /^MONITOR_VM SUCCESS -1 0 (\S+)\n$/.exec(message)?.[1];
  if (payload === undefined) throw new Error(`no message for monitord: ${message.slice(0, 80)}`);
  const text = inflateSync(Buffer.from(payload, 'base64')).toString();
  return [...text.matchAll(/MONITOR="([^"]+)"/g)]
    .map((match) => Buffer.from(match[1] ?? '', 'base64').toString())
    .join('\n');
}
