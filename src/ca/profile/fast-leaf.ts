// For speed alone (row issue/p256-cpu of the bench): creates a leaf by copying one that passed every lint and
// writing other values into the copy.

import { SpiffeId } from '../../spiffe/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import { extensionOids } from '../../x509/index.ts'
import { certificateOfLayout, serialNumberFromBytes } from '../../x509/internal.ts'
import type {
  Certificate,
  DistinguishedName,
  GeneralName,
  PublicKey,
  SerialNumber,
} from '../../x509/index.ts'

/** An unsigned leaf that passed every lint. */
export interface LintedLeaf {
  readonly serialNumber: SerialNumber
  /** DER of the TBSCertificate. */
  readonly tbs: Uint8Array
  readonly notAfter: Date
  readonly publicKey: PublicKey
  /** The certificate, with a signature over `tbs`. */
  withSignature(signature: Uint8Array): Certificate
}

/** The values of a copy, as `Issuer` provides them. */
interface WantedContent {
  readonly subject?: DistinguishedName | undefined
  readonly subjectAltName: readonly GeneralName[]
}

interface WantedValidity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** The inputs for the lints of a copy. */
interface CopyContext {
  readonly issuer: Certificate
  readonly issuerTrustDomain: TrustDomain | undefined
}

/**
 * A linted leaf that serves as the model for copies: a P-256 key, no subject, one URI.
 *
 * A copy has the octets of the linted leaf except in four values: the serial number after its first octet,
 * the point of the key, its identifier, the URI. Every lint reads either linted octets or one of these
 * values. The lints that read a value:
 *
 * - L2 reads the length and first octet of the serial number, which are unchanged;
 * - L4, L17, L30 read the type of the key and the length of its identifier, which are unchanged;
 * - L12 and L24 compare with the key of the request and the requested name, which are the written values;
 * - L13 (not the key of the CA) and L20 to L23 (a SPIFFE ID of a workload in the trust domain of the CA) are
 * checked here for each copy;
 * - L32 reads the distribution point, which is unchanged: copies have the same shard;
 * - L6 and L7 read times: the validity is unchanged, within the second of the linted leaf.
 */
class FastLeaf {
  readonly #linted: Certificate
  readonly #context: CopyContext
  readonly #serialAt: number
  readonly #keyAt: number
  readonly #identifierAt: number
  readonly #uriAt: number
  readonly #uriLength: number

  private constructor(
    linted: Certificate,
    context: CopyContext,
    places: { readonly identifier: Uint8Array; readonly uri: Uint8Array },
  ) {
    const { byteOffset } = linted.tbs
    this.#linted = linted
    this.#context = context
    this.#serialAt = linted.serialNumberBytes.byteOffset - byteOffset
    this.#keyAt = linted.publicKey.spki.byteOffset - byteOffset
    this.#identifierAt = places.identifier.byteOffset - byteOffset
    this.#uriAt = places.uri.byteOffset - byteOffset
    this.#uriLength = places.uri.length
  }

  /** Undefined if the leaf cannot serve as a model. `linted` has passed every lint. */
  static of(linted: Certificate, context: CopyContext): FastLeaf | undefined {
    const { serialNumberBytes, publicKey, subject, subjectKeyIdentifier: identifier } = linted
    const altName = linted.extension(extensionOids.subjectAltName)?.value
    const [name, ...others] = linted.subjectAltName ?? []
    if (serialNumberBytes.length !== serialOctets || !isPlainP256(publicKey) || !subject.isEmpty)
      return undefined
    if (identifier?.length !== identifierOctets || altName === undefined) return undefined
    if (name?.type !== 'uri' || others.length > 0) return undefined
    const uri = altName.subarray(altName.length - name.value.length)
    // A copied value does not have a position in the TBSCertificate.
    const views = [serialNumberBytes, publicKey.spki, identifier, uri]
    if (!views.every(({ buffer }) => buffer === linted.tbs.buffer)) return undefined
    return new FastLeaf(linted, context, { identifier, uri })
  }

