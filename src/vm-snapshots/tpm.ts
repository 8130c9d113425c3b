import { DriverError } from '../errors.ts';
import type { Vm } from '../opennebula/one.ts';

/** libvirt removes a TPM's state with the domain, and a revert ends the domain. Throws NOT_SUPPORTED. */
export function requireNoTpm({ id, xml }: Pick<Vm, 'id' | 'xml'>): void {
  if (/<TPM>.*?<MODEL>/s.test(xml))
    throw new DriverError(
      'NOT_SUPPORTED',
      `VM ${id} has a TPM, whose state would be lost when the VM is reverted`,
      { remedy: 'snapshot its disks one by one, or back the VM up' },
    );
}
