// The text and JSON forms of a CRL for logs, terminals and JSON.

import { formatRows, formatTime, readable } from '../describe.ts'
import type { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'
import type { EntryFault } from './entry-scan.ts'

/** The displayed fields of a list. */
interface ShownCrl {
  readonly issuer: DistinguishedName
  readonly crlNumber: bigint | undefined
  readonly deltaCrlIndicator: bigint | undefined
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  readonly entryCount: number
  readonly entryFaults: readonly EntryFault[]
  readonly signatureAlgorithm: AlgorithmIdentifier
}

/** The heading and the rows of a list, with the number of entries. */
export function formatCrl(list: ShownCrl): string {
  return formatRows('Crl', [
    ['signed by', () => list.issuer.toString()],
    ['number', () => list.crlNumber?.toString()],
    ['delta to', () => list.deltaCrlIndicator?.toString()],
    ['made', () => formatTime(list.thisUpdate)],
    ['next', () => (list.nextUpdate === undefined ? '(no nextUpdate)' : formatTime(list.nextUpdate))],
    ['revoked', () => String(list.entryCount)],
    ['odd', () => list.entryFaults[0]?.reason],
  ])
}

/** The same fields as strings. */
export function crlToJson(list: ShownCrl): Record<string, unknown> {
  const { signatureAlgorithm } = list
  return {
    issuer: readable(() => list.issuer.toString()),
    crlNumber: readable(() => list.crlNumber?.toString()),
    deltaCrlIndicator: readable(() => list.deltaCrlIndicator?.toString()),
    thisUpdate: list.thisUpdate.toISOString(),
    nextUpdate: list.nextUpdate?.toISOString(),
    entryCount: list.entryCount,
    ...(list.entryFaults.length === 0 ? {} : { entryFaults: list.entryFaults.map(({ reason }) => reason) }),
    signatureAlgorithm: readable(() => signatureAlgorithm.signatureAlgorithm ?? signatureAlgorithm.oid),
  }
}
