// The entries of a CRL: lookup by serial number, iteration in order, and the issuers of the listed
// certificates (RFC 5280 §5.1.2.6, §5.3.3).

import { DerReader } from '../../der/index.ts'
import type { Turns } from '../../internal/turns/turns.ts'
import type { GeneralName } from '../names/general-name.ts'
import { serialNumberBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { RevokedEntryCursor } from './entry-cursor.ts'
import { CrlIndex } from './entry-index.ts'
import { permanent, serialValue, weightOf } from './entry-octets.ts'
import { maxFaults, scanEntries } from './entry-scan.ts'
import type { EntryFault, EntryScan } from './entry-scan.ts'
import { ifReadable, readEntry, readEntryIssuer } from './revoked-entry.ts'
import type { RevokedEntry } from './revoked-entry.ts'

/** Names of an issuer; undefined means the issuer of the list. */
export type EntryIssuer = readonly GeneralName[] | undefined

/** How the certificate issuer of an entry is determined. */
export interface EntryAttribution {
  /**
   * Whether an entry without an issuer inherits that of the entry before it (RFC 5280 §5.3.3): true for
   * indirect lists.
   */
  readonly inherits: boolean
  /** Whether an entry with an unreadable issuer counts as one of the issuer of the list. */
  readonly unreadableIsOwn: boolean
}

/** The entries of one list; the index is built when first used. */
export class CrlEntries {
  readonly #der: Uint8Array
  readonly #scan: EntryScan
  readonly #tolerances: readonly Tolerance[]
  readonly #attribution: () => EntryAttribution
  #index: CrlIndex | undefined
  #faults: readonly EntryFault[] | undefined
  /** The last issuer that was read: it applies to many entries, and may be long. */
  #named: { readonly offset: number; readonly issuer: EntryIssuer } | undefined

  constructor(
    der: Uint8Array,
    scan: EntryScan,
    tolerances: readonly Tolerance[],
    attribution: () => EntryAttribution,
  ) {
    this.#der = der
    this.#scan = scan
    this.#tolerances = tolerances
    this.#attribution = attribution
  }

  /** The results of one pass over the entries. */
  get scan(): EntryScan {
    return this.#scan
  }

  /**
   * The faults that the scan found, and one for an entry of another issuer in a list that is not indirect.
   * `isOwn` returns whether names are those of the issuer of the list.
   */
  faults(isOwn: (names: EntryIssuer) => boolean): readonly EntryFault[] {
    if (this.#faults === undefined) {
      const foreign = this.#foreignEntry(isOwn)
      const { faults } = this.#scan
      this.#faults = foreign === undefined ? faults : Object.freeze([foreign, ...faults].slice(0, maxFaults))
    }
    return this.#faults
  }

  /** The size of the index in octets; builds the index. */
  get indexByteLength(): number {
    return this.#indexNow().byteLength
  }

  /** Builds the index in turns of the event loop; a lookup meanwhile builds its own. */
  async buildIndex(turns: Turns): Promise<void> {
    if (this.#index !== undefined) return
    const index = await CrlIndex.inTurns(this.#der, this.#scan, turns)
    this.#index ??= index
  }

  /** Every entry in order whose serial number can be read. */
  *all(): Generator<RevokedEntry, void, undefined> {
    const reader = new DerReader(this.#der, this.#scan.start, this.#scan.end)
    while (!reader.done) {
      reader.next()
      if (serialValue(this.#der, reader.contentStart, reader.contentEnd) !== undefined)
        yield this.#read(reader.start)
    }
  }

  /**
   * The entry of a serial number whose issuer `isIssuer` accepts. If there are several, a permanent
   * revocation takes precedence over a hold, and a hold over `removeFromCRL`, in any order: an entry does not
   * cancel another one of the same list.
   */
  find(
    serial: SerialNumber | Uint8Array,
    isIssuer?: (names: EntryIssuer) => boolean,
  ): RevokedEntry | undefined {
    const octets = octetsOf(serial)
    const accept = isIssuer && ((offset: number): boolean => isIssuer(this.#issuerAt(offset)))
    const offset = this.#indexNow().find(octets, accept)
    if (offset < 0) return undefined
    let found = this.#read(offset)
    while (weightOf(found.reason) < permanent) {
      const weight = weightOf(found.reason)
      const heavier = this.#indexNow().find(
        octets,
        (at) => (accept?.(at) ?? true) && weightOf(this.#read(at).reason) > weight,
      )
      if (heavier < 0) break
      found = this.#read(heavier)
    }
    return found
  }

  /** Whether a serial number is listed, for any issuer; decodes nothing. */
  has(serial: SerialNumber | Uint8Array): boolean {
    return this.#indexNow().find(octetsOf(serial)) >= 0
  }

  /** Whether an entry names its own issuer, or may do so. */
  get areOfSeveralIssuers(): boolean {
    return this.#scan.issuerOffsets.length > 0
  }

  /** The entries, read in place. */
  cursor(): RevokedEntryCursor {
    return new RevokedEntryCursor(this.#der, this.#scan.start, this.#scan.end, this.#tolerances)
  }

  /**
   * The offset of the first entry with the serial number of a cursor, of this list or another; -1 if there is
   * none.
   */
  offsetOf({ bytes, serialStart: start, serialEnd }: RevokedEntryCursor): number {
    return this.#indexNow().findBetween(bytes, start, serialEnd)
  }

  #indexNow(): CrlIndex {
    return (this.#index ??= CrlIndex.of(this.#der, this.#scan))
  }

  #read(offset: number): RevokedEntry {
    return readEntry(this.#der, offset, this.#issuerAt(offset), this.#tolerances)
  }

  /** The issuer at an offset: the one named there, or in an indirect list the last one before (§5.3.3). */
  #issuerAt(offset: number): EntryIssuer {
    const offsets = this.#scan.issuerOffsets
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((offsets[middle] as number) <= offset) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const at = offsets[low - 1] as number
    if (at !== offset && !this.#attribution().inherits) return undefined
    if (this.#named?.offset !== at) this.#named = { offset: at, issuer: this.#issuerNamedAt(at) }
    return this.#named.issuer
  }

  /**
   * In an indirect list, an unreadable issuer matches no certificate: the serial number of one CA must not
   * revoke the certificate of another. In a list of one issuer, it is that issuer.
   */
  #issuerNamedAt(offset: number): EntryIssuer {
    const names = readEntryIssuer(this.#der, offset)
    return names ?? (this.#attribution().unreadableIsOwn ? undefined : noNames)
  }

  /** Only entries of an indirect list name issuers (§5.3.3); one that names the list's own is harmless. */
  #foreignEntry(isOwn: (names: EntryIssuer) => boolean): EntryFault | undefined {
    const { issuerOffsets, start, end } = this.#scan
    if (issuerOffsets.length === 0 || this.#attribution().inherits) return undefined
    const place = issuerOffsets.findIndex(
      (offset, at) => at >= maxOwnNames || !isOwn(readEntryIssuer(this.#der, offset)),
    )
    if (place < 0) return undefined
    const offset = issuerOffsets[place] as number
    const reader = new DerReader(this.#der, start, end)
    let index = 0
    for (; reader.offset < offset; index++) reader.next()
    const { serialNumber } = ifReadable(() => this.#read(offset)) ?? {}
    const found =
      place < maxOwnNames ? 'names another issuer' : `is one of more than ${maxOwnNames} with an issuer`
    return Object.freeze({
      index,
      serialNumber,
      code: 'ERR_CRL_MALFORMED',
      reason: `entry ${index} ${found}, and the list is not indirect (RFC 5280 §5.3.3)`,
    })
  }
}

/** Encoded entries that are not part of a list yet. @throws ERR_DER, ERR_LIMIT_EXCEEDED */
export function scannedEntries(octets: Uint8Array): CrlEntries {
  const scan = scanEntries(octets, 0, octets.length, 2, noTolerances)
  return new CrlEntries(octets, scan, noTolerances, () => ({ inherits: false, unreadableIsOwn: true }))
}

function octetsOf(serial: SerialNumber | Uint8Array): Uint8Array {
  return typeof serial === 'string' ? serialNumberBytes(serial) : serial
}

/** The name of each of these entries is read. */
const maxOwnNames = 10_000
const noNames: readonly GeneralName[] = Object.freeze([])