  /**
   * Undefined if these values do not have the form of a copy; the leaf is then built and linted as a whole.
   */
  copy(serialNumber: Uint8Array, publicKey: PublicKey, uri: string): LintedLeaf | undefined {
    const { issuer, issuerTrustDomain } = this.#context
    if (uri.length !== this.#uriLength || serialNumber.length !== serialOctets) return undefined
    const { spki } = publicKey
    if (serialNumber[0] !== this.#linted.serialNumberBytes[0] || !this.#isSameKind(spki)) return undefined
    // L13, and L20 to L23. On a failure the leaf is linted as a whole, which reports the reason.
    if (publicKey.equals(issuer.publicKey) || !isWorkloadId(uri, issuerTrustDomain)) return undefined
    const tbs = new Uint8Array(this.#linted.tbs)
    tbs.set(serialNumber, this.#serialAt)
    tbs.set(spki, this.#keyAt)
    tbs.set(publicKey.keyIdentifier, this.#identifierAt)
    // The grammar of SPIFFE IDs has ASCII only.
    for (let at = 0; at < uri.length; at++) tbs[this.#uriAt + at] = uri.charCodeAt(at)
    return new CopiedLeaf(this.#linted, tbs, serialNumberFromBytes(serialNumber), publicKey)
  }

  /** Whether a key differs from the linted one only in its point. */
  #isSameKind(spki: Uint8Array): boolean {
    if (spki.length !== spkiOctets) return false
    const linted = this.#linted.publicKey.spki
    for (let at = 0; at < pointAt; at++) if (spki[at] !== linted[at]) return false
    return true
  }
}

/** The linted leaves of one second, by the length of their URI and their lifetime. */
export class FastLeaves {
  readonly #context: CopyContext
  readonly #leaves = new Map<number, FastLeaf>()
  readonly #maxLeaves: number
  #second = NaN
  #notBeforeMs = NaN

  constructor({ maxLeaves, ...context }: CopyContext & { readonly maxLeaves: number }) {
    this.#context = context
    this.#maxLeaves = maxLeaves
  }

  /** Undefined if no linted leaf of the same form is stored. */
  copy(
    serialNumber: Uint8Array,
    publicKey: PublicKey,
    { subject, subjectAltName }: WantedContent,
    validity: WantedValidity,
    nowMs: number,
  ): LintedLeaf | undefined {
    if (subject !== undefined || subjectAltName.length !== 1 || !this.#isSameSecond(validity, nowMs))
      return undefined
    const name = subjectAltName[0] as GeneralName
    if (name.type !== 'uri') return undefined
    return this.#leaves.get(keyOf(name.value, validity))?.copy(serialNumber, publicKey, name.value)
  }

  /** Stores a leaf that passed every lint. */
  add(
    linted: Certificate,
    { subject, subjectAltName }: WantedContent,
    validity: WantedValidity,
    nowMs: number,
  ): void {
    const [name] = subjectAltName
    const leaf =
      subject === undefined && name?.type === 'uri' ? FastLeaf.of(linted, this.#context) : undefined
    if (leaf === undefined || name?.type !== 'uri') return
    if (!this.#isSameSecond(validity, nowMs) || this.#leaves.size >= this.#maxLeaves) this.#leaves.clear()
    this.#second = secondOf(nowMs)
    this.#notBeforeMs = validity.notBeforeMs
    this.#leaves.set(keyOf(name.value, validity), leaf)
  }

  #isSameSecond({ notBeforeMs }: WantedValidity, nowMs: number): boolean {
    return notBeforeMs === this.#notBeforeMs && secondOf(nowMs) === this.#second
  }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000)
}

/** Different for every length, at most 2,048, and every lifetime in seconds. */
function keyOf({ length }: string, { notBeforeMs, notAfterMs }: WantedValidity): number {
  return ((notAfterMs - notBeforeMs) / 1000) * 4096 + length
}

class CopiedLeaf implements LintedLeaf {
  readonly #linted: Certificate
  readonly tbs: Uint8Array
  readonly serialNumber: SerialNumber
  readonly publicKey: PublicKey

  constructor(linted: Certificate, tbs: Uint8Array, serialNumber: SerialNumber, publicKey: PublicKey) {
    this.#linted = linted
    this.tbs = tbs
    this.serialNumber = serialNumber
    this.publicKey = publicKey
  }

  get notAfter(): Date {
    return this.#linted.notAfter
  }

  withSignature(signature: Uint8Array): Certificate {
    return certificateOfLayout(this.#linted, this.tbs, this.serialNumber, signature)
  }
}

/** A P-256 key in its only encoding of 91 octets: named curve, uncompressed point. */
function isPlainP256({ algorithm, spki }: PublicKey): boolean {
  return algorithm === 'P-256' && spki.length === spkiOctets
}

function isWorkloadId(uri: string, issuerTrustDomain: TrustDomain | undefined): boolean {
  const id = SpiffeId.tryParse(uri)
  return id?.hasPath === true && (issuerTrustDomain === undefined || id.memberOf(issuerTrustDomain))
}

const serialOctets = 17
const spkiOctets = 91
/** The offset of the coordinates in the SubjectPublicKeyInfo. */
const pointAt = 27
const identifierOctets = 20
