// One CA certificate with its key and what is above it: from the content of a leaf to linted bytes, from a signature to a certificate.

import { randomBytes } from 'node:crypto'
import { bitString } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireCount } from '../internal/numbers.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { TrustDomain } from '../spiffe/index.ts'
import { Budget } from '../validation/budget.ts'
import { checkNameConstraints } from '../validation/names/check-name-constraints.ts'
import { Certificate, requireSigner, signatureAlgorithms } from '../x509/index.ts'
import type {
  CertificateInput,
  CertificateRequest,
  NameConstraints,
  PublicKey,
  SignatureAlgorithm,
  SignOptions,
  Signer,
} from '../x509/index.ts'
import { lintCertificate } from './certificate-lints.ts'
import { profileBelow, validitySeconds, LeafTemplate } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import { signChecked } from './certificate-workers.ts'
import type { CertificateWorkers } from './certificate-workers.ts'
import type { CertificateContent } from './issued-certificate.ts'

/** What a CA signs with; certificates in any form. `CaMaterial` and `CaCredential` are some. */
export interface SigningMaterial {
  readonly certificate: CertificateInput
  /** Signs for `certificate`. */
  readonly signer: Signer
  /** The issuers of `certificate`, the nearest first, without the root. Default none: a root, or signed by one. */
  readonly chain?: readonly CertificateInput[] | undefined
  /** Default: `certificate` itself, if it is self-signed. */
  readonly roots?: readonly CertificateInput[] | undefined
}

/** All that a signature needs, worked out once. */
export class Issuer {
  readonly certificate: Certificate
  readonly signer: Signer
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** Those of the roots that the chain ends in. */
  readonly anchors: readonly Certificate[]
  readonly #publicKey: PublicKey
  /** That of the signer when it came: what is in every certificate of this issuer. */
  readonly #algorithm: SignatureAlgorithm
  readonly #profile: CertificateProfile
  readonly #template: LeafTemplate
  /** What follows the signed bytes before there is a signature: the algorithm, and a signature that verifies nothing. */
  readonly #unsigned: Uint8Array
  readonly #notAfterMs: number
  readonly #notBeforeMs: number
  /** Present where a CA above, or this one, constrains names. */
  readonly #constraints:
    { readonly above: readonly Certificate[]; readonly root: NameConstraints | undefined } | undefined
  readonly #trustDomain: TrustDomain | undefined

