import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const MiB = 1024 * 1024;
const piece = 4096;

/** What a write leaves: tells by itself which one it was. */
function pattern(tag: number): Buffer {
  const data = Buffer.alloc(piece);
  for (let at = 0; at < piece; at += 8) {
    data.writeUInt32LE(tag, at);
    data.writeUInt32LE(at + 1, at + 4);
  }
  return data;
}

/** What a volume must hold: a piece of data somewhere in some of its MiB, zero everywhere else. */
export class Content {
  sizeMb: number;
  /** MiB → tag. */
  readonly #data: Map<number, number>;

  constructor(sizeMb: number, data: ReadonlyMap<number, number> = new Map()) {
    this.sizeMb = sizeMb;
    this.#data = new Map(data);
  }

  copy(sizeMb = this.sizeMb): Content {
    return new Content(sizeMb, this.#data);
  }

  /** The data of `other`, as after a revert. */
  become(other: Content): void {
    this.sizeMb = other.sizeMb;
    this.#data.clear();
    for (const [at, tag] of other.#data) this.#data.set(at, tag);
  }

  /** Changes the volume and what is expected of it. */
  write(path: string, mib: number, tag: number): void {
    const file = openSync(path, 'r+');
    writeSync(file, pattern(tag), 0, piece, this.#place(mib));
    fsyncSync(file);
    closeSync(file);
    this.#data.set(mib, tag);
  }

  /** Not always at the beginning of a MiB, but always at the same place of one. */
  #place(mib: number): number {
    return mib * MiB + (mib % 5) * 128 * 1024;
  }

  image(): Buffer {
    const data = Buffer.alloc(this.sizeMb * MiB);
    for (const [mib, tag] of this.#data) pattern(tag).copy(data, this.#place(mib));
    return data;
  }

  /** What is wrong with a volume, or nothing. */
  difference(path: string): string | undefined {
    const file = openSync(path, 'r');
    try {
      const expected = this.image();
      const found = Buffer.alloc(MiB);
      for (let at = 0; ; at += MiB) {
        const count = readSync(file, found, 0, MiB, at);
        if (count === 0)
          return at < expected.length ? `ends after ${at} of ${expected.length} bytes` : undefined;
        const wanted = Buffer.alloc(count);
        expected.copy(wanted, 0, at, Math.min(at + count, expected.length));
        const got = found.subarray(0, count);
        if (!got.equals(wanted))
          return `differs in its MiB ${at / MiB}: ${tagOf(got)} instead of ${tagOf(wanted)}`;
        if (count < MiB) return at + count < expected.length ? `ends after ${at + count} bytes` : undefined;
      }
    } finally {
      closeSync(file);
    }
  }
}

function tagOf(data: Buffer): string {
  for (let at = 0; at + 4 <= data.length; at += piece) {
    const tag = data.readUInt32LE(at);
    if (tag !== 0) return `write ${tag}`;
  }
  return 'zeroes';
}
