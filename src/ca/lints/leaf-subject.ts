// The input of the lints of a leaf.

import { SpiffeId } from '../../spiffe/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import type { Certificate, GeneralName, PublicKey } from '../../x509/index.ts'
import type { CertificateProfile } from '../profile/certificate-profile.ts'

/** The input of a lint. `certificate` has no valid signature yet. @inline */
export interface LeafLintInput {
  /** The certificate before or after signing. */
  readonly certificate: Certificate
  /** The CA certificate of the issuer. */
  readonly issuer: Certificate
  /** The trust domain of the issuer, if its certificate names one. */
  readonly issuerTrustDomain: TrustDomain | undefined
  /** The key of the request, with proof of possession; L12 compares the certificate with it. */
  readonly publicKey: PublicKey
  /** The names of the decision; the certificate must have exactly these. */
  readonly wantedNames: readonly GeneralName[]
  /** The template of the certificate. */
  readonly profile: CertificateProfile
  /** The time of the lint, in milliseconds since 1970. */
  readonly nowMs: number
}

/** The input with the names of the certificate, read once. */
export interface LeafSubject extends LeafLintInput {
  /** The subject alternative names of the certificate. */
  readonly names: readonly GeneralName[]
  /** The SPIFFE ID of the only URI; undefined if there is not exactly one valid SPIFFE ID. */
  readonly id: SpiffeId | undefined
}

/** Reads the names of the certificate once, for all lints. @throws for names that are malformed */
export function leafSubject({
  certificate,
  issuer,
  issuerTrustDomain,
  publicKey,
  wantedNames,
  profile,
  nowMs,
}: LeafLintInput): LeafSubject {
  const names = certificate.subjectAltName ?? []
  let uris = 0
  let uri = ''
  for (const name of names) {
    if (name.type !== 'uri') continue
    uris++
    uri = name.value
  }
  const id = uris === 1 ? SpiffeId.parse(uri) : undefined
  return { certificate, issuer, issuerTrustDomain, publicKey, wantedNames, profile, nowMs, names, id }
}
