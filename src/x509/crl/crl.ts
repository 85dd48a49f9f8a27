// A certificate revocation list (RFC 5280 section 5): a view over its DER.

import type { X509Crl } from '@peculiar/x509'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { decodeOnePem, decodePemBlocks, encodePem } from '../../internal/pem.ts'
import { Turns } from '../../internal/turns/turns.ts'
import type { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import type { PublicKey } from '../algorithms/public-key.ts'
import { verifySignature } from '../algorithms/verify-signature.ts'
import { defineInspect } from '../describe.ts'
import { readCrlToAccuse } from '../accusing/accusing-crl-fields.ts'
import { inputBytes, toPeculiarCrl } from '../interchange.ts'
import type { RawData } from '../interchange.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'
import type { GeneralName } from '../names/general-name.ts'
import type { SerialNumber } from '../serial-number.ts'
import { parseBlocks } from '../pem-blocks.ts'
import { noTolerances, readParseOptions } from '../tolerances.ts'
import type { ParseOptions, Tolerance } from '../tolerances.ts'
import { CrlEntries } from './crl-entries.ts'
import { CrlExtensions } from './crl-extensions.ts'
import { readCrlFields } from './crl-fields.ts'
import type { CrlParts } from './crl-fields.ts'
import { crlToJson, formatCrl } from './describe-crl.ts'
import { RevokedEntryCursor } from './entry-cursor.ts'
import type { EntryFault, scanEntries } from './entry-scan.ts'
import type { RevokedEntry } from './revoked-entry.ts'

/**
 * Every accepted form of a list: an object of this class, DER, PEM with one block, or an object of
 * `@peculiar/x509`. @inline
 */
export type CrlInput = Crl | Uint8Array | string | RawData

/**
 * Creates a list from octets without other references, whose entries were scanned; set by the class, because
 * only the class can create one.
 * @throws as `Crl.parse`
 */
export let crlOfScan: (der: Uint8Array, scan: typeof scanEntries) => Crl

/**
 * A list that the strict reader refuses, for its revocations only: see `readCrlToAccuse`.
 * @throws as `Crl.from`
 */
export let crlThatAccuses: (input: CrlInput, tolerances: readonly Tolerance[]) => Crl

/**
 * A CRL. `parse` checks the form of everything, entries included, and decodes none of them; an index for
 * `find` is built when first used.
 *
 * @example
 * ```ts
 * const crl = Crl.from(pem)
 * if (crl.verifySignatureBy(root.publicKey)) console.log(crl.find(leaf.serialNumber)?.reason)
 * ```
 */
export class Crl extends CrlExtensions {
  /** DER of the whole list, as found. */
  readonly der: Uint8Array
  /** DER of the TBSCertList: the signed bytes; a view. */
  readonly tbs: Uint8Array
  /** The version number as usually written: 2 is the version with extensions. */
  readonly version: 1 | 2
  /** The signature algorithm. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING. */
  readonly signature: Uint8Array
  /** The name of the signer. */
  readonly issuer: DistinguishedName
  readonly #thisUpdateMs: number
  readonly #nextUpdateMs: number | undefined
  readonly #entries: CrlEntries | undefined

  static {
    crlOfScan = (der, scan) => new Crl(der, noTolerances, readCrlFields(der, noTolerances, scan))
    crlThatAccuses = (input, tolerances) => {
      if (input instanceof Crl) return input
      const der =
        typeof input === 'string' ? decodeOnePem(input, pemLabels) : inputBytes(input, pemLabels, 'CRL')
      const copy = copyOf(der)
      return new Crl(copy, tolerances, readCrlToAccuse(copy, tolerances))
    }
  }

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[], parts: CrlParts) {
    super(parts, tolerances)
    this.der = der
    this.tbs = parts.tbs
    this.signature = parts.signature
    this.version = parts.version
    this.signatureAlgorithm = parts.signatureAlgorithm
    this.issuer = parts.issuer
    this.#thisUpdateMs = parts.thisUpdate.getTime()
    this.#nextUpdateMs = parts.nextUpdate?.getTime()
    this.#entries = parts.entries && new CrlEntries(der, parts.entries, tolerances, () => this.attribution())
  }

  /**
   * Parses a copy of DER.
   *
   * @throws ERR_CRL_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_ALGORITHM_MISMATCH, ERR_EXTENSION_DUPLICATE,
   * ERR_EXTENSION_MALFORMED,
   * ERR_LIMIT_EXCEEDED above 1 GiB or 20,000,000 entries
   */
  static parse(der: Uint8Array, options?: ParseOptions): Crl {
    const copy = copyOf(der)
    const tolerances = readParseOptions('Crl.parse', options)
    return new Crl(copy, tolerances, readCrlFields(copy, tolerances))
  }

  /** A list in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: CrlInput, options?: ParseOptions): Crl {
    if (input instanceof Crl) return input
    if (typeof input === 'string') return Crl.fromPem(input, options)
    return Crl.parse(inputBytes(input, pemLabels, 'CRL'), options)
  }

  /** The list in a PEM text that contains exactly one. @throws ERR_PEM; as `parse` */
  static fromPem(pem: string | Uint8Array, options?: ParseOptions): Crl {
    return Crl.parse(decodeOnePem(pem, pemLabels), options)
  }

  /** Every list of a PEM text, in order. @throws ERR_PEM; as `parse` */
  static listFromPem(pem: string | Uint8Array, options?: ParseOptions): Crl[] {
    return parseBlocks(decodePemBlocks(pem, pemLabels), (der) => Crl.parse(der, options))
  }

  /** The issue date. */
  get thisUpdate(): Date {
    return new Date(this.#thisUpdateMs)
  }

  /** The latest date of the next list; undefined if the list does not contain it. */
  get nextUpdate(): Date | undefined {
    return this.#nextUpdateMs === undefined ? undefined : new Date(this.#nextUpdateMs)
  }

  /** The number of listed certificates. */
  get entryCount(): number {
    return this.#entries?.scan.count ?? 0
  }

  /**
   * Entries that violate RFC 5280 §5.1.2.6 or §5.3: a date without seconds, an undefined reason code, another
   * issuer in a list that is not indirect. At most the first 16. A list with such an entry can revoke the
   * certificates that it lists, but cannot show that any certificate is good.
   */
  get entryFaults(): readonly EntryFault[] {
    return this.#entries?.faults((names) => this.#isOwn(names)) ?? noFaults
  }

  /**
   * An unknown critical entry extension: the list must then not be used for any certificate (RFC 5280 §5.3).
   */
  get unknownCriticalEntryExtension(): string | undefined {
    return this.#entries?.scan.unknownCritical
  }

  /** Every entry in order, decoded during iteration; without entries whose serial number cannot be read. */
  *entries(): Generator<RevokedEntry, void, undefined> {
    if (this.#entries !== undefined) yield* this.#entries.all()
  }

  /**
   * The entry of a certificate, by serial number. If there are several, a permanent revocation takes
   * precedence over a hold, and a hold over `removeFromCRL`.
   *
   * @throws ERR_LIMIT_EXCEEDED for a list that names issuers and has more than 1,024 entries of one serial
   * number
   * @param isIssuer Whether the issuer of an entry is that of the certificate; undefined means the issuer of
   * the list. Without this function, only entries of the issuer of the list are found.
   */
  find(
    serial: SerialNumber | Uint8Array,
    isIssuer?: (names: readonly GeneralName[] | undefined) => boolean,
  ): RevokedEntry | undefined {
    const entries = this.#entries
    if (isIssuer !== undefined || entries?.areOfSeveralIssuers !== true)
      return entries?.find(serial, isIssuer)
    return entries.find(serial, (names) => this.#isOwn(names))
  }

  /** Whether a certificate of the list's own issuer is listed; decodes nothing. */
  has(serial: SerialNumber | Uint8Array): boolean {
    if (this.#entries?.areOfSeveralIssuers === true) return this.find(serial) !== undefined
    return this.#entries?.has(serial) === true
  }

  /** Every entry in order, read in place: for lists with too many entries for an object each. */
  cursor(): RevokedEntryCursor {
    return this.#entries?.cursor() ?? new RevokedEntryCursor(this.der, 0, 0, this.tolerances)
  }

  /**
   * The offset of the first entry with the serial number of a cursor, of this list or another; -1 if there is
   * none.
   */
  offsetOf(cursor: RevokedEntryCursor): number {
    return this.#entries?.offsetOf(cursor) ?? -1
  }

  /**
   * Builds the index of `find` and `has` now, in slices of a few milliseconds between which the event loop
   * runs. For a list of a hundred thousand entries and more, before it is first used: the first `find` builds
   * the index in one piece. Later calls do nothing.
   *
   * @throws ERR_LIMIT_EXCEEDED as `find`
   */
  async buildIndex(): Promise<void> {
    await this.#entries?.buildIndex(new Turns())
  }

  /** The size of the index in octets; builds the index. */
  get indexByteLength(): number {
    return this.#entries?.indexByteLength ?? 0
  }

  /** Whether the signature verifies with this key; checks nothing else of the issuer. */
  verifySignatureBy(issuerKey: PublicKey): boolean {
    return verifySignature(issuerKey, this.signatureAlgorithm, this.tbs, this.signature)
  }

  /**
   * Decodes the issuer, every known extension and every entry now. @throws the first fault found, in the list
   * or in an entry
   */
  checkAll(): void {
    void this.issuer.rdns
    void this.authorityKeyIdentifier
    void this.crlNumber
    void this.deltaCrlIndicator
    void this.issuingDistributionPoint
    void this.freshestCrl
    const [fault] = this.entryFaults
    if (fault !== undefined) throw new PkiError(fault.code, fault.reason)
    for (const entry of this.entries()) void entry
  }

  /** One PEM block. */
  toPem(): string {
    return encodePem('X509 CRL', this.der)
  }

  /**
   * The main fields, one per line; also the output of `util.inspect`. Entries are counted, not listed.
   */
  override toString(): string {
    return formatCrl(this)
  }

  /** The main fields as strings. Never throws: an unreadable field holds the reason. */
  toJSON(): Record<string, unknown> {
    return crlToJson(this)
  }

  /** The list as an object of `@peculiar/x509`, which is loaded on first use. */
  toPeculiar(): X509Crl {
    return toPeculiarCrl(this.der)
  }

  #isOwn(names: readonly GeneralName[] | undefined): boolean {
    return (
      names === undefined ||
      names.some((name) => name.type === 'directoryName' && name.name.equals(this.issuer))
    )
  }
}

defineInspect(Crl.prototype)

function copyOf(der: Uint8Array): Uint8Array {
  const { length } = requireOctets(der, 'the DER of a CRL')
  if (length > maxOctets)
    throw new PkiError('ERR_LIMIT_EXCEEDED', `the CRL has ${length} octets; the maximum is ${maxOctets}`)
  return new Uint8Array(der)
}

const pemLabels = ['X509 CRL', 'CRL']
const maxOctets = 1024 ** 3
const noFaults: readonly EntryFault[] = Object.freeze([])
