// A certificate revocation list: a view over its DER. RFC 5280 section 5.

import type { X509Crl } from '@peculiar/x509'
import { DerReader, contextConstructed, readTime, readWhole, smallInteger, tags } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { decodeOnePem, decodePemBlocks, encodePem } from '../internal/pem.ts'
import { AlgorithmIdentifier, checkSignedAlgorithm, readSigned } from './algorithms/signature-algorithm.ts'
import type { PublicKey } from './algorithms/public-key.ts'
import { verifySignature } from './algorithms/verify-signature.ts'
import {
  parseCrlNumber,
  parseDistributionPoints,
  parseIssuingDistributionPoint,
} from './extensions/revocation-extensions.ts'
import type { DistributionPoint, IssuingDistributionPoint } from './extensions/revocation-extensions.ts'
import { readExtensions, extensionOids as oids } from './extensions/extension.ts'
import type { Extension } from './extensions/extension.ts'
import { parseAuthorityKeyIdentifier } from './extensions/key-extensions.ts'
import type { AuthorityKeyIdentifier } from './extensions/key-extensions.ts'
import { inputBytes, toPeculiarCrl } from './interchange.ts'
import type { RawData } from './interchange.ts'
import { DistinguishedName } from './names/distinguished-name.ts'
import type { GeneralName } from './names/general-name.ts'
import {
  readEntry,
  readEntryIssuer,
  scanEntries,
  RevocationListIndex,
  RevokedEntryCursor,
} from './revocation-list-entries.ts'
import type { EntryScan, RevokedEntry } from './revocation-list-entries.ts'
import { serialNumberBytes } from './serial-number.ts'
import type { SerialNumber } from './serial-number.ts'

/** Every form a list is taken in: ours, DER, PEM of one block, `@peculiar/x509`'s. */
export type RevocationListInput = RevocationList | Uint8Array | string | RawData

/**
 * A CRL. `parse` checks the form of everything, entries included, and decodes none of them; an index for `find` is built when first used.
 *
 * @example
 * ```ts
 * const crl = RevocationList.from(pem)
 * if (crl.verifySignatureBy(root.publicKey)) console.log(crl.find(leaf.serialNumber)?.reason)
 * ```
 */
export class RevocationList {
  /** DER of the whole list, as found. */
  readonly der: Uint8Array
  /** DER of the TBSCertList: the signed bytes; a view. */
  readonly tbs: Uint8Array
  /** As people count: 2 is the one with extensions. */
  readonly version: 1 | 2
  /** What it is signed with. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING. */
  readonly signature: Uint8Array
  /** Who signed it. */
  readonly issuer: DistinguishedName
  /** When it was made. */
  readonly thisUpdate: Date
  /** When the next one comes at the latest; undefined where nobody says. */
  readonly nextUpdate: Date | undefined
  /** Every extension of the list, known or not. */
  readonly extensions: readonly Extension[]
  readonly #scan: EntryScan | undefined
  #index: RevocationListIndex | undefined
  /** The issuer that was named last: it holds for many entries, and may be long. */
  #named: { readonly offset: number; readonly issuer: readonly GeneralName[] | undefined } | undefined
  #decoded: Map<string, unknown> | undefined

  private constructor(der: Uint8Array) {
    const list = readWhole(der, tags.sequence, 'CertificateList')
    const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(list, 'tbsCertList')
    list.finish('CertificateList')
    this.der = der
    this.tbs = tbsDer
    this.signature = signature
    this.version = readVersion(tbs)
    checkSignedAlgorithm(tbs, algorithm, 'RFC 5280 5.1.1.2')
    this.signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
    this.issuer = DistinguishedName.fromDer(tbs.expect(tags.sequence, 'issuer').element())
    this.thisUpdate = new Date(readTime(tbs, 'thisUpdate'))
    const next = tbs.peek()
    this.nextUpdate =
      next === tags.utcTime || next === tags.generalizedTime
        ? new Date(readTime(tbs, 'nextUpdate'))
        : undefined
    let entries: DerReader | undefined
    if (tbs.optional(tags.sequence)) {
      entries = tbs.inner()
      if (entries.done)
        throw new PkiError('ERR_CRL_MALFORMED', 'revokedCertificates is there and empty (RFC 5280 5.1.2.6)')
    }
    this.extensions = readListExtensions(tbs, this.version)
    tbs.finish('tbsCertList')
    this.#scan =
      entries === undefined ? undefined : scanEntries(der, entries.offset, entries.end, this.version)
  }

