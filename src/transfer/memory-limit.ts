/**
 * The first line of every script that reads an image with qemu-img, qemu-nbd or an unpacker: what a file is made to make them take ends them,
 * and not the host (SECURITY.md). Of data, not of addresses: threads and allocators reserve far more of those than they use. qemu-img's own
 * need is at most 64 stacks of 8 MiB and its buffers. A host that sets less is left with that.
 */
export const memoryKib = 2 * 1024 * 1024;

export const memoryLimit = `ulimit -d ${memoryKib} 2>/dev/null\n`;
