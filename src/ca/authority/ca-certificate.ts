// Creates CA certificates: a self-signed root, the intermediates below it, and a cross-certificate for an
// existing CA.

import { PkiError } from '../../errors/index.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { Certificate, DistinguishedName, PublicKey, generalName } from '../../x509/index.ts'
import { assembleSigned, encodeTbsCertificate, requireSigner } from '../../x509/internal.ts'
import type { CertificateInput, Signer } from '../../x509/index.ts'
import type { ExtensionFields, PublicKeyInput } from '../../x509/internal.ts'
import type { NameConstraints } from '../../x509/internal.ts'
import { caLints } from '../lints/ca-lints.ts'
import { runLints } from '../lints/run-lints.ts'
import { signChecked } from './sign-checked.ts'

/** The fields of a CA certificate. @inline */
export interface CaCertificateOptions {
  /** Name of the CA, as RFC 4514 text or parsed: `CN=example.org root,O=Example`; never empty. */
  readonly subject: DistinguishedName | string
  /** Written as the URI `spiffe://<trust domain>`, without a path. */
  readonly trustDomain?: TrustDomain | string
  /** Maximum number of CA certificates below. Default: no limit for a root, 0 for an intermediate. */
  readonly pathLength?: number
  /**
   * Seconds. Default: 10 years for a root; 1 year for an intermediate, but never past the end of its issuer.
   */
  readonly ttlSeconds?: number | undefined
  /** Names that certificates below it may have; critical (RFC 5280 §4.2.1.10). */
  readonly nameConstraints?: NonNullable<ExtensionFields['nameConstraints']>
  /** The clock for the start of the validity. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/** Options of `createCrossCertificate`; defaults come from the existing certificate. @inline */
export type CrossCertificateOptions = Omit<CaCertificateOptions, 'subject' | 'trustDomain'>

/** A certificate, and the signer of its key. */
export interface CaCredential {
  /** The CA's certificate. */
  readonly certificate: Certificate
  /** Signs with the key of that certificate. */
  readonly signer: Signer
}

/** A `CaCredential` with the certificate in any accepted form. @inline */
export interface CaCredentialInput extends Pick<CaCredential, 'signer'> {
  readonly certificate: CertificateInput
}

/**
 * A self-signed root.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID, ERR_CA_SIGNATURE; the errors of the signer
 * @example
 * ```ts
 * const subject = 'CN=example.org root'
 * const root = await createRootCertificate(signer, { subject, trustDomain: 'example.org' })
 * ```
 */
export async function createRootCertificate(
  signer: Signer,
  given: CaCertificateOptions,
): Promise<Certificate> {
  const options = readOptions('createRootCertificate', given, caCertificateKinds)
  const { publicKey } = requireSigner(signer)
  const subject = nameOf(options)
  checkNumbers(options)
  const nowMs = (options.clock ?? systemClock).now()
  const notAfterMs = nowMs + (options.ttlSeconds ?? tenYears) * 1000
  const frame = {
    issuer: subject,
    subject,
    nowMs,
    notAfterMs,
    authorityKeyIdentifier: undefined,
    notBeforeMs: 0,
  }
  return build(signer, publicKey, undefined, frame, options, options.pathLength)
}

/**
 * An intermediate for the key `publicKey`, signed by `parent`.
 *
 * @throws as `createRootCertificate`; ERR_CA_EXPIRED; as `Certificate.from` and `PublicKey.from`
 * @example
 * ```ts
 * const { publicKey } = csr.verify()
 * const subject = 'CN=example.org issuing'
 * const issuer = { certificate: root, signer }
 * const intermediate = await createIntermediateCertificate(issuer, publicKey, { subject })
 * ```
 */
export async function createIntermediateCertificate(
  parent: CaCredentialInput,
  publicKey: PublicKeyInput,
  given: CaCertificateOptions,
): Promise<Certificate> {
  const options = readOptions('createIntermediateCertificate', given, caCertificateKinds)
  return buildBelow(parent, publicKey, nameOf(options), { ...options, pathLength: options.pathLength ?? 0 })
}

/**
 * Another certificate for an existing CA, signed by `parent`, with the same subject, key and key identifier.
 * All certificates of the CA then have a path to either root. The validity is that of an intermediate.
 *
 * @throws ERR_INVALID_ARGUMENT for a certificate that is not a CA, and if neither the existing certificate
 * nor `options` has a path length; as `createIntermediateCertificate`
 * @example
 * ```ts
 * const issuer = { certificate: oldRoot, signer: oldSigner }
 * const cross = await createCrossCertificate(issuer, newRoot, { pathLength: 1 })
 * ```
 */
export async function createCrossCertificate(
  parent: CaCredentialInput,
  given: CertificateInput,
  givenOptions: CrossCertificateOptions = {},
): Promise<Certificate> {
  const options = readOptions('createCrossCertificate', givenOptions, crossCertificateKinds)
  const existing = Certificate.from(given)
  const { subject, publicKey, basicConstraints } = existing
  if (basicConstraints?.ca !== true)
    throw new PkiError('ERR_INVALID_ARGUMENT', `${subject.toString()} is not a CA certificate`)
  const pathLength = options.pathLength ?? basicConstraints.pathLength
  if (pathLength === undefined)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `pathLength is required: the certificate of ${subject.toString()} has no path length`,
    )
  const uri = existing.subjectAltName?.find(({ type }) => type === 'uri')
  const trustDomain = uri?.type === 'uri' ? uri.value : undefined
  const nameConstraints = options.nameConstraints ?? copyOf(existing.nameConstraints)
  return buildBelow(
    parent,
    publicKey,
    subject,
    {
      ...{ ...options, subject, pathLength },
      ...(trustDomain === undefined ? {} : { trustDomain }),
      ...(nameConstraints === undefined ? {} : { nameConstraints }),
    },
    existing,
  )
}