  /**
   * Parses DER. The bytes are kept, not copied: do not change them afterwards.
   *
   * @throws ERR_CRL_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_ALGORITHM_MISMATCH, ERR_EXTENSION_DUPLICATE, ERR_EXTENSION_MALFORMED,
   * ERR_LIMIT_EXCEEDED above 1 GiB or 20,000,000 entries
   */
  static parse(der: Uint8Array): RevocationList {
    const { length } = requireOctets(der, 'the DER of a CRL')
    if (length > maxOctets)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `a CRL of ${length} octets; at most ${maxOctets} are read`)
    return new RevocationList(der)
  }

  /** A list in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: RevocationListInput): RevocationList {
    if (input instanceof RevocationList) return input
    if (typeof input === 'string') return RevocationList.fromPem(input)
    return RevocationList.parse(inputBytes(input, pemLabels, 'CRL'))
  }

  /** The one list of a PEM text. @throws ERR_PEM; as `parse` */
  static fromPem(pem: string | Uint8Array): RevocationList {
    return RevocationList.parse(decodeOnePem(pem, pemLabels))
  }

  /** Every list of a PEM text, in order. @throws ERR_PEM; as `parse` */
  static listFromPem(pem: string | Uint8Array): RevocationList[] {
    return decodePemBlocks(pem, pemLabels).map((der) => RevocationList.parse(der))
  }

  /** How many certificates are listed. */
  get entryCount(): number {
    return this.#scan?.count ?? 0
  }

  /** A critical entry extension that is not known: then the list says nothing of any certificate (RFC 5280 §5.3). */
  get unknownCriticalEntryExtension(): string | undefined {
    return this.#scan?.unknownCritical
  }

  /** Which key of the issuer signed (RFC 5280 §5.2.1). */
  get authorityKeyIdentifier(): AuthorityKeyIdentifier | undefined {
    return this.#decode(oids.authorityKeyIdentifier, parseAuthorityKeyIdentifier)
  }

  /** Grows from list to list (§5.2.3). */
  get crlNumber(): bigint | undefined {
    return this.#decode(oids.crlNumber, parseCrlNumber)
  }

  /** The number of the list that this one completes; undefined = it is complete itself. */
  get deltaCrlIndicator(): bigint | undefined {
    return this.#decode(oids.deltaCrlIndicator, parseCrlNumber)
  }

  /** What the list is about, where it is not about everything (§5.2.5). */
  get issuingDistributionPoint(): IssuingDistributionPoint | undefined {
    return this.#decode(oids.issuingDistributionPoint, parseIssuingDistributionPoint)
  }

  /** Where delta CRLs for this list are (§5.2.6). */
  get freshestCrl(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.freshestCrl, (der) => parseDistributionPoints(der, 'freshestCRL'))
  }

  /** The extension of this type, if present. */
  extension(oid: string): Extension | undefined {
    return this.extensions.find((extension) => extension.oid === oid)
  }

  /** Every entry in order, decoded as it comes. */
  *entries(): Generator<RevokedEntry, void, undefined> {
    if (this.#scan === undefined) return
    const reader = new DerReader(this.der, this.#scan.start, this.#scan.end)
    while (!reader.done) {
      reader.next()
      yield readEntry(this.der, reader.start, this.#issuerAt(reader.start))
    }
  }

  /**
   * The entry of a certificate, by serial number.
   *
   * @throws ERR_LIMIT_EXCEEDED for a list that names issuers and has more than 1,024 entries of one serial number
   * @param isIssuer Whether the issuer that an entry is for is the certificate's; undefined stands for the issuer of the list. Without
   * it only entries for the issuer of the list are found.
   */
  find(
    serial: SerialNumber | Uint8Array,
    isIssuer?: (names: readonly GeneralName[] | undefined) => boolean,
  ): RevokedEntry | undefined {
    const scan = this.#scan
    if (scan === undefined) return undefined
    const octets = typeof serial === 'string' ? serialNumberBytes(serial) : serial
    this.#index ??= new RevocationListIndex(this.der, scan)
    const plain = scan.issuerOffsets.length === 0 && isIssuer === undefined
    const accept = plain
      ? undefined
      : (offset: number): boolean =>
          isIssuer === undefined ? this.#isOwn(this.#issuerAt(offset)) : isIssuer(this.#issuerAt(offset))
    const offset = this.#index.find(octets, accept)
    return offset < 0 ? undefined : readEntry(this.der, offset, this.#issuerAt(offset))
  }

  /** Whether a certificate of the list's own issuer is listed; decodes nothing. */
  has(serial: SerialNumber | Uint8Array): boolean {
    const scan = this.#scan
    if (scan === undefined) return false
    if (scan.issuerOffsets.length > 0) return this.find(serial) !== undefined
    this.#index ??= new RevocationListIndex(this.der, scan)
    return this.#index.find(typeof serial === 'string' ? serialNumberBytes(serial) : serial) >= 0
  }

  /** Every entry in order, in place: for lists whose entries are too many to be objects. */
  cursor(): RevokedEntryCursor {
    return new RevokedEntryCursor(this.der, this.#scan?.start ?? 0, this.#scan?.end ?? 0)
  }

  /** Where the first entry begins that has the serial number which a cursor, of this list or another, is at; -1 where there is none. */
  offsetOf({ bytes, serialStart, serialEnd }: RevokedEntryCursor): number {
    if (this.#scan === undefined) return -1
    this.#index ??= new RevocationListIndex(this.der, this.#scan)
    return this.#index.findBetween(bytes, serialStart, serialEnd)
  }

  /** Octets that the index takes; builds it. */
  get indexByteLength(): number {
    if (this.#scan === undefined) return 0
    this.#index ??= new RevocationListIndex(this.der, this.#scan)
    return this.#index.byteLength
  }

  /** Whether the signature verifies with this key; says nothing else about the issuer. */
  verifySignatureBy(issuerKey: PublicKey): boolean {
    return verifySignature(issuerKey, this.signatureAlgorithm, this.tbs, this.signature)
  }

  /** Decodes the issuer, every known extension and every entry now. @throws the first fault found */
  checkAll(): void {
    void this.issuer.rdns
    void this.authorityKeyIdentifier
    void this.crlNumber
    void this.deltaCrlIndicator
    void this.issuingDistributionPoint
    void this.freshestCrl
    for (const entry of this.entries()) void entry
  }

  /** One PEM block. */
  toPem(): string {
    return encodePem('X509 CRL', this.der)
  }

  /** The list as `@peculiar/x509` has it; loads that package on first use. */
  toPeculiar(): X509Crl {
    return toPeculiarCrl(this.der)
  }

  #decode<T>(oid: string, parse: (der: Uint8Array) => T): T | undefined {
    const known = this.#decoded?.get(oid)
    if (known !== undefined) return known as T
    const extension = this.extension(oid)
    if (extension === undefined) return undefined
    const value = parse(extension.value)
    this.#decoded ??= new Map()
    this.#decoded.set(oid, value)
    return value
  }

  #isOwn(names: readonly GeneralName[] | undefined): boolean {
    return (
      names === undefined ||
      names.some((name) => name.type === 'directoryName' && name.name.equals(this.issuer))
    )
  }

  /** The issuer that holds at an offset: the last one named at or before it (RFC 5280 §5.3.3). */
  #issuerAt(offset: number): readonly GeneralName[] | undefined {
    const offsets = this.#scan?.issuerOffsets ?? []
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((offsets[middle] as number) <= offset) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const named = offsets[low - 1] as number
    if (this.#named?.offset !== named)
      this.#named = { offset: named, issuer: readEntryIssuer(this.der, named) }
    return this.#named.issuer
  }
}

/** Absent = version 1; the only other is 1, which is version 2 (RFC 5280 5.1.2.1). */
function readVersion(tbs: DerReader): 1 | 2 {
  if (tbs.peek() !== tags.integer) return 1
  tbs.next()
  const value = smallInteger(tbs, 'version')
  if (value !== 1)
    throw new PkiError(
      'ERR_CRL_MALFORMED',
      `version ${value + 1} where only 2 may be written; version 1 has no version field (RFC 5280 5.1.2.1)`,
    )
  return 2
}

function readListExtensions(tbs: DerReader, version: 1 | 2): readonly Extension[] {
  if (!tbs.optional(contextConstructed(0))) return []
  if (version === 1)
    throw new PkiError('ERR_CRL_MALFORMED', 'extensions in a CRL of version 1 (RFC 5280 5.1.2.1)')
  const wrapper = tbs.inner()
  const list = wrapper.expect(tags.sequence, 'crlExtensions').inner()
  wrapper.finish('crlExtensions')
  return readExtensions(list, 'crlExtensions')
}

const pemLabels = ['X509 CRL', 'CRL']
const maxOctets = 1024 ** 3
