// CA certificates: a self-signed root, the intermediates below it, and a second certificate for a CA that has one.

import { PkiError } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { TrustDomain } from '../spiffe/index.ts'
import {
  Certificate,
  DistinguishedName,
  PublicKey,
  assembleSigned,
  encodeTbsCertificate,
  generalName,
  requireSigner,
} from '../x509/index.ts'
import type {
  CertificateInput,
  ExtensionFields,
  NameConstraints,
  PublicKeyInput,
  Signer,
} from '../x509/index.ts'
import { caLints, runLints } from './ca-lints.ts'
import { signChecked } from './certificate-workers.ts'

/** What a CA certificate says of itself. */
export interface CaCertificateOptions {
  /** Name of the CA, as RFC 4514 text or parsed: `CN=example.org root,O=Example`; never empty. */
  readonly subject: DistinguishedName | string
  /** Written as the URI `spiffe://<trust domain>`, without a path. */
  readonly trustDomain?: TrustDomain | string | undefined
  /** CA certificates that may follow below. Root: no limit. Intermediate: 0. */
  readonly pathLength?: number | undefined
  /** Seconds. Root: 10 years. Intermediate: 1 year; never past the issuer. */
  readonly ttlSeconds?: number | undefined
  /** Names that certificates below it may have; critical (RFC 5280 §4.2.1.10). */
  readonly nameConstraints?: ExtensionFields['nameConstraints'] | undefined
  /** Tells the time that the validity begins at. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/** Options of `createCrossCertificate`: what is not given is as in the existing certificate. */
export type CrossCertificateOptions = Omit<CaCertificateOptions, 'subject' | 'trustDomain'>

/** A certificate with the key that signs for it. */
export interface CaCredential {
  /** The CA's certificate. */
  readonly certificate: Certificate
  /** Signs with the key of that certificate. */
  readonly signer: Signer
}

/** The same, its certificate in any form that certificates are taken in. */
export interface CaCredentialInput extends Pick<CaCredential, 'signer'> {
  readonly certificate: CertificateInput
}

/**
 * A self-signed root.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID, ERR_CA_SIGNATURE; what the signer throws
 * @example
 * ```ts
 * const root = await createRootCertificate(signer, { subject: 'CN=example.org root', trustDomain: 'example.org' })
 * ```
 */
export async function createRootCertificate(
  signer: Signer,
  options: CaCertificateOptions,
): Promise<Certificate> {
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
 * const intermediate = await createIntermediateCertificate({ certificate: root, signer }, csr.verify().publicKey, { subject: 'CN=example.org issuing' })
 * ```
 */
export async function createIntermediateCertificate(
  parent: CaCredentialInput,
  publicKey: PublicKeyInput,
  options: CaCertificateOptions,
): Promise<Certificate> {
  return buildBelow(parent, publicKey, nameOf(options), { ...options, pathLength: options.pathLength ?? 0 })
}

/**
 * Another certificate for a CA that has one, signed by `parent`: the same subject, key and key identifier, so that what the CA signed and
 * signs has a path to either root. Validity: as an intermediate's.
 *
 * @throws ERR_INVALID_ARGUMENT for what is no CA, and where neither the existing certificate nor `options` has a path length; as `createIntermediateCertificate`
 * @example
 * ```ts
 * const cross = await createCrossCertificate({ certificate: oldRoot, signer: oldSigner }, newRoot, { pathLength: 1 })
 * ```
 */
export async function createCrossCertificate(
  parent: CaCredentialInput,
  given: CertificateInput,
  options: CrossCertificateOptions = {},
): Promise<Certificate> {
  const existing = Certificate.from(given)
  const { subject, publicKey, basicConstraints } = existing
  if (basicConstraints?.ca !== true)
    throw new PkiError('ERR_INVALID_ARGUMENT', `${subject.toString()} is no CA`)
  const pathLength = options.pathLength ?? basicConstraints.pathLength
  if (pathLength === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a path length is wanted: the existing certificate has none')
  const uri = existing.subjectAltName?.find(({ type }) => type === 'uri')
  const trustDomain = uri?.type === 'uri' ? uri.value : undefined
  const nameConstraints = options.nameConstraints ?? copyOf(existing.nameConstraints)
  return buildBelow(
    parent,
    publicKey,
    subject,
    { ...options, subject, trustDomain, pathLength, nameConstraints },
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
      `${issuer.subject.toString()} may not have a CA of path length ${options.pathLength} below it`,
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

/** What would be signed without a word: a CA that expired when it was made, a path length that no reader takes. */
function checkNumbers({
  ttlSeconds,
  pathLength,
}: Pick<CaCertificateOptions, 'ttlSeconds' | 'pathLength'>): void {
  checkCounts({ ttlSeconds }, 1)
  checkCounts({ pathLength }, 0, 255)
}

function nameOf(options: CaCertificateOptions): DistinguishedName {
  const { subject } = Object(options) as Partial<CaCertificateOptions>
  const name = DistinguishedName.from(subject ?? '')
  if (name.isEmpty)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a CA certificate needs a subject (RFC 5280 §4.1.2.6)')
  return name
}

const oneYear = 365 * 24 * 3600
const tenYears = 3650 * 24 * 3600
const backdateMs = 120_000
