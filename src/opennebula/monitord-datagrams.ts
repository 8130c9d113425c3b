import { constants as crypto, publicEncrypt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { deflateSync } from 'node:zlib';
import { type DiskUsage, type Monitord, usageByVm } from './monitord.ts';

/** UDP takes 64 KiB; well below that, a datagram also survives a small socket buffer. */
const longestDatagram = 32_000;

/** `MONITOR_VM SUCCESS -1 0 <payload>`: base64 of deflated, possibly encrypted `VM=[…]` texts. As many as are needed. */
export function monitorMessages(usage: readonly DiskUsage[], publicKey?: string): string[] {
  const texts = [...usageByVm(usage)].map(
    ([vmId, text]) => `VM=[ID=${vmId},MONITOR="${Buffer.from(text).toString('base64')}"]`,
  );
  return packed(texts, publicKey);
}

function packed(texts: readonly string[], publicKey: string | undefined): string[] {
  if (texts.length === 0) return [];
  const message = `MONITOR_VM SUCCESS -1 0 ${payload(texts.join(' '), publicKey)}\n`;
  if (message.length <= longestDatagram || texts.length === 1) return [message];
  const half = Math.ceil(texts.length / 2);
  return [...packed(texts.slice(0, half), publicKey), ...packed(texts.slice(half), publicKey)];
}

function payload(text: string, publicKey: string | undefined): string {
  const plain = Buffer.from(text);
  return deflateSync(publicKey ? encrypted(plain, publicKey) : plain).toString('base64');
}

/** PKCS#1 v1.5 takes 11 bytes less than the modulus (contract §6.2). */
function encrypted(plain: Buffer, publicKey: string): Buffer {
  const key = { key: publicKey, padding: crypto.RSA_PKCS1_PADDING };
  const modulus = publicEncrypt(key, Buffer.alloc(1)).length;
  const chunks: Buffer[] = [];
  for (let at = 0; at < plain.length; at += modulus - 11)
    chunks.push(publicEncrypt(key, plain.subarray(at, at + modulus - 11)));
  return Buffer.concat(chunks);
}

/** Best effort, as datagrams are: usage is informational and never worth a failed capacity report. */
export async function sendToMonitord(target: Monitord, messages: readonly string[]): Promise<void> {
  if (messages.length === 0) return;
  const socket = createSocket(target.host.includes(':') ? 'udp6' : 'udp4');
  try {
    for (const message of messages) {
      await new Promise<void>((resolve, reject) => {
        socket.send(message, target.port, target.host, (error) => (error ? reject(error) : resolve()));
      });
    }
  } finally {
    socket.close();
  }
}
