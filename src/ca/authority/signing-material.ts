// The certificate, key, issuers and roots of a CA: read, copied, and checked for consistency.

import { PkiError, isPkiError } from '../../errors/index.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { describeCertificate, subjectOf } from '../../validation/internal.ts'
import { Certificate } from '../../x509/index.ts'
import { requireSigner } from '../../x509/internal.ts'
import type { CertificateInput, PublicKey, Signer } from '../../x509/index.ts'
import type { CertificateWorkers } from './certificate-workers.ts'

/**
 * The signing material of a CA; certificates in any form. `CaMaterial` and `CaCredential` are compatible.
 * @inline
 */
export interface SigningMaterial {
  readonly certificate: CertificateInput
  /** Signs for `certificate`. */
  readonly signer: Signer
  /**
   * Certificates that may be between `certificate` and a root, in any order. If there are several paths, one
   * that is currently valid is used. Roots and `certificate` itself may be included. Default: none.
   */
  readonly chain?: readonly CertificateInput[] | undefined
  /** Default: `certificate` itself, if it is self-signed. */
  readonly roots?: readonly CertificateInput[] | undefined
  /**
   * Worker threads that verify requests and sign for `certificate`. The code that creates them must close
   * them. Default: this thread and `signer`.
   */
  readonly workers?: CertificateWorkers | undefined
}

/** Signing material with its certificates parsed. Frozen. */
export interface ReadMaterial {
  readonly certificate: Certificate
  readonly signer: Signer
  /** Without duplicates, roots and `certificate`. */
  readonly candidates: readonly Certificate[]
  /** Without duplicates. */
  readonly roots: readonly Certificate[]
  readonly workers: CertificateWorkers | undefined
}

/** For `readOptions`. */
export const materialKinds: OptionKinds<SigningMaterial> = {
  certificate: 'required',
  signer: 'required',
  chain: 'optional',
  roots: 'optional',
  workers: 'optional',
}

/**
 * Parses and copies signing material.
 *
 * @throws ERR_INVALID_ARGUMENT; ERR_CA_MATERIAL if no roots are given and the certificate is not self-signed;
 * as `Certificate.from`, with the option, the index and the subject of the certificate
 */
export function readSigningMaterial(material: SigningMaterial): ReadMaterial {
  const { signer, workers } = material
  const certificate = ownCopy(material.certificate, 'certificate', true)
  const roots = material.roots === undefined ? [ownRoot(certificate)] : unique('roots', material.roots)
  const candidates = unique('chain', material.chain ?? []).filter(
    (one) => !one.equals(certificate) && !roots.some((root) => root.equals(one)),
  )
  return Object.freeze({
    certificate,
    signer: requireSigner(signer),
    candidates: Object.freeze(candidates),
    roots: Object.freeze(roots),
    workers,
  })
}

/**
 * The checks that need no path: one key, a CA that may sign certificates and CRLs.
 *
 * @throws ERR_CA_MATERIAL
 */
export function checkSigningMaterial({ certificate, signer, roots, workers }: ReadMaterial): void {
  if (!certificate.publicKey.equals(signer.publicKey))
    throw wrong(`key ${signer.id} is not the key of the CA certificate ${describeCertificate(certificate)}`)
  checkMaySign('certificate', certificate)
  for (const root of roots) checkMaySign('roots', root)
  if (certificate.keyUsage?.has('cRLSign') === false)
    throw wrong(
      `certificate: the key usage lacks cRLSign (RFC 5280 §4.2.1.3): ${describeCertificate(certificate)}`,
    )
  if (workers !== undefined) checkWorkers(workers, certificate.publicKey, signer)
}

function checkMaySign(place: string, one: Certificate): void {
  const faultOf = (): string | undefined => {
    if (one.basicConstraints?.ca !== true) return 'it is not a CA certificate (RFC 5280 §4.2.1.9)'
    return one.keyUsage?.has('keyCertSign') === false
      ? 'the key usage lacks keyCertSign (RFC 5280 §4.2.1.3)'
      : undefined
  }
  let fault: string | undefined
  let cause: unknown
  try {
    fault = faultOf()
  } catch (error) {
    if (!isPkiError(error)) throw error
    fault = withoutTolerances(error.message)
    cause = error
  }
  if (fault === undefined) return
  throw new PkiError('ERR_CA_MATERIAL', `${place}: ${fault}: ${describeCertificate(one)}`, { cause })
}

