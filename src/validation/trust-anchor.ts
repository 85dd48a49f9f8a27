// Trust anchors: RFC 5280 §6.1.1 (d), and RFC 5937 where an anchor is a certificate with constraints of its own.

import { PkiError } from '../errors/index.ts'
import { Certificate, DistinguishedName, PublicKey } from '../x509/index.ts'
import type { CertificateInput, NameConstraints, PublicKeyInput } from '../x509/index.ts'

/** A name and a key that are trusted. */
export interface TrustAnchor {
  /** The name that certificates give as their issuer. */
  readonly subject: DistinguishedName
  /** The key that signs them. */
  readonly publicKey: PublicKey
  /** The certificate that the anchor was given as. */
  readonly certificate: Certificate | undefined
  /** Holds for every path that ends here. */
  readonly nameConstraints: NameConstraints | undefined
}

/** An anchor without a certificate; the name as RFC 4514 text, or ours. */
export interface TrustAnchorFields {
  /** The name that certificates give as their issuer. */
  readonly subject: DistinguishedName | string
  /** The key that signs them. */
  readonly publicKey: PublicKeyInput
  /** Names that paths from it may have (RFC 5937). */
  readonly nameConstraints?: NameConstraints | undefined
}

/** A certificate in any form, or a name with a key. */
export type TrustAnchorInput = CertificateInput | TrustAnchorFields

/** An anchor from what a caller trusts. @throws as `Certificate.from`, `PublicKey.from` and `DistinguishedName.parse` */
export function trustAnchorFrom(input: TrustAnchorInput): TrustAnchor {
  if (isFields(input)) {
    const subject = typeof input.subject === 'string' ? DistinguishedName.parse(input.subject) : input.subject
    return {
      subject,
      publicKey: PublicKey.from(input.publicKey),
      certificate: undefined,
      nameConstraints: input.nameConstraints,
    }
  }
  const certificate = Certificate.from(input)
  return {
    subject: certificate.subject,
    publicKey: certificate.publicKey,
    certificate,
    nameConstraints: certificate.nameConstraints,
  }
}

function isFields(input: TrustAnchorInput): input is TrustAnchorFields {
  if (
    typeof input !== 'object' ||
    input instanceof Uint8Array ||
    input instanceof Certificate ||
    !('publicKey' in input)
  )
    return false
  // node:crypto's certificates have a subject (text) and a publicKey too, and @peculiar's have rawData.
  if ('raw' in input || 'rawData' in input) return false
  if (typeof input.subject !== 'string' && !(input.subject instanceof DistinguishedName)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'the subject of a trust anchor is a DistinguishedName or RFC 4514 text',
    )
  }
  return true
}
