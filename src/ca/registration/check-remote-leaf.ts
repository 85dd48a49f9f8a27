// Checks a leaf that a remote CA signed against the decision: key, names, validity, chain, purposes.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundle, X509SvidValidator } from '../../svid/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { GeneralName } from '../../x509/index.ts'
import { encodeAltName } from '../../x509/internal.ts'
import type { CertificateProfile } from '../profile/certificate-profile.ts'
import { maxRoots, readCertificates } from './remote-certificates.ts'
import type { RemoteSigningAnswer, RemoteSigningRequest } from './remote-signer.ts'

/** The expectations for an answer. */
export interface RemoteLeafChecks {
  readonly signer: string
  readonly trustDomain: TrustDomain
  readonly profile: CertificateProfile
  readonly nowMs: number
}

/** A verified answer. */
export interface CheckedLeaf {
  readonly certificate: Certificate
  /** The issuers, the nearest first, without the root. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
}

/** @throws ERR_CA_REPLY with what was found and what was expected */
export function checkRemoteLeaf(
  answer: RemoteSigningAnswer,
  request: RemoteSigningRequest,
  checks: RemoteLeafChecks,
): CheckedLeaf {
  try {
    const certificate = Certificate.from(answer.certificate)
    const chain = readCertificates('chain', answer.chain, maxChain)
    const roots = readCertificates('roots', answer.roots, maxRoots)
    checkNames(certificate, request)
    checkValidity(certificate, request, checks)
    return { certificate, chain: pathOf(certificate, chain, roots, checks), roots }
  } catch (cause) {
    throw new PkiError(
      'ERR_CA_REPLY',
      `the answer of ${checks.signer} is refused: ${isPkiError(cause) ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

function checkNames(certificate: Certificate, { csr, subject, subjectAltName }: RemoteSigningRequest): void {
  if (!certificate.publicKey.equals(csr.publicKey))
    throw new PkiError('ERR_CA_REPLY', 'its public key is not that of the request')
  const isSubject = subject === undefined ? certificate.subject.isEmpty : certificate.subject.equals(subject)
  if (!isSubject)
    throw new PkiError(
      'ERR_CA_REPLY',
      `its subject is ${certificate.subject.toString() || 'empty'}; ` +
        `expected ${subject?.toString() ?? 'none'}`,
    )
  const [found, wanted] = [namesOf(certificate.subjectAltName ?? []), namesOf(subjectAltName)]
  const isSame =
    found.length === wanted.length && found.every((one, at) => equalBytes(one, wanted[at] as Uint8Array))
  if (!isSame)
    throw new PkiError(
      'ERR_CA_REPLY',
      `its subject alternative names are not the ${wanted.length} names that the policy allowed`,
    )
  if (certificate.basicConstraints?.ca === true) throw new PkiError('ERR_CA_REPLY', 'it is a CA certificate')
}

/** The names in a fixed order, because a CA may reorder them. */
function namesOf(names: readonly GeneralName[]): readonly Uint8Array[] {
  return names.map((name) => encodeAltName([name])).sort((a, b) => Buffer.compare(a, b))
}

function checkValidity(
  certificate: Certificate,
  { ttlSeconds }: RemoteSigningRequest,
  { nowMs }: RemoteLeafChecks,
): void {
  const latestMs = nowMs + (ttlSeconds + toleranceSeconds) * 1000
  if (certificate.notAfterMs > latestMs)
    throw new PkiError(
      'ERR_CA_REPLY',
      `it is valid until ${certificate.notAfter.toISOString()}; expected at most ` +
        new Date(latestMs).toISOString(),
    )
  if (certificate.notBeforeMs > nowMs || certificate.notAfterMs <= nowMs)
    throw new PkiError(
      'ERR_CA_REPLY',
      `it is valid from ${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}; ` +
        `the time is ${new Date(nowMs).toISOString()}`,
    )
}

/** Verifies the certificate as relying parties do, for each purpose of the profile; returns its path. */
function pathOf(
  certificate: Certificate,
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  { trustDomain, profile, nowMs }: RemoteLeafChecks,
): readonly Certificate[] {
  const bundles = new TrustBundle(trustDomain, { x509Authorities: roots })
  const validator = new X509SvidValidator({ bundles })
  const verdict = validator.verifyOrThrow([certificate, ...chain], {
    time: new Date(Math.floor(nowMs / 1000) * 1000),
  })
  const purposes = certificate.extendedKeyUsage
  const missing = profile.extendedKeyUsage.find((purpose) => purposes?.includes(purpose) !== true)
  if (missing !== undefined) throw new PkiError('ERR_CA_REPLY', `it lacks the purpose ${missing}`)
  return verdict.path.certificates.slice(1).filter((one) => !roots.some((root) => root.equals(one)))
}

/** Tolerated difference to the clock of the CA. */
const toleranceSeconds = 300
const maxChain = 8