/** The message of a reader, where no tolerance applies: peers read the certificates of a CA strictly. */
export function withoutTolerances(message: string): string {
  return message.replace(
    /; the tolerance '[^']+' accepts it/,
    '$& elsewhere, but not in the material of a CA, which its peers must read',
  )
}

function checkWorkers(workers: CertificateWorkers, publicKey: PublicKey, signer: Signer): void {
  const given = workers as Partial<CertificateWorkers>
  if (typeof given.prove !== 'function' || typeof given.sign !== 'function' || given.publicKey === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'workers must have publicKey, prove and sign')
  if (!publicKey.equals(workers.publicKey) || workers.signatureAlgorithm !== signer.signatureAlgorithm)
    throw wrong('the key or algorithm of the workers differs from that of the signer of the CA')
}

function unique(name: string, inputs: readonly CertificateInput[]): Certificate[] {
  if (!Array.isArray(inputs))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${name} must be an array of certificates`)
  const certificates: Certificate[] = []
  for (const [index, input] of inputs.entries()) {
    const certificate = ownCopy(input as CertificateInput, `${name}[${index}]`)
    if (!certificates.some((one) => one.equals(certificate))) certificates.push(certificate)
  }
  return certificates
}

/** Copies of certificates; frozen. Octets cannot be frozen: what is handed out is not what is kept. */
export function copiesOf(certificates: readonly Certificate[]): readonly Certificate[] {
  return Object.freeze(certificates.map(copyOf))
}

/** What a CA hands out of its material. */
export interface SharedCertificates {
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
}

/** Copies for all callers. Each access makes new ones if a caller has written into the last ones. */
export function sharedCopies({ certificate, chain, roots }: SharedCertificates): SharedCertificates {
  const [certificates, chains, allRoots] = [
    intactCopies([certificate]),
    intactCopies(chain),
    intactCopies(roots),
  ]
  return Object.freeze({
    get certificate() {
      return certificates()[0] as Certificate
    },
    get chain() {
      return chains()
    },
    get roots() {
      return allRoots()
    },
  })
}

function intactCopies(own: readonly Certificate[]): () => readonly Certificate[] {
  let copies = copiesOf(own)
  return () => {
    if (!areIntact(copies, own)) copies = copiesOf(own)
    return copies
  }
}

/** Whether copies have the octets of their originals. */
export function areIntact(copies: readonly Certificate[], own: readonly Certificate[]): boolean {
  return copies.every((copy, at) => copy.equals(own[at] as Certificate))
}

/**
 * A copy: the CA keeps it, so its octets must not change with a buffer of the caller. Only the names of the
 * CA itself must be readable: bundles omit a root whose name is not.
 */
function ownCopy(input: CertificateInput, place: string, isOwn = false): Certificate {
  try {
    const copy = copyOf(Certificate.from(input))
    if (isOwn) void [copy.subject.rdns, copy.issuer.rdns]
    return copy
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    const subject = subjectOf(input)
    const name = subject === undefined ? '' : ` (${subject})`
    throw new PkiError(cause.code, `${place}${name}: ${withoutTolerances(cause.message)}`, { cause })
  }
}

/** Without the tolerances of the caller: peers have none. */
function copyOf({ der }: Certificate): Certificate {
  return Certificate.parse(new Uint8Array(der))
}

/** A self-signed CA without given roots is its own root. */
function ownRoot(certificate: Certificate): Certificate {
  if (isSignedBy(certificate, certificate)) return certificate
  throw wrong(`${certificate.subject.toString()} is not self-signed, but no roots were given`)
}

/** Whether `child` names `issuer` as its issuer and its signature verifies with the key of `issuer`. */
export function isSignedBy(child: Certificate, issuer: Certificate): boolean {
  return child.issuer.equals(issuer.subject) && child.verifySignatureBy(issuer.publicKey)
}

function wrong(what: string): PkiError {
  return new PkiError('ERR_CA_MATERIAL', what)
}
