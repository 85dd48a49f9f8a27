// The encoded parts of a leaf that are equal for all certificates of one CA
// certificate and profile (RFC 5280 §4.1).

import { encodeTime, explicit, headerLength, integer, sequence, tags, writeHeader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { DistinguishedName, extensionOids } from '../../x509/index.ts'
import {
  KeyUsage,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeSubjectKeyIdentifier,
  signatureAlgorithms,
} from '../../x509/internal.ts'
import type { Certificate, PublicKey, SignatureAlgorithm } from '../../x509/index.ts'
import { leafKeyUsage } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'

/** The fields in which two leaves differ. */
export interface LeafFields {
  /** Content octets. */
  readonly serialNumber: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly subject: DistinguishedName | undefined
  readonly publicKey: PublicKey
  /** DER of the GeneralNames. */
  readonly altName: Uint8Array
  /** DER of the cRLDistributionPoints extension; empty octets omit it. */
  readonly distributionPoint?: Uint8Array | undefined
}

/** Writes the TBSCertificate of leaves: RFC 5280 §4.1.2. */
export class LeafTemplate {
  /** DER of signature algorithm and issuer, which follow the serial number. */
  readonly #algorithmAndIssuer: Uint8Array
  readonly #authorityKeyIdentifier: Uint8Array
  /** Basic constraints, key usage and purposes, by whether the key is RSA. */
  readonly #closing: { readonly rsa: Uint8Array; readonly other: Uint8Array }
  #validity:
    { readonly notBeforeMs: number; readonly notAfterMs: number; readonly der: Uint8Array } | undefined

  /** @throws ERR_CA_MATERIAL for a CA certificate without a subject key identifier */
  constructor(issuer: Certificate, algorithm: SignatureAlgorithm, profile: CertificateProfile) {
    const keyIdentifier = issuer.subjectKeyIdentifier
    if (keyIdentifier === undefined)
      throw new PkiError(
        'ERR_CA_MATERIAL',
        `the CA certificate ${issuer.subject.toString()} has no subject key identifier (RFC 5280 §4.2.1.2)`,
      )
    this.#algorithmAndIssuer = Buffer.concat([signatureAlgorithms[algorithm].identifier, issuer.subject.der])
    this.#authorityKeyIdentifier = encodeExtension({
      oid: extensionOids.authorityKeyIdentifier,
      critical: false,
      value: encodeAuthorityKeyIdentifier(keyIdentifier),
    })
    this.#closing = { rsa: closingExtensions('RSA', profile), other: closingExtensions('P-256', profile) }
  }

  /**
   * DER of a certificate whose TBSCertificate is final; `closing` is its
   * signature algorithm and a placeholder signature.
   */
  encode(
    { serialNumber, notBeforeMs, notAfterMs, subject, publicKey, altName, distributionPoint }: LeafFields,
    closing: Uint8Array,
  ): Uint8Array {
    return join(
      [
        version3,
        integer(serialNumber),
        this.#algorithmAndIssuer,
        this.#encodeValidity(notBeforeMs, notAfterMs),
        subject?.der ?? emptyName,
        publicKey.spki,
      ],
      [
        this.#authorityKeyIdentifier,
        subjectKeyIdentifierPrefix,
        publicKey.keyIdentifier,
        // RFC 5280 §4.2.1.6: critical only if the subject is empty.
        encodeExtension({
          oid: extensionOids.subjectAltName,
          critical: subject === undefined || subject.isEmpty,
          value: altName,
        }),
        publicKey.algorithm === 'RSA' ? this.#closing.rsa : this.#closing.other,
        distributionPoint ?? noOctets,
      ],
      closing,
    )
  }

  /** Encodes the validity once for all certificates with the same second and lifetime. */
  #encodeValidity(notBeforeMs: number, notAfterMs: number): Uint8Array {
    if (this.#validity?.notBeforeMs !== notBeforeMs || this.#validity.notAfterMs !== notAfterMs) {
      this.#validity = {
        notBeforeMs,
        notAfterMs,
        der: sequence(encodeTime(notBeforeMs), encodeTime(notAfterMs)),
      }
    }
    return this.#validity.der
  }
}

/** SEQUENCE { SEQUENCE { fields, [3] { SEQUENCE { extensions } } }, closing } into one buffer. */
function join(
  fields: readonly Uint8Array[],
  extensions: readonly Uint8Array[],
  closing: Uint8Array,
): Uint8Array {
  const listLength = lengthOf(extensions)
  const wrapperLength = headerLength(listLength) + listLength
  const tbsLength = lengthOf(fields) + headerLength(wrapperLength) + wrapperLength
  const total = headerLength(tbsLength) + tbsLength + closing.length
  const out = new Uint8Array(headerLength(total) + total)
  let at = writeHeader(out, 0, tags.sequence, total)
  at = writeHeader(out, at, tags.sequence, tbsLength)
  at = write(out, at, fields)
  at = writeHeader(out, at, extensionsTag, wrapperLength)
  at = writeHeader(out, at, tags.sequence, listLength)
  at = write(out, at, extensions)
  out.set(closing, at)
  return out
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0
  for (const part of parts) length += part.length
  return length
}

function write(out: Uint8Array, at: number, parts: readonly Uint8Array[]): number {
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return at
}

function closingExtensions(algorithm: 'RSA' | 'P-256', profile: CertificateProfile): Uint8Array {
  const { basicConstraints, extendedKeyUsage, keyUsage } = extensionOids
  return Buffer.concat([
    encodeExtension({
      oid: keyUsage,
      critical: true,
      value: KeyUsage.of(...leafKeyUsage(algorithm)).toDer(),
    }),
    encodeExtension({
      oid: basicConstraints,
      critical: true,
      value: encodeBasicConstraints({ ca: false, pathLength: undefined }),
    }),
    ...(profile.extendedKeyUsage.length === 0
      ? []
      : [
          encodeExtension({
            oid: extendedKeyUsage,
            critical: false,
            value: encodeExtendedKeyUsage(profile.extendedKeyUsage),
          }),
        ]),
  ])
}

const noOctets = new Uint8Array(0)
const version3 = explicit(0, integer(2))
const extensionsTag = 0xa3
const emptyName = DistinguishedName.of([]).der
const keyIdentifierOctets = 20
/** The extension without its last 20 octets, the identifier. */
const subjectKeyIdentifierPrefix = encodeExtension({
  oid: extensionOids.subjectKeyIdentifier,
  critical: false,
  value: encodeSubjectKeyIdentifier(new Uint8Array(keyIdentifierOctets)),
}).subarray(0, -keyIdentifierOctets)
