// The parts of a leaf that are the same for every certificate of one CA certificate and profile, encoded once.

import { encodeTime, explicit, integer, sequence } from '../der/index.ts'
import { DistinguishedName, encodeAltName, encodeAuthorityKeyIdentifier, encodeBasicConstraints, encodeExtendedKeyUsage, encodeExtension, encodeSubjectKeyIdentifier, extensionOids, KeyUsage, signatureAlgorithms } from '../x509/index.ts'
import type { Certificate, GeneralName, PublicKey, SignatureAlgorithm } from '../x509/index.ts'
import { PkiError } from '../errors/index.ts'
import { leafKeyUsage } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'

/** What differs between two leaves. */
export interface LeafFields {
  /** Content octets. */
  readonly serialNumber: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly subject: DistinguishedName | undefined
  readonly publicKey: PublicKey
  readonly subjectAltName: readonly GeneralName[]
}

/** Writes the TBSCertificate of leaves: RFC 5280 §4.1.2. */
export class LeafTemplate {
  readonly #version = explicit(0, integer(2))
  readonly #algorithm: Uint8Array
  readonly #issuer: Uint8Array
  readonly #authorityKeyIdentifier: Uint8Array
  readonly #rsaKeyUsage = keyUsageExtension('RSA')
  readonly #otherKeyUsage = keyUsageExtension('P-256')
  readonly #basicConstraints = encodeExtension({ oid: extensionOids.basicConstraints, critical: true, value: encodeBasicConstraints({ ca: false, pathLength: undefined }) })
  readonly #extendedKeyUsage: readonly Uint8Array[]

  /** @throws ERR_CA_MATERIAL for a CA certificate without a subject key identifier */
  constructor(issuer: Certificate, algorithm: SignatureAlgorithm, profile: CertificateProfile) {
    const keyIdentifier = issuer.subjectKeyIdentifier
    if (keyIdentifier === undefined) throw new PkiError('ERR_CA_MATERIAL', 'the CA certificate has no subject key identifier (RFC 5280 §4.2.1.2)')
    this.#algorithm = signatureAlgorithms[algorithm].identifier
    this.#issuer = issuer.subject.der
    this.#authorityKeyIdentifier = encodeExtension({ oid: extensionOids.authorityKeyIdentifier, critical: false, value: encodeAuthorityKeyIdentifier(keyIdentifier) })
    this.#extendedKeyUsage = profile.extendedKeyUsage.length === 0
      ? []
      : [encodeExtension({ oid: extensionOids.extendedKeyUsage, critical: false, value: encodeExtendedKeyUsage(profile.extendedKeyUsage) })]
  }

  /** The exact bytes to sign. @throws ERR_NAME_INVALID, ERR_STRING_INVALID */
  encode({ serialNumber, notBeforeMs, notAfterMs, subject, publicKey, subjectAltName }: LeafFields): Uint8Array {
    const extensions = sequence(
      this.#authorityKeyIdentifier,
      encodeExtension({ oid: extensionOids.subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(publicKey.keyIdentifier) }),
      publicKey.algorithm === 'RSA' ? this.#rsaKeyUsage : this.#otherKeyUsage,
      // The design's leaf has a critical SAN; beside a subject it may be either.
      encodeExtension({ oid: extensionOids.subjectAltName, critical: true, value: encodeAltName(subjectAltName) }),
      this.#basicConstraints,
      ...this.#extendedKeyUsage,
    )
    return sequence(
      this.#version,
      integer(serialNumber),
      this.#algorithm,
      this.#issuer,
      sequence(encodeTime(notBeforeMs), encodeTime(notAfterMs)),
      subject?.der ?? emptyName,
      publicKey.spki,
      explicit(3, extensions),
    )
  }
}

function keyUsageExtension(algorithm: 'RSA' | 'P-256'): Uint8Array {
  return encodeExtension({ oid: extensionOids.keyUsage, critical: true, value: KeyUsage.of(...leafKeyUsage(algorithm)).toDer() })
}

const emptyName = DistinguishedName.of([]).der
