// The certificate, key, issuers and roots of a CA: read, copied, and checked for consistency.

import { PkiError } from '../../errors/index.ts'
import type { OptionKinds } from '../../internal/options.ts'
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
 * as `Certificate.from`
 */
export function readSigningMaterial(material: SigningMaterial): ReadMaterial {
  const { signer, workers } = material
  const certificate = ownCopy(material.certificate)
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
  const subject = certificate.subject.toString()
  if (!certificate.publicKey.equals(signer.publicKey))
    throw wrong(`key ${signer.id} is not the key of the CA certificate ${subject}`)
  for (const one of [certificate, ...roots]) {
    if (one.basicConstraints?.ca !== true)
      throw wrong(`${one.subject.toString()} is not a CA certificate (RFC 5280 §4.2.1.9)`)
    if (one.keyUsage?.has('keyCertSign') === false)
      throw wrong(`the key usage of ${one.subject.toString()} lacks keyCertSign (RFC 5280 §4.2.1.3)`)
  }
  if (certificate.keyUsage?.has('cRLSign') === false)
    throw wrong(`the key usage of ${subject} lacks cRLSign (RFC 5280 §4.2.1.3)`)
  if (workers !== undefined) checkWorkers(workers, certificate.publicKey, signer)
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
  for (const input of inputs) {
    const certificate = ownCopy(input as CertificateInput)
    if (!certificates.some((one) => one.equals(certificate))) certificates.push(certificate)
  }
  return certificates
}

/** Copies of certificates; frozen. Octets cannot be frozen: what is handed out is not what is kept. */
export function copiesOf(certificates: readonly Certificate[]): readonly Certificate[] {
  return Object.freeze(certificates.map(ownCopy))
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

/** A copy: the CA keeps it, so its octets must not change with a buffer of the caller. */
function ownCopy(input: CertificateInput): Certificate {
  return Certificate.parse(new Uint8Array(Certificate.from(input).der))
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
