import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DriverError } from '../../errors.ts';
import type { TlsMaterial, TlsSettings } from './tls-files.ts';

function readPem(attribute: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new DriverError('LINSTOR_TLS', `${attribute} ${path} cannot be read (${why})`, {
      cause,
      remedy: `make ${path} readable for oneadmin, or correct ${attribute}`,
    });
  }
}

function broken(attribute: string, path: string, why: string, cause?: unknown): DriverError {
  return new DriverError('LINSTOR_TLS', `${attribute} ${path} ${why}`, { cause });
}

function certificate(attribute: string, path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw broken(attribute, path, 'holds no PEM certificate', cause);
  }
}

/**
 * The certificate files, checked: the TLS library itself reports a damaged file as "failed to open socket", which
 * sends operators to the network instead of to the file.
 * @throws LINSTOR_TLS naming the file
 */
export function loadTls(settings: TlsSettings, now = Date.now()): TlsMaterial {
  const { caFile, certFile, keyFile } = settings;
  if (Boolean(certFile) !== Boolean(keyFile)) {
    // Not an error for LINBIT's client when certificate and key share one file.
    if (keyFile) throw new DriverError('LINSTOR_TLS', `LS_KEYFILE ${keyFile} is set without LS_CERTFILE`);
  }
  const ca = caFile ? readPem('LS_CAFILE', caFile) : undefined;
  const cert = certFile ? readPem('LS_CERTFILE', certFile) : undefined;
  const keyPath = keyFile || certFile;
  const key = keyPath && cert !== undefined ? readPem('LS_KEYFILE', keyPath) : undefined;
  if (caFile && ca !== undefined) certificate('LS_CAFILE', caFile, ca);
  if (certFile && cert !== undefined && keyPath && key !== undefined)
    checkPair(certFile, cert, keyPath, key, now);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function checkPair(certFile: string, cert: string, keyFile: string, key: string, now: number): void {
  const own = certificate('LS_CERTFILE', certFile, cert);
  const until = Date.parse(own.validTo);
  if (until < now) throw broken('LS_CERTFILE', certFile, `expired on ${own.validTo}`);
  let privateKey: ReturnType<typeof createPrivateKey>;
  try {
    privateKey = createPrivateKey(key);
  } catch (cause) {
    throw broken(
      'LS_KEYFILE',
      keyFile,
      'holds no usable private key (one without a passphrase is needed)',
      cause,
    );
  }
  if (!own.checkPrivateKey(privateKey)) {
    throw broken('LS_KEYFILE', keyFile, `does not belong to the certificate ${certFile}`);
  }
}
