// Reads long lists, and builds them around encoded entries, in turns of the event loop (RFC 5280 §5.1).

import { DerReader, headerLength, tags, writeHeader } from '../../der/index.ts'
import type { Turns } from '../../internal/turns/turns.ts'
import { signatureAlgorithms } from '../algorithms/signature-algorithm.ts'
import type { SignatureAlgorithm } from '../algorithms/signature-algorithm.ts'
import { noTolerances } from '../tolerances.ts'
import { crlOfScan } from './crl.ts'
import type { Crl } from './crl.ts'
import { scanEntries } from './entry-scan.ts'
import type { EntryScan } from './entry-scan.ts'

/**
 * Like `Crl.parse`, but in turns of the event loop and without a copy: the octets must not change afterwards.
 * @throws as `Crl.parse`
 */
export async function parseCrlInTurns(der: Uint8Array, turns: Turns): Promise<Crl> {
  let span: { readonly start: number; readonly end: number } | undefined
  const empty = crlOfScan(der, (_, start, end) => {
    span = { start, end }
    return emptyScan(start, end)
  })
  if (span === undefined) return empty
  const { start, end } = span
  let count = 0
  for (let at = start; at < end;) {
    const stop = endOfSome(der, at, end)
    const scan = scanEntries(der, at, stop, empty.version, noTolerances)
    // The lists of this CA have none of these. Their offsets refer to the whole list, so a list with one is
    // scanned in one piece.
    const { faults, issuerOffsets, unknownCritical } = scan
    if (faults.length > 0 || issuerOffsets.length > 0 || unknownCritical !== undefined)
      return crlOfScan(der, scanEntries)
    count += scan.count
    at = stop
    await turns.give()
  }
  return crlOfScan(der, () => ({ ...emptyScan(start, end), count }))
}

/** The end of the entry that is some thousand entries further on. */
function endOfSome(der: Uint8Array, start: number, end: number): number {
  const reader = new DerReader(der, start, end)
  for (let entry = 0; entry < entriesATurn && !reader.done; entry++) reader.next('revokedCertificate')
  return reader.offset
}

function emptyScan(start: number, end: number): EntryScan {
  return { start, end, count: 0, issuerOffsets: [], unknownCritical: undefined, faults: Object.freeze([]) }
}

/** The parts of a long list. @inline */
export interface CrlAssembly {
  /** The fields of the TBSCertList around the entries: see `encodeCrlFrame`. */
  readonly frame: { readonly before: Uint8Array; readonly after: Uint8Array }
  /** Encoded entries, each scanned before; any number of pieces. */
  readonly pieces: readonly Uint8Array[]
  /** How many entries the pieces have. */
  readonly count: number
  readonly algorithm: SignatureAlgorithm
  /** Signs `tbs`, which no other code reads or changes while it runs. */
  readonly sign: (tbs: Uint8Array) => Promise<Uint8Array>
}

/** A signed list, made in turns; the octets of the entries are copied once. @throws what `sign` throws */
export async function assembleCrl(
  { frame, pieces, count, algorithm, sign }: CrlAssembly,
  turns: Turns,
): Promise<Crl> {
  const { identifier } = signatureAlgorithms[algorithm]
  const listed = pieces.reduce((length, piece) => length + piece.length, 0)
  const list = listed === 0 ? 0 : headerLength(listed) + listed
  const content = frame.before.length + list + frame.after.length
  const tbsLength = headerLength(content) + content
  // The outer header depends on the length of the signature, which comes last.
  const out = new Uint8Array(maxHeader + tbsLength + identifier.length + maxHeader + maxSignatureOctets)
  let at = writeHeader(out, maxHeader, tags.sequence, content)
  out.set(frame.before, at)
  at += frame.before.length
  if (listed > 0) {
    at = writeHeader(out, at, tags.sequence, listed)
    for (const piece of pieces) {
      out.set(piece, at)
      at += piece.length
      await turns.give()
    }
  }
  out.set(frame.after, at)
  at += frame.after.length
  const signature = await sign(out.subarray(maxHeader, at))
  out.set(identifier, at)
  at = writeHeader(out, at + identifier.length, tags.bitString, signature.length + 1)
  out[at] = 0
  out.set(signature, at + 1)
  at += 1 + signature.length
  const start = maxHeader - headerLength(at - maxHeader)
  writeHeader(out, start, tags.sequence, at - maxHeader)
  // For a short list, the memory that was reserved for a longer signature is released.
  const der = out.length < smallOctets ? out.slice(start, at) : out.subarray(start, at)
  return crlOfScan(der, (_, first, end) => ({ ...emptyScan(first, end), count }))
}

const entriesATurn = 2048
/** Tag and length of up to four octets. */
const maxHeader = 6
/** RSA of 16,384 bits. */
const maxSignatureOctets = 2048
const smallOctets = 256 * 1024
