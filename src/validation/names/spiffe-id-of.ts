// Reads exactly one URI that is a SPIFFE ID with a path (X-1, X-2 and X-12 of X509-SVID.md).

import { isPkiError } from '../../errors/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { GeneralName } from '../../x509/index.ts'

/** The SPIFFE ID of a workload in the names of a certificate or request, or the rule that they break. */
export type FoundSpiffeId =
  | { readonly id: SpiffeId }
  | {
      /** The rule of X509-SVID.md: `X-1`, `X-2`, `X-12`. */
      readonly rule: string
      /** What was found and what was expected. */
      readonly fault: string
    }

/** Reads the SPIFFE ID of a workload: there must be exactly one URI, of any scheme. */
export function readSpiffeId(names: readonly GeneralName[] | undefined): FoundSpiffeId {
  let uri: string | undefined
  let count = 0
  for (const name of names ?? []) {
    if (name.type !== 'uri') continue
    uri = name.value
    count++
  }
  if (uri === undefined || count !== 1)
    return { rule: 'X-1', fault: `found ${count} URI names, expected exactly one` }
  let id: SpiffeId
  try {
    id = SpiffeId.parse(uri)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return { rule: 'X-12', fault: error.message }
  }
  return id.hasPath
    ? { id }
    : { rule: 'X-2', fault: `${id.toString()} has no path: it identifies a trust domain, not a workload` }
}
