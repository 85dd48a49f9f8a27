// One authority of the store, read: its certificates parsed, its details checked.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isMeasure } from '../../internal/numbers.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import { Certificate } from '../../x509/index.ts'
import type { AuthorityRecord } from '../records/authority-store.ts'

/** Data that the rotation stores for an authority in addition to its state; times in milliseconds. */
export interface RotationDetails {
  /** When the certificate was made. */
  readonly createdMs?: number | undefined
  /** From 0 to 1, chosen once: the share of the jitter by which its rotation is earlier. */
  readonly jitter?: number | undefined
  /** When its root was added to the trust bundle. */
  readonly publishedMs?: number | undefined
  /** The share of issuance that it has before it is active. */
  readonly share?: number | undefined
  /** DER of a certificate of the same key by the CA before it. */
  readonly cross?: Uint8Array | undefined
}

/** An authority of the store. */
export interface HeldAuthority {
  readonly record: AuthorityRecord
  readonly certificate: Certificate
  /** The CA certificates above it, without the root. */
  readonly chain: readonly Certificate[]
  /** The roots above it; the certificate itself if it is a root. */
  readonly anchors: readonly Certificate[]
  readonly cross: Certificate | undefined
  readonly details: RotationDetails
}

/** @throws ERR_STORE_CORRUPT */
export function readAuthority(record: AuthorityRecord): HeldAuthority {
  try {
    const certificate = Certificate.parse(record.certificate)
    const details = readDetails(record.details)
    const { cross } = details
    return Object.freeze({
      record,
      certificate,
      chain: record.chain.map((der) => Certificate.parse(der)),
      anchors: record.roots.length === 0 ? [certificate] : record.roots.map((der) => Certificate.parse(der)),
      cross: cross === undefined ? undefined : Certificate.parse(cross),
      details,
    })
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_STORE_CORRUPT', `the authority ${record.id} of the store: ${cause.message}`, {
      cause,
    })
  }
}

/** The details as the text of a record. */
export function formatDetails({ cross, ...numbers }: RotationDetails): string {
  return JSON.stringify({
    ...numbers,
    ...(cross === undefined ? {} : { cross: Buffer.from(cross).toString('base64') }),
  })
}

/** Earlier versions may have written no details, or other ones. */
function readDetails(text: string | undefined): RotationDetails {
  if (text === undefined) return {}
  const read = parseJson(text, { maxBytes: 64 * 1024 })
  if (!isJsonObject(read)) return {}
  const number = (key: string, most: number): number | undefined =>
    isMeasure(read[key], 0, most) ? (read[key] as number) : undefined
  const { cross } = read
  return {
    createdMs: number('createdMs', lastMs),
    jitter: number('jitter', 1),
    publishedMs: number('publishedMs', lastMs),
    share: number('share', 1),
    cross: typeof cross === 'string' ? new Uint8Array(Buffer.from(cross, 'base64')) : undefined,
  }
}

/** The latest time that a Date can represent. */
const lastMs = 8.64e15
