// Rules of section 6 for one certificate: validity, algorithms and keys, whether it may issue, path length.

import { acceptedBy, describeSignatureAlgorithm } from '../../x509/internal.ts'
import type { Certificate, PublicKey } from '../../x509/index.ts'
import type { FormRules, ValidationProfile } from '../profile.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { PathRole } from './rfc5280-rules.ts'

/**
 * Whether the certificate is valid at a time, in ms since the epoch; both ends are inclusive (§4.1.2.5).
 */
export function checkValidity(certificate: Certificate, timeMs: number): Rejection | undefined {
  if (timeMs > certificate.notAfterMs) return outside(certificate, timeMs, 'ERR_PATH_EXPIRED')
  if (timeMs < certificate.notBeforeMs) return outside(certificate, timeMs, 'ERR_PATH_NOT_YET_VALID')
  return undefined
}

function outside(
  certificate: Certificate,
  timeMs: number,
  code: 'ERR_PATH_EXPIRED' | 'ERR_PATH_NOT_YET_VALID',
): Rejection {
  const from = new Date(certificate.notBeforeMs).toISOString()
  const until = new Date(certificate.notAfterMs).toISOString()
  const message = `valid from ${from}, valid until ${until}; the time is ${new Date(timeMs).toISOString()}`
  return reject(code, 'RFC 5280 §6.1.3 (a)(2)', message, certificate)
}

/**
 * The signature algorithm of a certificate. Not checked for an anchor, because its own signature is not used.
 */
export function checkSignatureAlgorithm(
  certificate: Certificate,
  profile: ValidationProfile,
): Rejection | undefined {
  const { signatureAlgorithm: name } = certificate.signatureAlgorithm
  if (name !== undefined && profile.signatureAlgorithms.includes(name)) return undefined
  const found = describeSignatureAlgorithm(certificate.signatureAlgorithm)
  return reject(
    'ERR_PATH_ALGORITHM',
    `profile ${profile.name}: signature algorithms`,
    `the signature algorithm ${found} is not allowed`,
    certificate,
  )
}

/** The kind and size of a key: of a certificate, or of an anchor without one. */
export function checkKey(
  key: PublicKey,
  profile: ValidationProfile,
  certificate?: Certificate,
): Rejection | undefined {
  const { algorithm, bits, problem, modulus } = key.info
  const rule = `profile ${profile.name}: keys`
  if (algorithm === undefined || !profile.keyAlgorithms.includes(algorithm)) {
    return reject(
      'ERR_PATH_ALGORITHM',
      rule,
      `the public key is ${algorithm ?? problem?.detail ?? 'of an unknown kind'}, which is not allowed`,
      certificate,
    )
  }
  if (modulus !== undefined && (bits < profile.minRsaBits || bits > profile.maxRsaBits)) {
    const allowed = `${profile.minRsaBits} to ${profile.maxRsaBits}`
    return reject(
      'ERR_PATH_ALGORITHM',
      rule,
      `the RSA key has ${bits} bits; expected ${allowed}`,
      certificate,
    )
  }
  // The key of a leaf is never imported here, so OpenSSL does not check it.
  if (!key.isOnCurve)
    return reject(
      'ERR_PATH_ALGORITHM',
      'SP 800-56A §5.6.2.3',
      'the public key is not a point on its curve',
      certificate,
    )
  return undefined
}

/**
 * The issuer must be a CA, and its key usage, if present, must allow it to sign certificates. A version 1
 * anchor cannot state that it is a CA; section 6 does not check anchors (§6.1.1 (d)), the other rule sets do.
 */
export function checkMayIssue(
  certificate: Certificate,
  role: PathRole,
  { profile, tolerances }: Pick<FormRules, 'profile' | 'tolerances'>,
): Rejection | undefined {
  const { basicConstraints, keyUsage, version } = certificate
  if (basicConstraints?.ca !== true) {
    const anchor = role === 'anchor'
    if (
      anchor &&
      version !== 3 &&
      (profile.certificateRules === 'path' || tolerances.includes('version-1-anchor'))
    )
      return undefined
    return reject(
      'ERR_PATH_NOT_CA',
      'RFC 5280 §6.1.4 (k)',
      anchor ? notCaAnchor(certificate) : notCa(certificate),
      certificate,
    )
  }
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    return reject(
      'ERR_PATH_NOT_CA',
      'RFC 5280 §6.1.4 (n)',
      `key usage is ${keyUsage.toString()}, expected keyCertSign`,
      certificate,
    )
  }
  return undefined
}

/**
 * The missing property. For version 1 or 2, §6.1.4 (k) allows out-of-band verification that it is a CA, which
 * this package does not have.
 */
function notCa({ version, basicConstraints }: Certificate): string {
  if (version !== 3)
    return `it is of version ${version}, which has no basic constraints; expected a CA of version 3`
  return basicConstraints === undefined
    ? 'it has no basic constraints; expected cA'
    : 'the basic constraints do not have cA'
}

function notCaAnchor(certificate: Certificate): string {
  const { version } = certificate
  return version === 3
    ? `${notCa(certificate)}; to trust this one certificate, give the anchor as ` +
        `{ subject, publicKey }${acceptedBy('self-signed-leaf-anchor')} as a leaf`
    : `the anchor is of version ${version}, which has no basic constraints; to trust it, give ` +
        'it as ' +
        `{ subject, publicKey }${acceptedBy('version-1-anchor')}`
}

/** `below`: intermediate certificates between this one and the leaf, not counting self-issued ones. */
export function checkPathLength(certificate: Certificate, below: number): Rejection | undefined {
  const limit = certificate.basicConstraints?.pathLength
  if (limit === undefined || below <= limit) return undefined
  return reject(
    'ERR_PATH_LENGTH',
    'RFC 5280 §6.1.4 (l)',
    `pathLenConstraint is ${limit} and ${below} intermediate certificates follow`,
    certificate,
  )
}
