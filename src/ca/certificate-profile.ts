// What a kind of certificate looks like: the closed template of a leaf. Nothing in it comes from a request.
// The parts of a leaf that are the same for every certificate of one CA certificate and profile, encoded once.

import { encodeTime, explicit, headerLength, integer, sequence, tags, writeHeader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { checkMeasures, isCount, requireCount } from '../internal/numbers.ts'
import {
  DistinguishedName,
  KeyUsage,
  encodeAltName,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeSubjectKeyIdentifier,
  extensionOids,
  keyPurposeOids,
  signatureAlgorithms,
} from '../x509/index.ts'
import type {
  Certificate,
  GeneralName,
  KeyUsageName,
  PublicKey,
  PublicKeyAlgorithm,
  SignatureAlgorithm,
} from '../x509/index.ts'

/** The template of leaf certificates. */
export interface CertificateProfile {
  /** For messages and logs. */
  readonly name: string
  /** Validity when none is asked for, in seconds. */
  readonly defaultTtlSeconds: number
  /** More than this is refused with ERR_TTL, not shortened. */
  readonly maximumTtlSeconds: number
  /** The maximum is no more than this part of the CA certificate's own validity, and the default no more than the maximum: 6 is a sixth. */
  readonly issuerDivisor?: number | undefined
  /** notBefore lies this far in the past, for clocks that are behind. */
  readonly backdateSeconds: number
  /** Purposes as object identifiers; empty leaves the extension out. */
  readonly extendedKeyUsage: readonly string[]
  /** Names a certificate may have, URI included. */
  readonly maximumNames: number
}

/** X.509-SVIDs of workloads: 24 h, at most 90 d, backdated by 2 min, for servers and clients. */
export const workloadProfile: CertificateProfile = {
  name: 'workload',
  defaultTtlSeconds: 24 * 3600,
  maximumTtlSeconds: 90 * 24 * 3600,
  backdateSeconds: 120,
  extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
  maximumNames: 100,
}

/** As `workloadProfile`, with the hour that SPIRE gives and its limit: a sixth of the CA's validity, so that a CA outlives its leaves by far. */
export const spireProfile: CertificateProfile = {
  ...workloadProfile,
  name: 'spire',
  defaultTtlSeconds: 3600,
  issuerDivisor: 6,
  backdateSeconds: 10,
}

/** The profile as it is below one CA certificate. @throws ERR_INVALID_ARGUMENT for a profile that means nothing */
export function profileBelow(issuer: Certificate, profile: CertificateProfile): CertificateProfile {
  const { name, defaultTtlSeconds, maximumTtlSeconds, issuerDivisor } = profile
  // A default above the maximum would be more than may be asked for.
  requireCount(`maximumTtlSeconds of profile ${name}`, maximumTtlSeconds, 1)
  requireCount(`defaultTtlSeconds of profile ${name}`, defaultTtlSeconds, 1, maximumTtlSeconds)
  requireCount(`backdateSeconds of profile ${name}`, profile.backdateSeconds, 0)
  requireCount(`maximumNames of profile ${name}`, profile.maximumNames, 1, Infinity)
  checkMeasures({ [`issuerDivisor of profile ${name}`]: issuerDivisor }, 1)
  if (issuerDivisor === undefined) return profile
  const part = Math.floor((issuer.notAfterMs - issuer.notBeforeMs) / 1000 / issuerDivisor)
  const maximum = Math.max(1, Math.min(maximumTtlSeconds, part))
  return { ...profile, maximumTtlSeconds: maximum, defaultTtlSeconds: Math.min(defaultTtlSeconds, maximum) }
}

/** L17: keyEncipherment is RSA's alone. */
export function leafKeyUsage(algorithm: PublicKeyAlgorithm | undefined): readonly KeyUsageName[] {
  return algorithm === 'RSA' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']
}

/**
 * Seconds of validity for a request.
 *
 * @param requested Undefined takes the default.
 * @throws ERR_TTL for more than the maximum, and for what is no positive whole number
 */
export function validitySeconds(profile: CertificateProfile, requested: number | undefined): number {
  if (requested === undefined) return profile.defaultTtlSeconds
  if (!isCount(requested, 1))
    throw new PkiError('ERR_TTL', `a validity of ${requested} s; a positive whole number is wanted`)
  if (requested > profile.maximumTtlSeconds)
    throw new PkiError(
      'ERR_TTL',
      `a validity of ${requested} s; at most ${profile.maximumTtlSeconds} s are given`,
    )
  return requested
}

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
  /** Signature algorithm and issuer, which follow the serial number. */
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
        'the CA certificate has no subject key identifier (RFC 5280 §4.2.1.2)',
      )
    this.#algorithmAndIssuer = Buffer.concat([signatureAlgorithms[algorithm].identifier, issuer.subject.der])
    this.#authorityKeyIdentifier = encodeExtension({
      oid: extensionOids.authorityKeyIdentifier,
      critical: false,
      value: encodeAuthorityKeyIdentifier(keyIdentifier),
    })
    this.#closing = { rsa: closingExtensions('RSA', profile), other: closingExtensions('P-256', profile) }
  }

  /** The certificate as far as it is known before it is signed: the exact bytes to sign, then `closing`. @throws ERR_NAME_INVALID, ERR_STRING_INVALID */
  encode(
    { serialNumber, notBeforeMs, notAfterMs, subject, publicKey, subjectAltName }: LeafFields,
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
        // The design's leaf has a critical SAN; beside a subject it may be either.
        encodeExtension({
          oid: extensionOids.subjectAltName,
          critical: true,
          value: encodeAltName(subjectAltName),
        }),
        publicKey.algorithm === 'RSA' ? this.#closing.rsa : this.#closing.other,
      ],
      closing,
    )
  }

  /** Certificates of one second and one lifetime share their validity. */
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

const version3 = explicit(0, integer(2))
const extensionsTag = 0xa3
const emptyName = DistinguishedName.of([]).der
const keyIdentifierOctets = 20
/** Everything of the extension but its 20 octets. */
const subjectKeyIdentifierPrefix = encodeExtension({
  oid: extensionOids.subjectKeyIdentifier,
  critical: false,
  value: encodeSubjectKeyIdentifier(new Uint8Array(keyIdentifierOctets)),
}).subarray(0, -keyIdentifierOctets)
