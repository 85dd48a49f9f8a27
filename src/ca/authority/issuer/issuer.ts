// One CA certificate with its key and its path: creates linted bytes from the content of a leaf, and a
// certificate from a signature.

import { randomBytes } from 'node:crypto'
import { bitString } from '../../../der/index.ts'
import { PkiError } from '../../../errors/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import type { TrustDomain } from '../../../spiffe/index.ts'
import { Budget } from '../../../validation/budget.ts'
import { checkNameConstraints } from '../../../validation/names/check-name-constraints.ts'
import { Certificate, generalName, verifySignature } from '../../../x509/index.ts'
import { verifySignatureAsync } from '../../../x509/internal.ts'
import {
  encodeAltName,
  generateSerialNumber,
  serialNumberBytes,
  signatureAlgorithms,
} from '../../../x509/internal.ts'
import type { PublicKey, SignatureAlgorithm, Signer } from '../../../x509/index.ts'
import type { SignOptions } from '../../../x509/internal.ts'
import type { NameConstraints } from '../../../x509/internal.ts'
import { completeList, crlUrl, leafDistributionPoint, shardOf } from '../../crl/crl-shards.ts'
import type { ReadCrlDistribution } from '../../crl/crl-shards.ts'
import { lintCertificate } from '../../lints/leaf-lints.ts'
import { profileBelow } from '../../profile/certificate-profile.ts'
import type { CertificateProfile } from '../../profile/certificate-profile.ts'
import { FastLeaves } from '../../profile/fast-leaf.ts'
import type { LintedLeaf } from '../../profile/fast-leaf.ts'
import { LeafTemplate } from '../../profile/leaf-template.ts'
import { keyIdentifierOf } from '../../records/certificate-record.ts'
import type { KeyIdentifier } from '../../records/certificate-record.ts'
import type { CertificateWorkers } from '../certificate-workers.ts'
import type { CertificateContent } from '../issued-certificate.ts'
import { requireSignature, signChecked, unverified } from '../sign-checked.ts'
import { checkSigningMaterial, sharedCopies } from '../signing-material.ts'
import type { ReadMaterial, SharedCertificates } from '../signing-material.ts'
import { findCaPath } from './ca-path.ts'
import type { CaPath } from './ca-path.ts'
import { LeafValidities } from './leaf-validity.ts'
import type { LeafValidity } from './leaf-validity.ts'

/** Settings of an authority for all its issuers. */
export interface IssuerSettings {
  readonly trustDomain: TrustDomain
  readonly profile: CertificateProfile
  /** The minimum validity to which the end of the issuing chain may shorten a certificate. */
  readonly minTtlSeconds: number
  readonly distribution: ReadCrlDistribution
}

/** Everything needed to issue below one CA certificate, computed once. Immutable. */
export class Issuer {
  readonly certificate: Certificate
  readonly signer: Signer
  readonly workers: CertificateWorkers | undefined
  readonly keyIdentifier: KeyIdentifier
  /** From the CA certificate up, without the root. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** The roots at the end of the chain. */
  readonly anchors: readonly Certificate[]
  /** Copies to hand out: a holder that writes into them changes nothing that is issued or decided. */
  readonly shared: SharedCertificates
  readonly #material: ReadMaterial
  readonly #settings: IssuerSettings
  readonly #profile: CertificateProfile
  readonly #publicKey: PublicKey
  /** Read from the signer once; it is part of every certificate of this issuer. */
  readonly #algorithm: SignatureAlgorithm
  readonly #template: LeafTemplate
  /** Models for copies, by shard, because leaves of one shard name the same list. */
  readonly #fastLeaves: Map<string, FastLeaves> | undefined
  /** DER of the distribution points, by shard. */
  readonly #points = new Map<string, Uint8Array>()
  /**
   * The algorithm and a one-octet placeholder signature, so that unsigned bytes can be parsed and linted as a
   * certificate.
   */
  readonly #unsigned: Uint8Array
  readonly #validities: LeafValidities
  /** Present if the CA certificate or one above it constrains names. */
  readonly #constraints:
    { readonly above: readonly Certificate[]; readonly root: NameConstraints | undefined } | undefined
  readonly #caTrustDomain: TrustDomain | undefined

