// Identifies the signer of an OCSP response, and checks its authority (RFC 6960 §4.2.2.2).

import { isPkiError } from '../../../errors/index.ts'
import { Certificate } from '../../../x509/index.ts'
import type { PublicKey } from '../../../x509/index.ts'
import { noTolerances, signatureFault } from '../../../x509/internal.ts'
import type { BasicOcspResponse, Tolerance } from '../../../x509/internal.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import { accusingTolerances } from '../accusing-tolerances.ts'
import { Reasons } from '../reasons.ts'
import { stillAccuses } from '../still-accuses.ts'
import { unknown } from './ocsp-answer.ts'
import type { OcspAnswer, OcspSettings, SentResponder } from './ocsp-answer.ts'

/** Why the answers of a response do not count because of its signer. */
export interface ResponderFault {
  readonly answer: OcspAnswer
  /**
   * Whether its "revoked" still counts: the signer is a responder of the issuer, but its certificate is
   * malformed or breaks a rule of the profile, or its own status is unknown, and nothing else.
   */
  readonly mayAccuse: boolean
}

/** RFC 6960 §4.2.2.2: the issuer itself, or a responder certified by that issuer for this purpose. */
export function responderFault(
  answer: BasicOcspResponse,
  query: RevocationQuery,
  settings: OcspSettings,
): ResponderFault | undefined {
  const { issuer } = query
  const faults = new Reasons()
  let rule = delegation
  if (answer.isBy(issuer)) {
    if (!mayIssuerSign(issuer))
      return {
        answer: unknown(delegation, "the issuer's key usage does not allow it to sign"),
        mayAccuse: false,
      }
    const broken = answerFault(answer, issuer.publicKey, query, settings)
    if (broken === undefined) return undefined
    faults.add(broken)
    rule = signatureRule
  }
  let mayAccuse = false
  for (const { certificate: responder, malformed } of respondersOf(answer, settings)) {
    if (!responder.issuer.equals(issuer.subject) || !signedByIssuer(responder, query)) continue
    const refused = query.verifyAuthority(responder, 'ocsp')
    const broken = answerFault(answer, responder.publicKey, query, settings)
    const fault = refused?.message ?? malformed
    if (fault !== undefined) {
      faults.add(`its responder is refused: ${fault}`)
      mayAccuse ||= broken === undefined && stillAccuses(responder, refused, 'ocsp', query)
    } else if (broken === undefined) return undefined
    else faults.add(broken)
    rule = fault === undefined ? signatureRule : delegation
  }
  const noResponder = 'it is signed neither by the issuer nor by a responder of the issuer'
  return { answer: unknown(rule, faults.isEmpty ? noResponder : faults.join(', ')), mayAccuse }
}

function mayIssuerSign({ certificate }: RevocationQuery['issuer']): boolean {
  const usage = certificate?.keyUsage
  return usage === undefined || usage.has('digitalSignature') || usage.has('keyCertSign')
}

function respondersOf(
  answer: BasicOcspResponse,
  { responders, sent }: OcspSettings,
): readonly SentResponder[] {
  let read = sent.get(answer)
  if (read === undefined) sent.set(answer, (read = answer.certificates.flatMap(readResponder)))
  const given = responders.map((certificate) => ({ certificate, malformed: undefined }))
  return [...read, ...given].filter(({ certificate }) => answer.isBy(certificate))
}

/** A malformed certificate of a responder lets it revoke, but not show a good status, as in its answers. */
function readResponder(der: Uint8Array): SentResponder[] {
  try {
    return [{ certificate: readCertificate(der, noTolerances), malformed: undefined }]
  } catch (error) {
    if (!isPkiError(error)) throw error
    try {
      return [{ certificate: readCertificate(der, accusingTolerances), malformed: error.message }]
    } catch {
      return [] // unreadable included certificates are ignored
    }
  }
}

function readCertificate(der: Uint8Array, tolerances: readonly Tolerance[]): Certificate {
  const certificate = Certificate.parse(der, { tolerances })
  // Extensions that only give locations are judged by the profile, as in a path.
  certificate.checkPathFields()
  return certificate
}

function signedByIssuer(responder: Certificate, { issuer, budget }: RevocationQuery): boolean {
  budget.spendSignatureCheck(issuer.publicKey.bits)
  return responder.verifySignatureBy(issuer.publicKey)
}

function answerFault(
  answer: BasicOcspResponse,
  key: PublicKey,
  { budget }: RevocationQuery,
  { signedBy }: OcspSettings,
): string | undefined {
  if (signedBy.get(answer)?.equals(key) === true) return undefined
  budget.spendSignatureCheck(key.bits)
  const fault = signatureFault(answer, key)
  if (fault === undefined) signedBy.set(answer, key)
  return fault
}

const delegation = 'RFC 6960 §4.2.2.2'
const signatureRule = 'RFC 6960 §3.2 2'
