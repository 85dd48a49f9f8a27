// Builds a certificate: fields → to-be-signed bytes → Signer → certificate (RFC 5280 section 4.1).

import { nameOf, readOptions } from '../../internal/options.ts'
import { bitString, encodeTime, explicit, integer, sequence } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { signatureAlgorithms } from '../algorithms/signature-algorithm.ts'
import type { SignatureAlgorithm } from '../algorithms/signature-algorithm.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import type { PublicKeyInput } from '../algorithms/public-key.ts'
import type { Signer } from '../algorithms/signer.ts'
import { Certificate } from './certificate.ts'
import { encodeExtensionFields } from '../extensions/extension-fields.ts'
import type { ExtensionFields } from '../extensions/extension-fields.ts'
import { encodeExtension } from '../extensions/extension.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { generateSerialNumber, serialNumberBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'

/** The fields of a certificate. @inline */
export interface CertificateFields {
  /** The issuer's name, parsed or as RFC 4514 text; the subject again for a self-signed certificate. */
  readonly issuer: DistinguishedName | string
  /** Default: empty. */
  readonly subject?: DistinguishedName | string | undefined
  /** The key to certify. */
  readonly publicKey: PublicKeyInput
  /** First second of validity. */
  readonly notBefore: Date
  /** Last second of validity. */
  readonly notAfter: Date
  /** Default: 128 random bits. */
  readonly serialNumber?: SerialNumber | Uint8Array | undefined
  /** Exactly these extensions; none is added. */
  readonly extensions?: ExtensionFields | undefined
}

/**
 * The exact bytes to sign for a certificate of version 3.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID; ERR_KEY_MALFORMED for a key that cannot be read
 */
export function encodeTbsCertificate(fields: CertificateFields, algorithm: SignatureAlgorithm): Uint8Array {
  const { notBefore, notAfter, ...given } = Object(fields) as Partial<CertificateFields>
  if (
    given.issuer === undefined ||
    given.publicKey === undefined ||
    !(notBefore instanceof Date) ||
    !(notAfter instanceof Date)
  ) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'a certificate needs issuer, publicKey, notBefore and notAfter',
    )
  }
  const issuer = DistinguishedName.from(given.issuer)
  const subject = DistinguishedName.from(given.subject ?? '')
  const publicKey = PublicKey.from(given.publicKey)
  if (!(notBefore.getTime() <= notAfter.getTime()))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'notAfter is before notBefore')
  const { serialNumber = generateSerialNumber() } = fields
  const extensions = encodeExtensionFields(fields.extensions ?? {}, subject.isEmpty)
  return sequence(
    explicit(0, integer(2)),
    integer(serialNumber instanceof Uint8Array ? serialNumber : serialNumberBytes(serialNumber)),
    signatureAlgorithms[algorithm].identifier,
    issuer.der,
    sequence(encodeTime(notBefore.getTime()), encodeTime(notAfter.getTime())),
    subject.der,
    publicKey.spki,
    ...(extensions.length === 0 ? [] : [explicit(3, sequence(...extensions.map(encodeExtension)))]),
  )
}

/**
 * DER of `SEQUENCE { signed bytes, algorithm, BIT STRING }`: a certificate, a request or a revocation list.
 */
export function assembleSigned(
  tbs: Uint8Array,
  algorithm: SignatureAlgorithm,
  signature: Uint8Array,
): Uint8Array {
  return sequence(tbs, signatureAlgorithms[algorithm].identifier, bitString(signature))
}

/**
 * Builds and signs a certificate. The certificate is not linted or verified:
 * a CA uses `spiffe-pki/ca`, which does both.
 *
 * @throws as `encodeTbsCertificate`; the errors of the signer
 * @example
 * ```ts
 * const selfSigned = await buildCertificate({
 *   issuer: 'CN=web', subject: 'CN=web', publicKey: signer.publicKey,
 *   notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000),
 *   extensions: { keyUsage: ['digitalSignature'], subjectAltName: [generalName.dns('web.example.org')] },
 * }, signer)
 * ```
 */
export async function buildCertificate(fields: CertificateFields, signer: Signer): Promise<Certificate> {
  const { signatureAlgorithm } = requireSigner(signer)
  const read = readOptions<CertificateFields>('buildCertificate', fields, certificateFields)
  const tbs = encodeTbsCertificate(read, signatureAlgorithm)
  return Certificate.parse(assembleSigned(tbs, signatureAlgorithm, await signer.sign(tbs)))
}

const certificateFields = {
  issuer: 'required',
  subject: 'optional',
  publicKey: 'required',
  notBefore: 'required',
  notAfter: 'required',
  serialNumber: 'optional',
  extensions: 'optional',
} as const

/** The signer, if it has the members of the contract. @throws ERR_INVALID_ARGUMENT for anything else */
export function requireSigner(signer: Signer): Signer {
  const { sign, publicKey, signatureAlgorithm = '' } = Object(signer) as Record<keyof Signer, unknown>
  if (
    typeof sign === 'function' &&
    publicKey instanceof PublicKey &&
    Object.hasOwn(signatureAlgorithms, signatureAlgorithm as string)
  )
    return signer
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `a Signer must have sign, publicKey and one of the signature algorithms, found ${nameOf(signer)}`,
  )
}
