// Conversion to and from objects of node:crypto and of @peculiar/x509, which is loaded on first use, because
// it needs a Reflect polyfill and 200 ms.

import { X509Certificate as NodeCertificate } from 'node:crypto'
import type { Pkcs10CertificateRequest, X509Certificate, X509Crl } from '@peculiar/x509'
import { isPkiError, PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { nameOf } from '../internal/options.ts'
import { decodeOnePem, looksLikePem } from '../internal/pem.ts'
import { containerFault } from './algorithms/container-files.ts'
import { hasExplicitParameters } from './certificate/platform-certificate.ts'

/** The members by which an `@peculiar/x509` object is recognised. */
export interface RawData {
  /** DER. */
  readonly rawData: ArrayBuffer
}

/**
 * DER of an input that is bytes (DER, or PEM of one block), a `node:crypto` or an `@peculiar/x509` object.
 * @throws ERR_INVALID_ARGUMENT, ERR_PEM
 */
export function inputBytes(
  input: Uint8Array | NodeCertificate | RawData | undefined,
  labels: readonly string[],
  what: string,
): Uint8Array {
  if (input instanceof Uint8Array) {
    // An indefinite length: the reader would refuse it before the type of the file is known.
    const fault = input[1] === 0x80 ? containerFault(input, what) : undefined
    if (fault !== undefined) throw fault
    return looksLikePem(input) ? decodeOnePem(input, labels) : input
  }
  if (input instanceof NodeCertificate) return new Uint8Array(input.raw)
  const { rawData } = (input ?? {}) as Partial<RawData>
  if (rawData instanceof ArrayBuffer) return new Uint8Array(rawData)
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `a ${what} must be a spiffe-pki object, DER, PEM, or an object of node:crypto or @peculiar/x509, found ` +
      nameOf(input),
  )
}

/** A `node:crypto` certificate. @throws ERR_CERTIFICATE_MALFORMED, ERR_KEY_EXPLICIT_PARAMETERS */
export function toNodeCertificate(der: Uint8Array): NodeCertificate {
  try {
    if (hasExplicitParameters(der))
      throw new PkiError(
        'ERR_KEY_EXPLICIT_PARAMETERS',
        'the key of the certificate has explicit curve parameters',
      )
    return new NodeCertificate(der)
  } catch (cause) {
    if (isPkiError(cause, 'ERR_KEY_EXPLICIT_PARAMETERS')) throw cause
    throw new PkiError('ERR_CERTIFICATE_MALFORMED', 'node:crypto cannot parse this certificate', { cause })
  }
}

/** An `@peculiar/x509` certificate. @throws ERR_CERTIFICATE_MALFORMED */
export function toPeculiarCertificate(der: Uint8Array): X509Certificate {
  return convert('ERR_CERTIFICATE_MALFORMED', (peculiar) => new peculiar.X509Certificate(der))
}

/** An `@peculiar/x509` certification request. @throws ERR_CSR_MALFORMED */
export function toPeculiarRequest(der: Uint8Array): Pkcs10CertificateRequest {
  return convert('ERR_CSR_MALFORMED', (peculiar) => new peculiar.Pkcs10CertificateRequest(der))
}

/** An `@peculiar/x509` revocation list. @throws ERR_CRL_MALFORMED */
export function toPeculiarCrl(der: Uint8Array): X509Crl {
  return convert('ERR_CRL_MALFORMED', (peculiar) => new peculiar.X509Crl(der))
}

function convert<T>(code: PkiErrorCode, make: (peculiar: typeof import('@peculiar/x509')) => T): T {
  const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
  require('reflect-metadata')
  const peculiar = require('@peculiar/x509') as typeof import('@peculiar/x509')
  try {
    return make(peculiar)
  } catch (cause) {
    throw new PkiError(code, '@peculiar/x509 cannot parse these bytes', { cause })
  }
}