  constructor(material: SigningMaterial, trustDomain: TrustDomain, profile: CertificateProfile) {
    const { certificate, signer, chain, roots } = read(material)
    this.certificate = certificate
    this.signer = signer
    this.#publicKey = certificate.publicKey
    this.#algorithm = signer.signatureAlgorithm
    this.#profile = profileBelow(certificate, profile)
    this.roots = roots
    const isRoot = roots.some((root) => root.equals(certificate))
    this.chain = isRoot ? [] : [certificate, ...chain]
    checkMaterial(certificate, signer, this.chain, roots)
    this.#trustDomain = trustDomainOf(certificate)
    // What is above may be of another: X-4 lets a CA sign the CAs of other trust domains.
    if (this.#trustDomain?.equals(trustDomain) === false) {
      throw new PkiError(
        'ERR_CA_MATERIAL',
        `the CA certificate is of ${this.#trustDomain.name}, not of ${trustDomain.name} (X-4)`,
      )
    }
    this.#template = new LeafTemplate(certificate, this.#algorithm, this.#profile)
    this.#unsigned = Buffer.concat([signatureAlgorithms[this.#algorithm].identifier, bitString(noSignature)])
    // No leaf lives longer than what is above it, however far up; several roots may vouch for it, the longest counts.
    const above = [certificate, ...this.chain]
    this.anchors = isRoot ? [certificate] : signersOf(this.chain.at(-1) as Certificate, roots)
    this.#notAfterMs = Math.min(
      ...above.map(({ notAfterMs }) => notAfterMs),
      Math.max(...this.anchors.map(({ notAfterMs }) => notAfterMs)),
    )
    this.#notBeforeMs = Math.max(
      ...above.map(({ notBeforeMs }) => notBeforeMs),
      Math.min(...this.anchors.map(({ notBeforeMs }) => notBeforeMs)),
    )
    this.#constraints = [...above, ...this.anchors].some(
      ({ nameConstraints }) => nameConstraints !== undefined,
    )
      ? { above: this.chain, root: this.anchors[0]?.nameConstraints }
      : undefined
  }

  /** The bytes to sign, linted, with a signature that verifies nothing. */
  prepare(
    publicKey: PublicKey,
    content: CertificateContent,
    serialNumber: Uint8Array,
    nowMs: number,
  ): Certificate {
    const { notBeforeMs, notAfterMs } = this.validity(content, nowMs)
    const unsigned = Certificate.parse(
      this.#template.encode(
        {
          serialNumber,
          notBeforeMs,
          notAfterMs,
          subject: content.subject,
          publicKey,
          subjectAltName: content.subjectAltName,
        },
        this.#unsigned,
      ),
    )
    lintCertificate({
      certificate: unsigned,
      issuer: this.certificate,
      issuerTrustDomain: this.#trustDomain,
      publicKey,
      wantedNames: content.subjectAltName,
      profile: this.#profile,
      nowMs,
    })
    this.#lintNames(unsigned)
    return unsigned
  }

  /** The signature over what was linted, checked. @throws ERR_CA_SIGNATURE; what the signer throws */
  sign({ tbs }: Certificate, options?: SignOptions): Uint8Array | Promise<Uint8Array> {
    return signChecked(tbs, this.#algorithm, this.signer, this.#publicKey, options)
  }

  /** The same by workers, who prove the request before. @throws ERR_CA_MATERIAL where they have another key; what they throw */
  signBy(
    workers: CertificateWorkers,
    request: CertificateRequest,
    { tbs }: Certificate,
  ): Promise<Uint8Array> {
    if (!this.#publicKey.equals(workers.publicKey) || workers.signatureAlgorithm !== this.#algorithm) {
      throw new PkiError('ERR_CA_MATERIAL', 'the workers sign with another key than the CA has')
    }
    return workers.proveAndSign(request, tbs)
  }

  /** The certificate with its signature, which was checked. @throws ERR_CA_SIGNATURE */
  assemble(linted: Certificate, signature: Uint8Array): Certificate {
    if (!(signature instanceof Uint8Array) || signature.length === 0 || signature.length > maximumSignature)
      throw new PkiError('ERR_CA_SIGNATURE', 'what came out is no signature')
    const certificate = linted.withSignature(signature)
    if (Buffer.compare(certificate.tbs, linted.tbs) !== 0)
      throw new PkiError('ERR_CA_SIGNATURE', 'the certificate does not hold the bytes that were linted')
    return certificate
  }

  /** Has the key sign something that is no certificate: a CA is proved before it is used. @throws ERR_CA_SIGNATURE; what the signer throws */
  async prove(): Promise<void> {
    await signChecked(
      Buffer.concat([Buffer.from('spiffe-pki: does this key sign? '), randomBytes(16)]),
      this.#algorithm,
      this.signer,
      this.#publicKey,
    )
  }

  /** Whole seconds: RFC 5280 §4.1.2.5 knows no others, and the last one belongs to the validity. */
  validity(
    { ttlSeconds, maximumTtlSeconds }: CertificateContent,
    nowMs: number,
  ): { notBeforeMs: number; notAfterMs: number } {
    this.requireValid(nowMs)
    if (maximumTtlSeconds !== undefined)
      requireCount('maximumTtlSeconds of the content', maximumTtlSeconds, 1)
    const second = Math.floor(nowMs / 1000) * 1000
    const seconds = Math.min(validitySeconds(this.#profile, ttlSeconds), maximumTtlSeconds ?? Infinity)
    return {
      notBeforeMs: Math.max(second - this.#profile.backdateSeconds * 1000, this.#notBeforeMs),
      notAfterMs: Math.min(second + seconds * 1000, this.#notAfterMs),
    }
  }

  /** @throws ERR_CA_EXPIRED */
  requireValid(nowMs: number): void {
    if (nowMs >= this.#notAfterMs + 1000 || nowMs < this.#notBeforeMs)
      throw new PkiError('ERR_CA_EXPIRED', 'the CA certificate, or one above it, is not valid now')
  }

  /** L33: the leaf keeps every name constraint above it. */
  #lintNames(leaf: Certificate): void {
    if (this.#constraints === undefined) return
    const fault = checkNameConstraints(
      [leaf, ...this.#constraints.above],
      this.#constraints.root,
      new Budget(),
    )
    if (fault !== undefined) throw new PkiError('ERR_LINT', `L33 (${fault.rule}): ${fault.message}`)
  }
}

/** The material with its certificates parsed. @throws ERR_INVALID_ARGUMENT; as `Certificate.from` */
function read(material: SigningMaterial): Pick<Issuer, 'certificate' | 'signer' | 'chain' | 'roots'> {
  const { certificate: given, signer, chain = [], roots } = Object(material) as SigningMaterial
  const certificate = Certificate.from(given)
  const list = (certificates: readonly CertificateInput[]): readonly Certificate[] => {
    if (!isList(certificates))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'chain and roots are lists of certificates')
    return certificates.map((one) => Certificate.from(one))
  }
  return {
    certificate,
    signer: requireSigner(signer),
    chain: list(chain),
    roots: roots === undefined ? ownRoot(certificate) : list(roots),
  }
}

/** The key is the certificate's, the certificate is a CA's, and each of the chain is signed by the next, the last by a root. */
function checkMaterial(
  certificate: Certificate,
  signer: Signer,
  chain: readonly Certificate[],
  roots: readonly Certificate[],
): void {
  const wrong = (what: string): PkiError => new PkiError('ERR_CA_MATERIAL', what)
  if (!certificate.publicKey.equals(signer.publicKey))
    throw wrong('the key is not the one of the CA certificate')
  for (const issuer of [certificate, ...chain, ...roots]) {
    if (issuer.basicConstraints?.ca !== true)
      throw wrong(`${issuer.subject.toString()} is no CA certificate (RFC 5280 §4.2.1.9)`)
    if (issuer.keyUsage?.has('keyCertSign') === false)
      throw wrong(`${issuer.subject.toString()} may not sign certificates (RFC 5280 §4.2.1.3)`)
  }
  chain.forEach((child, at) => {
    // RFC 5280 §4.2.1.9: as many CA certificates stand below the one at this place, the leaf not counted.
    const allowed = child.basicConstraints?.pathLength
    if (allowed !== undefined && allowed < at)
      throw wrong(
        `${child.subject.toString()} allows ${allowed} CA certificates below it, and there are ${at}`,
      )
    const parents =
      at + 1 < chain.length
        ? [chain[at + 1] as Certificate]
        : roots.filter(({ basicConstraints }) => (basicConstraints?.pathLength ?? Infinity) > at)
    if (
      !parents.some(
        (parent) => child.issuer.equals(parent.subject) && child.verifySignatureBy(parent.publicKey),
      )
    ) {
      throw wrong(
        `${child.subject.toString()} is not signed by ${at + 1 < chain.length ? 'the next certificate of the chain' : 'a root'}`,
      )
    }
  })
}

/** A CA without roots is its own, if it signed itself. */
function ownRoot(certificate: Certificate): readonly Certificate[] {
  if (certificate.isSelfIssued && certificate.verifySignatureBy(certificate.publicKey)) return [certificate]
  throw new PkiError('ERR_CA_MATERIAL', 'the CA certificate is no root, and no roots were given')
}

function signersOf(child: Certificate, roots: readonly Certificate[]): readonly Certificate[] {
  return roots.filter((root) => child.issuer.equals(root.subject) && child.verifySignatureBy(root.publicKey))
}

/** The trust domain that a CA certificate names in its URI, if it has one. */
function trustDomainOf(certificate: Certificate): TrustDomain | undefined {
  const uri = certificate.subjectAltName?.find(({ type }) => type === 'uri')
  return uri?.type === 'uri' && uri.value.startsWith('spiffe:')
    ? SpiffeId.parse(uri.value).trustDomain
    : undefined
}

/** In the place of the signature while the bytes are linted. */
const noSignature = Uint8Array.of(0)
/** Octets: RSA of 16,384 bits. */
const maximumSignature = 2048

/** `Array.isArray` takes the types of a read-only list's members away. */
function isList(value: readonly CertificateInput[]): boolean {
  return Array.isArray(value)
}