  /** @throws ERR_CA_MATERIAL, ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID */
  constructor(material: ReadMaterial, settings: IssuerSettings, nowMs: number) {
    checkSigningMaterial(material)
    const { certificate, signer, workers, roots } = material
    this.certificate = certificate
    this.signer = signer
    this.workers = workers
    this.roots = roots
    this.#material = material
    this.#settings = settings
    this.#publicKey = certificate.publicKey
    this.#algorithm = signer.signatureAlgorithm
    this.#profile = profileBelow(certificate, settings.profile)
    this.#caTrustDomain = trustDomainOf(certificate)
    // A CA above may be of another trust domain: X-4 allows a CA to sign CAs of other trust domains.
    if (this.#caTrustDomain?.equals(settings.trustDomain) === false)
      throw new PkiError(
        'ERR_CA_MATERIAL',
        `${certificate.subject.toString()} is a CA of ${this.#caTrustDomain.name}; ` +
          `expected ${settings.trustDomain.name} (X-4)`,
      )
    this.#template = new LeafTemplate(certificate, this.#algorithm, this.#profile)
    this.keyIdentifier = keyIdentifierOf(certificate.subjectKeyIdentifier as Uint8Array)
    this.#unsigned = Buffer.concat([signatureAlgorithms[this.#algorithm].identifier, bitString(placeholder)])
    const { chain, anchors } = this.#findPath(nowMs)
    this.chain = chain
    this.anchors = anchors
    this.shared = sharedCopies({ certificate, chain, roots })
    const above = [certificate, ...chain]
    this.#validities = new LeafValidities(
      { certificate, chain, anchors },
      this.#profile,
      settings.minTtlSeconds,
    )
    this.#constraints = [...above, ...anchors].some(({ nameConstraints }) => nameConstraints !== undefined)
      ? { above: chain, root: anchors[0]?.nameConstraints }
      : undefined
    // L33 reads the names of every leaf.
    if (this.#constraints === undefined) this.#fastLeaves = new Map()
  }

  /** Checks again, for another time, that leaves of this issuer would verify. @throws as the constructor */
  recheck(nowMs: number): void {
    checkSigningMaterial(this.#material)
    this.#findPath(nowMs)
  }

  /** Whether one of the roots is at the end of its chain. */
  isBelow(roots: readonly Certificate[]): boolean {
    return this.anchors.some((anchor) => roots.some((root) => root.equals(anchor)))
  }

  /** Creates the final, linted TBSCertificate. @throws ERR_LINT, ERR_NAME_INVALID, ERR_STRING_INVALID */
  prepare(
    publicKey: PublicKey,
    content: CertificateContent,
    validity: LeafValidity,
    nowMs: number,
  ): LintedLeaf {
    const serialNumber = generateSerialNumber()
    const shard = shardOf(serialNumber, this.#settings.distribution)
    const fastLeaves = this.#fastLeavesOf(shard)
    const copied = fastLeaves?.copy(serialNumber, publicKey, content, validity, nowMs)
    if (copied !== undefined) return copied
    const whole = this.#prepareWhole(serialNumber, publicKey, content, validity, nowMs)
    fastLeaves?.add(whole, content, validity, nowMs)
    return whole
  }

  /** The CRL shard of a certificate: '' for the complete list. */
  shardOf({ serialNumber }: LintedLeaf): string {
    const { distribution } = this.#settings
    return distribution.shards === 0 ? completeList : shardOf(serialNumberBytes(serialNumber), distribution)
  }

  #fastLeavesOf(shard: string): FastLeaves | undefined {
    if (this.#fastLeaves === undefined) return undefined
    let leaves = this.#fastLeaves.get(shard)
    if (leaves === undefined) {
      const { shards } = this.#settings.distribution
      leaves = new FastLeaves({
        ...{ issuer: this.certificate, issuerTrustDomain: this.#caTrustDomain },
        maxLeaves: Math.max(4, Math.floor(256 / Math.max(1, shards))),
      })
      this.#fastLeaves.set(shard, leaves)
    }
    return leaves
  }

  #distributionPoint(serialNumber: Uint8Array): Uint8Array {
    const { distribution } = this.#settings
    const shard = shardOf(serialNumber, distribution)
    let point = this.#points.get(shard)
    if (point === undefined) {
      point = leafDistributionPoint(crlUrl(distribution, this.keyIdentifier, shard))
      this.#points.set(shard, point)
    }
    return point
  }

  /** The certificate with a placeholder signature, so that its octets can be linted. */
  #prepareWhole(
    serialNumber: Uint8Array,
    publicKey: PublicKey,
    { subject, subjectAltName }: CertificateContent,
    { notBeforeMs, notAfterMs }: LeafValidity,
    nowMs: number,
  ): Certificate {
    const altName = encodeAltName(subjectAltName)
    const distributionPoint = this.#distributionPoint(serialNumber)
    const unsigned = Certificate.parse(
      this.#template.encode(
        { serialNumber, notBeforeMs, notAfterMs, subject, publicKey, altName, distributionPoint },
        this.#unsigned,
      ),
    )
    lintCertificate({
      certificate: unsigned,
      issuer: this.certificate,
      issuerTrustDomain: this.#caTrustDomain,
      publicKey,
      wantedNames: subjectAltName,
      profile: this.#profile,
      nowMs,
    })
    this.#lintNames(unsigned)
    return unsigned
  }

  /**
   * Signs the linted bytes, and verifies the signature over the bytes of the finished certificate. That
   * implies that they are the bytes that were linted and signed. Signatures of workers are verified on the
   * thread pool, because verifying them on this thread would use the time that workers save.
   *
   * @throws ERR_CA_SIGNATURE; the errors of the signer or the workers
   */
  async sign(linted: LintedLeaf, options: SignOptions): Promise<Certificate> {
    const { workers, signer } = this
    // A copy: a signer is foreign code, and must not change the linted bytes.
    const tbs = new Uint8Array(linted.tbs)
    if (workers === undefined) {
      const signing = signer.sign(tbs, options)
      const certificate = linted.withSignature(
        requireSignature(signing instanceof Promise ? await signing : signing),
      )
      if (verifySignature(this.#publicKey, this.#algorithm, certificate.tbs, certificate.signature))
        return certificate
    } else {
      const certificate = linted.withSignature(
        requireSignature(await workers.sign(tbs, linted.publicKey, options)),
      )
      if (
        await verifySignatureAsync(this.#publicKey, this.#algorithm, certificate.tbs, certificate.signature)
      )
        return certificate
    }
    throw unverified(signer.id)
  }

  /**
   * Signs test octets that are not a certificate, to try a key before its use. @throws ERR_CA_SIGNATURE; the
   * errors of the signer
   */
  async tryKey(): Promise<void> {
    await signChecked(
      Buffer.concat([Buffer.from('spiffe-pki: does this key sign? '), randomBytes(16)]),
      this.#algorithm,
      this.signer,
      this.#publicKey,
    )
  }

  /** @throws as `LeafValidities.of` */
  validity(content: CertificateContent, nowMs: number): LeafValidity {
    return this.#validities.of(content, nowMs)
  }

  #findPath(nowMs: number): CaPath {
    const second = Math.floor(nowMs / 1000) * 1000
    const dryLeaf = Certificate.parse(
      this.#template.encode(
        {
          serialNumber: generateSerialNumber(),
          notBeforeMs: second,
          notAfterMs: second + 1000,
          subject: undefined,
          publicKey: this.#publicKey,
          altName: encodeAltName([generalName.uri(`${this.#settings.trustDomain.idString}/dry-run`)]),
        },
        this.#unsigned,
      ),
    )
    return findCaPath(this.#material, dryLeaf, this.#profile.extendedKeyUsage, nowMs)
  }

  /** L33: the leaf complies with every name constraint above it. */
  #lintNames(leaf: Certificate): void {
    if (this.#constraints === undefined) return
    const { above, root } = this.#constraints
    const fault = checkNameConstraints([leaf, ...above], root, new Budget())
    if (fault !== undefined) throw new PkiError('ERR_LINT', `L33 (${fault.rule}): ${fault.message}`)
  }
}

/** The trust domain that a CA certificate names in its URI, if it has one. */
function trustDomainOf(certificate: Certificate): TrustDomain | undefined {
  const uri = certificate.subjectAltName?.find(({ type }) => type === 'uri')
  return uri?.type === 'uri' && uri.value.startsWith('spiffe:')
    ? SpiffeId.parse(uri.value).trustDomain
    : undefined
}

const placeholder = Uint8Array.of(0)