async function buildBelow(
  parent: CaCredentialInput,
  key: PublicKeyInput,
  subject: DistinguishedName,
  options: CaCertificateOptions & { readonly pathLength: number },
  existing?: Certificate,
): Promise<Certificate> {
  checkNumbers(options)
  const { certificate, signer } = Object(parent) as CaCredentialInput
  const issuer = Certificate.from(certificate)
  const publicKey = PublicKey.from(key)
  requireSigner(signer)
  const nowMs = (options.clock ?? systemClock).now()
  if (nowMs >= issuer.notAfterMs + 1000)
    throw new PkiError(
      'ERR_CA_EXPIRED',
      `the certificate of ${issuer.subject.toString()} expired at ${issuer.notAfter.toISOString()}`,
    )
  const allowed = issuer.basicConstraints?.pathLength
  if (issuer.basicConstraints?.ca !== true || (allowed !== undefined && options.pathLength >= allowed)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `a CA of path length ${options.pathLength} is not allowed below ${issuer.subject.toString()}, whose ` +
        `path length is ${allowed ?? 'absent'}`,
    )
  }
  publicKey.checkStrength()
  const notAfterMs = Math.min(nowMs + (options.ttlSeconds ?? oneYear) * 1000, issuer.notAfterMs)
  return build(
    signer,
    publicKey,
    issuer,
    {
      issuer: issuer.subject,
      subject,
      nowMs,
      notAfterMs,
      authorityKeyIdentifier: issuer.subjectKeyIdentifier,
      notBeforeMs: issuer.notBeforeMs,
    },
    options,
    options.pathLength,
    existing,
  )
}

function copyOf(constraints: NameConstraints | undefined): ExtensionFields['nameConstraints'] {
  return (
    constraints && {
      permitted: constraints.permitted.map(({ base }) => base),
      excluded: constraints.excluded.map(({ base }) => base),
    }
  )
}

interface Frame {
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  readonly nowMs: number
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly authorityKeyIdentifier: Uint8Array | undefined
}

async function build(
  signer: Signer,
  publicKey: PublicKey,
  issuer: Certificate | undefined,
  frame: Frame,
  options: CaCertificateOptions,
  pathLength: number | undefined,
  existing?: Certificate,
): Promise<Certificate> {
  const { signatureAlgorithm } = signer
  const tbs = encodeTbsCertificate(
    {
      issuer: frame.issuer,
      subject: frame.subject,
      publicKey,
      notBefore: new Date(Math.max(frame.nowMs - backdateMs, frame.notBeforeMs)),
      notAfter: new Date(frame.notAfterMs),
      extensions: {
        basicConstraints: { ca: true, pathLength },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: existing?.subjectKeyIdentifier ?? publicKey,
        authorityKeyIdentifier: frame.authorityKeyIdentifier,
        subjectAltName:
          options.trustDomain === undefined
            ? undefined
            : [generalName.uri(TrustDomain.from(options.trustDomain).idString)],
        nameConstraints: options.nameConstraints,
      },
    },
    signatureAlgorithm,
  )
  const certificate = Certificate.parse(
    assembleSigned(
      tbs,
      signatureAlgorithm,
      await signChecked(tbs, signatureAlgorithm, signer, issuer?.publicKey ?? publicKey),
    ),
  )
  runLints(caLints, { certificate, issuer: issuer ?? certificate, existing })
  return certificate
}

/** Refuses a CA that would already be expired, and a path length that no reader accepts. */
function checkNumbers({
  ttlSeconds,
  pathLength,
}: Pick<CaCertificateOptions, 'ttlSeconds' | 'pathLength'>): void {
  checkCounts({ ttlSeconds }, 1)
  checkCounts({ pathLength }, 0, 255)
}

function nameOf(options: CaCertificateOptions): DistinguishedName {
  const name = DistinguishedName.from(options.subject)
  if (name.isEmpty)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'the subject of a CA certificate must not be empty (RFC 5280 §4.1.2.6)',
    )
  return name
}

const crossCertificateKinds: OptionKinds<CrossCertificateOptions> = {
  pathLength: 'guard',
  ttlSeconds: 'optional',
  nameConstraints: 'guard',
  clock: 'optional',
}
const caCertificateKinds: OptionKinds<CaCertificateOptions> = {
  ...crossCertificateKinds,
  subject: 'required',
  trustDomain: 'guard',
}
const oneYear = 365 * 24 * 3600
const tenYears = 3650 * 24 * 3600
const backdateMs = 120_000
