import type { ControllerSettings } from '../controller-settings.ts';

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type TlsSettings = Pick<ControllerSettings, 'certFile' | 'keyFile' | 'caFile'>;

export function usesTlsFiles(settings: TlsSettings): boolean {
  return Boolean(settings.certFile || settings.keyFile || settings.caFile);
}
