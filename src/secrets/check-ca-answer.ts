// Verifies the answer of a CA before use: key, identity, validity, chain.

import { PkiError, isPkiError } from '../errors/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../spiffe/index.ts'
import { TrustBundle, X509Svid, X509SvidValidator } from '../svid/index.ts'
import { requireBundle } from '../svid/internal.ts'
import { Certificate } from '../x509/index.ts'
import type { PublicKey } from '../x509/index.ts'
import type { CaAnswer } from './ca-client.ts'
import type { ConfiguredBundles } from './renewal/configured-bundles.ts'

/** The expected properties of an answer. */
export interface CaAnswerChecks {
  /** The key of the request. */
  readonly publicKey: PublicKey
  readonly matchesId: SpiffeIdMatcher
  /**
   * Authorities from the configuration. If they have none for the trust domain of the SVID, the roots of the
   * answer are used, which the channel to the CA authenticates.
   */
  readonly bundles: ConfiguredBundles
  readonly nowMs: number
  /** How far in the future notBefore may be. */
  readonly clockSkewMs: number
}

/** A verified answer. */
export interface CheckedAnswer {
  readonly svid: X509Svid
  /** The bundle with which the SVID was verified. */
  readonly bundle: TrustBundle
}

/** @throws ERR_CA_REPLY with what was found and what was expected */
export function checkCaAnswer(answer: CaAnswer, checks: CaAnswerChecks): CheckedAnswer {
  try {
    return check(answer, checks)
  } catch (cause) {
    if (isPkiError(cause, 'ERR_CA_REPLY')) throw cause
    // A CaClient may be a user's code: the answer may differ from its type.
    throw new PkiError('ERR_CA_REPLY', `the answer of the CA cannot be read: ${String(cause)}`, { cause })
  }
}

function check(answer: CaAnswer, checks: CaAnswerChecks): CheckedAnswer {
  const certificate = Certificate.from(answer.certificate)
  if (!certificate.publicKey.equals(checks.publicKey))
    throw refused(certificate, 'its public key is not that of the request')
  const svid = new X509Svid([certificate, ...answer.chain])
  if (!isExpected(checks.matchesId, svid.id))
    throw refused(
      certificate,
      `its SPIFFE ID is ${svid.id.toString()}, expected ` +
        (checks.matchesId.description ?? 'another SPIFFE ID'),
    )
  const time = new Date(validationTimeMs(certificate, checks))
  if (answer.roots.length === 0) throw refused(certificate, 'the answer has no root')
  const { trustDomain } = svid.id
  const bundle = checks.bundles.decidesOn(trustDomain)
    ? requireBundle(trustDomain, checks.bundles)
    : new TrustBundle(trustDomain, { x509Authorities: answer.roots })
  const verdict = new X509SvidValidator({ bundles: bundle }).verify(svid.certificates, {
    id: svid.id,
    time,
  })
  if (!verdict.ok) throw refused(certificate, verdict.rejected[0]?.message ?? 'no path to a root')
  return { svid, bundle }
}

/** The time for path validation: a leaf that begins within the tolerated clock skew counts as valid now. */
function validationTimeMs(certificate: Certificate, { nowMs, clockSkewMs }: CaAnswerChecks): number {
  const { notBeforeMs, notAfterMs } = certificate
  const clock = new Date(nowMs).toISOString()
  if (notAfterMs < nowMs) throw refused(certificate, `it has expired; the local time is ${clock}`)
  if (notBeforeMs > nowMs + clockSkewMs)
    throw refused(certificate, `it is not valid yet; the local time is ${clock}`)
  return Math.max(nowMs, notBeforeMs)
}

function isExpected(matches: SpiffeIdMatcher, id: SpiffeId): boolean {
  // Only `true` accepts: an async matcher returns a Promise, which is truthy.
  return (matches(id) as unknown) === true
}

function refused(certificate: Certificate, reason: string): PkiError {
  return new PkiError(
    'ERR_CA_REPLY',
    `the CA answered with a certificate (serial number ${certificate.serialNumber}, valid from ` +
      `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}) that is refused: ` +
      reason,
  )
}
