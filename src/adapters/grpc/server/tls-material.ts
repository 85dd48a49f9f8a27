// The certificate, key and client roots of a TLS port: parsed, and checked for consistency and validity.

import { X509Certificate, constants, createPrivateKey } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { Certificate } from '../../../x509/index.ts'
import { formatGeneralName, hasExplicitParameters } from '../../../x509/internal.ts'

/** The certificate of a server, and the client roots that it announces. All PEM. @inline */
export interface ServerTlsMaterial {
  /** The server's certificate, then its issuers without the root. */
  readonly certificateChain: string
  /** The key of the leaf, PEM. */
  readonly privateKey: string
  /** Roots of the clients' certificates: a hint to clients and OpenSSL; the authenticators decide. */
  readonly clientRoots: string
}

/**
 * Checks material and returns the options of its TLS context.
 *
 * @param code `ERR_SERVER_START` at the start, `ERR_INVALID_ARGUMENT` in a rotation.
 * @throws `code` for material that does not parse, does not belong together,
 *   is not valid at `nowMs`, or names no host
 */
export function secureContextOptions(
  code: 'ERR_SERVER_START' | 'ERR_INVALID_ARGUMENT',
  given: ServerTlsMaterial,
  nowMs: number,
): SecureContextOptions {
  const material = readMaterial(given)
  const fault = faultOf(material, nowMs)
  if (fault !== undefined) throw unusable(code, fault)
  const context: SecureContextOptions = {
    cert: material.certificateChain,
    key: material.privateKey,
    ca: material.clientRoots,
    minVersion: 'TLSv1.2',
    // A resumed session would skip the client's certificate and a trust bundle
    // that changed since; HTTP/2 forbids renegotiation.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
  try {
    createSecureContext(context)
  } catch (cause) {
    throw unusable(code, cause instanceof Error ? cause.message : 'unknown', cause)
  }
  return context
}

/** Material is often part of a larger object, so unknown keys are ignored. */
function readMaterial(given: ServerTlsMaterial): ServerTlsMaterial {
  const { certificateChain, privateKey, clientRoots } = Object(given) as Partial<ServerTlsMaterial>
  if (
    typeof certificateChain === 'string' &&
    typeof privateKey === 'string' &&
    typeof clientRoots === 'string'
  )
    return { certificateChain, privateKey, clientRoots }
  throw unusable('ERR_INVALID_ARGUMENT', 'certificateChain, privateKey and clientRoots must be PEM text')
}

function unusable(
  code: 'ERR_SERVER_START' | 'ERR_INVALID_ARGUMENT',
  fault: string,
  cause?: unknown,
): PkiError {
  return new PkiError(code, `the TLS material cannot be used: ${fault}`, { cause })
}

/** The fault of the material; OpenSSL's own messages do not identify the part. */
function faultOf(
  { certificateChain, privateKey, clientRoots }: ServerTlsMaterial,
  nowMs: number,
): string | undefined {
  for (const [name, pem] of Object.entries({ certificateChain, clientRoots }))
    if (attempt(() => Certificate.listFromPem(pem).some(({ der }) => hasExplicitParameters(der))) === true)
      return `${name} contains a key with explicit curve parameters`
  const certificate = attempt(() => new X509Certificate(certificateChain))
  if (certificate === undefined) return 'certificateChain contains no certificate in PEM'
  const key = attempt(() => createPrivateKey(privateKey))
  if (key === undefined) return 'privateKey is not a private key in PEM, or is encrypted'
  if (!certificate.checkPrivateKey(key))
    return 'privateKey does not belong to the first certificate of certificateChain'
  const roots = clientRoots.trim() === '' || attempt(() => Certificate.listFromPem(clientRoots)) !== undefined
  if (!roots) return 'clientRoots contains something other than certificates in PEM'
  return chainFault(certificateChain, nowMs)
}

/** No client accepts a leaf, or a path, outside its validity period (RFC 5280 §6.1.3 (a)(2)). */
function chainFault(certificateChain: string, nowMs: number): string | undefined {
  let chain: readonly Certificate[]
  try {
    chain = Certificate.listFromPem(certificateChain)
  } catch (cause) {
    return (
      'certificateChain cannot be read: ' +
      (isPkiError(cause) ? `${cause.code}: ${cause.message}` : 'malformed')
    )
  }
  const [leaf, ...rest] = chain
  return leaf === undefined ? 'certificateChain contains no certificate in PEM' : pathFault(leaf, rest, nowMs)
}

/**
 * Undefined if one path of the chain is valid: an expired cross-certificate beside a valid one is harmless.
 */
function pathFault(
  certificate: Certificate,
  rest: readonly Certificate[],
  nowMs: number,
): string | undefined {
  const { notBefore, notAfter } = certificate
  // The last second is inclusive (RFC 5280 §4.1.2.5).
  if (nowMs < certificate.notBeforeMs || nowMs >= certificate.notAfterMs + 1000) {
    const state = nowMs < certificate.notBeforeMs ? 'is not valid yet' : 'has expired'
    return (
      `${describe(certificate)} ${state}: notBefore ${notBefore.toISOString()}, notAfter ` +
      `${notAfter.toISOString()}, clock ${new Date(nowMs).toISOString()}`
    )
  }
  if (certificate.isSelfIssued) return undefined
  const issuers = rest.filter(({ subject }) => subject.equals(certificate.issuer))
  const others = rest.filter((one) => !issuers.includes(one))
  const faults = issuers.map((issuer) => pathFault(issuer, others, nowMs))
  return faults.includes(undefined) ? undefined : faults[0]
}

function describe({ subject, subjectAltName, serialNumber }: Certificate): string {
  const name =
    subject.toString() === '' ? (subjectAltName ?? []).map(formatGeneralName).join(', ') : subject.toString()
  return `the certificate ${JSON.stringify(name.slice(0, 256))} (serial number ${serialNumber})`
}

function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
