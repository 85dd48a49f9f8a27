// The outer structure of a certificate: decoding and encoding (RFC 5280 section 4.1).

import {
  bitStringContent,
  checkInteger,
  contextConstructed,
  contextPrimitive,
  headerLength,
  readTime,
  readWhole,
  smallInteger,
  tags,
  writeHeader,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import { checkSignedAlgorithm, readSigned } from '../algorithms/signed-parts.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { refuseExplicitDefault } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import type { CertificateExtensions } from './certificate-extensions.ts'

/** The parsed parts of a certificate; slices of its DER. */
export interface CertificateParts {
  /** DER of the TBSCertificate. */
  readonly tbs: Uint8Array
  readonly version: 1 | 2 | 3
  readonly serialNumberBytes: Uint8Array
  readonly signature: Uint8Array
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: PublicKey
  readonly hasUniqueIdentifiers: boolean
  readonly tolerances: readonly Tolerance[]
  readonly extensions: DerReader | CertificateExtensions | (() => DerReader) | undefined
  readonly algorithmDer: Uint8Array
}

/** Reads the frame; names, key and values of extensions are not decoded. */
export function readParts(der: Uint8Array, tolerances: readonly Tolerance[]): CertificateParts {
  const certificate = readWhole(der, tags.sequence, 'Certificate')
  const {
    tbs: tbsDer,
    content: tbs,
    algorithm: algorithmDer,
    signature,
  } = readSigned(certificate, 'tbsCertificate')
  certificate.finish('Certificate')

  const version = readVersion(tbs, tolerances)
  const serialNumberBytes = tbs.expect(tags.integer, 'serialNumber').content()
  checkInteger(der, tbs.contentStart, tbs.contentEnd, 'serialNumber')
  if (serialNumberBytes.length > maxSerialOctets)
    throw new PkiError(
      'ERR_SERIAL_INVALID',
      `the serial number has ${serialNumberBytes.length} octets; the maximum is ${maxSerialOctets}`,
    )
  checkSignedAlgorithm(tbs, algorithmDer, 'RFC 5280 4.1.1.2')
  const issuer = tbs.expect(tags.sequence, 'issuer').element()
  const validity = tbs.expect(tags.sequence, 'validity').inner()
  const notBeforeMs = readTime(validity, 'notBefore')
  const notAfterMs = readTime(validity, 'notAfter')
  validity.finish('validity')
  const subject = tbs.expect(tags.sequence, 'subject').element()
  const spki = tbs.expect(tags.sequence, 'subjectPublicKeyInfo').element()
  // RFC 5280 4.1.2.8: unique identifiers need version 2 or 3; 4.1.2.9: extensions need version 3.
  let hasUniqueIdentifiers = false
  for (const n of [1, 2]) {
    if (!tbs.optional(contextPrimitive(n), 'uniqueIdentifier')) continue
    if (version === 1)
      throw new PkiError('ERR_CERTIFICATE_MALFORMED', 'a version 1 certificate has a unique identifier')
    bitStringContent(tbs, 'uniqueIdentifier')
    hasUniqueIdentifiers = true
  }
  let list: DerReader | undefined
  if (tbs.optional(contextConstructed(3), 'extensions')) {
    if (version !== 3)
      throw new PkiError(
        'ERR_CERTIFICATE_MALFORMED',
        `a version ${String(version)} certificate has extensions`,
      )
    const wrapper = tbs.inner()
    list = wrapper.expect(tags.sequence, 'extensions').inner()
    wrapper.finish('extensions')
  }
  tbs.finish('tbsCertificate')

  return {
    tbs: tbsDer,
    version,
    serialNumberBytes,
    signature,
    issuer: DistinguishedName.over(issuer, tolerances, 'issuer'),
    subject: DistinguishedName.over(subject, tolerances, 'subject'),
    notBeforeMs,
    notAfterMs,
    publicKey: PublicKey.over(spki),
    hasUniqueIdentifiers,
    tolerances,
    extensions: list,
    algorithmDer,
  }
}

/** `version [0] EXPLICIT INTEGER DEFAULT v1`: 0, 1 or 2 for version 1, 2 or 3. */
function readVersion(tbs: DerReader, tolerances: readonly Tolerance[]): 1 | 2 | 3 {
  if (!tbs.optional(contextConstructed(0), 'version')) return 1
  const wrapper = tbs.inner()
  const value = smallInteger(wrapper.expect(tags.integer, 'version'), 'version')
  wrapper.finish('version')
  if (value === 0) refuseExplicitDefault('version 1', tolerances)
  if (value > 2)
    throw new PkiError(
      'ERR_CERTIFICATE_MALFORMED',
      `version ${String(value + 1)}; only 1 to 3 exist (RFC 5280 4.1.2.1)`,
    )
  return (value + 1) as 1 | 2 | 3
}

/** `Certificate`: the signed octets, their algorithm, the signature. */
export function assembleCertificate(
  tbs: Uint8Array,
  algorithm: Uint8Array,
  signature: Uint8Array,
): { readonly der: Uint8Array; readonly tbsStart: number } {
  const bitsLength = 1 + signature.length
  const length = tbs.length + algorithm.length + headerLength(bitsLength) + bitsLength
  const der = new Uint8Array(headerLength(length) + length)
  const tbsStart = writeHeader(der, 0, tags.sequence, length)
  der.set(tbs, tbsStart)
  der.set(algorithm, tbsStart + tbs.length)
  // The octet before the signature is the count of unused bits: 0.
  der.set(
    signature,
    1 + writeHeader(der, tbsStart + tbs.length + algorithm.length, tags.bitString, bitsLength),
  )
  return { der, tbsStart }
}

/** The octets of `der` at the position of `view` in another buffer, moved by `shift`. */
export function sameView(der: Uint8Array, shift: number, { byteOffset, length }: Uint8Array): Uint8Array {
  return der.subarray(byteOffset + shift, byteOffset + shift + length)
}

/** Above the 20 octets of RFC 5280 4.1.2.2, which path validation enforces: certificates with more exist. */
const maxSerialOctets = 1024
