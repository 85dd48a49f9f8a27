// One CRL entry as an object: each readable part, even if others are invalid (RFC 5280 §5.1.2.6, §5.3).

import { DerReader, readTime, tags } from '../../der/index.ts'
import { isPkiError } from '../../errors/index.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import {
  parseCertificateIssuer,
  parseInvalidityDate,
  parseReasonCode,
} from '../extensions/revocation-extensions.ts'
import type { CrlReason } from '../extensions/revocation-extensions.ts'
import { readExtensions, extensionOids as oids } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import type { GeneralName } from '../names/general-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import type { Tolerance } from '../tolerances.ts'
import { serialValue } from './entry-octets.ts'
import type { SerialRange } from './entry-octets.ts'

/** One revoked certificate. */
export interface RevokedEntry {
  /** The number of the revoked certificate. */
  readonly serialNumber: SerialNumber
  /** The revocation date; undefined if it cannot be read (`Crl.entryFaults`). */
  readonly revocationDate: Date | undefined
  /** `unspecified` if the entry has no reason, or no readable one. */
  readonly reason: CrlReason
  /** Since when the key may have been compromised (RFC 5280 §5.3.2); undefined if unknown. */
  readonly invalidityDate: Date | undefined
  /**
   * The issuer of the certificate; undefined means the issuer of the CRL. In an indirect list, it is
   * inherited from earlier entries (RFC 5280 §5.3.3).
   */
  readonly certificateIssuer: readonly GeneralName[] | undefined
}

/** The entry at an offset found by a scan, whose serial number can be read. */
export function readEntry(
  bytes: Uint8Array,
  offset: number,
  certificateIssuer: readonly GeneralName[] | undefined,
  tolerances: readonly Tolerance[],
): RevokedEntry {
  const outer = new DerReader(bytes, offset)
  outer.next('revokedCertificate')
  const entry = outer.inner()
  const serial = serialValue(bytes, entry.offset, entry.end) as SerialRange
  const serialNumber = serialNumberFromBytes(bytes.subarray(serial.start, serial.end))
  entry.next('userCertificate')
  const revocationDate = ifReadable(() => new Date(readTime(entry, 'revocationDate')))
  let reason: CrlReason | undefined
  let invalidityDate: Date | undefined
  for (const { oid, value } of readEntryExtensions(entry, tolerances) ?? []) {
    if (oid === oids.reasonCode) reason = ifReadable(() => parseReasonCode(value))
    else if (oid === oids.invalidityDate)
      invalidityDate = ifReadable(() => new Date(parseInvalidityDate(value)))
  }
  return Object.freeze({
    serialNumber,
    revocationDate,
    reason: reason ?? 'unspecified',
    invalidityDate,
    certificateIssuer,
  })
}

/**
 * The certificate issuer that the entry at an offset names; undefined if it, or its extension, cannot be
 * read. Defects of other extensions do not make it uncertain; a second certificateIssuer extension does.
 */
export function readEntryIssuer(bytes: Uint8Array, offset: number): readonly GeneralName[] | undefined {
  return ifReadable(() => {
    const entry = new DerReader(bytes, offset)
    entry.next('revokedCertificate')
    const extensions = oddEntryExtensions(bytes, entry.contentStart, entry.contentEnd) ?? []
    const [named, second] = extensions.filter(({ oid }) => oid === oids.certificateIssuer)
    if (named === undefined || second !== undefined) return undefined
    return freezeDeep(parseCertificateIssuer(named.value, formTolerances))
  })
}

/** A reader after the serial number and the date, which may be absent; undefined if they cannot be read. */
export function extensionsReader(bytes: Uint8Array, start: number, end: number): DerReader | undefined {
  return ifReadable(() => {
    const entry = new DerReader(bytes, start, end)
    entry.next('userCertificate')
    if (!entry.done && entry.peek() !== tags.sequence) entry.next('revocationDate')
    return entry
  })
}

/**
 * The extensions of an entry with defects of form: repeated ones, an empty list, explicit defaults. They are
 * used for restrictions and issuer names, never to show that a certificate is good.
 */
export function oddEntryExtensions(
  bytes: Uint8Array,
  start: number,
  end: number,
): readonly Extension[] | undefined {
  const entry = extensionsReader(bytes, start, end)
  return entry && readEntryExtensions(entry, formTolerances, true)
}

const formTolerances: readonly Tolerance[] = Object.freeze<Tolerance[]>([
  'explicit-defaults',
  'empty-extensions',
  'invalid-string-octets',
])

/** The octets after the date of an entry; undefined if they cannot be read. */
export function readEntryExtensions(
  entry: DerReader,
  tolerances: readonly Tolerance[],
  mayRepeat = false,
): readonly Extension[] | undefined {
  if (entry.done) return []
  return ifReadable(() =>
    readExtensions(
      entry.expect(tags.sequence, 'crlEntryExtensions').inner(),
      'crlEntryExtensions',
      tolerances,
      mayRepeat,
    ),
  )
}

/** The value, or undefined if the octets are invalid. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isPkiError(error)) return undefined
    throw error
  }
}
