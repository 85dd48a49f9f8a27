// Revocation lists by the paths that `crlDistribution` gives them.

import type { Crl } from '../../x509/index.ts'

/** The lists of the authority at one moment, by path. */
export class CrlPaths {
  /** The list of the current issuing key. */
  readonly first: Crl | undefined
  readonly #lists = new Map<string, Crl>()

  /** Every list is read once here: an unauthenticated request must not visit all shards of all issuers. */
  constructor(lists: readonly Crl[]) {
    this.first = lists[0]
    for (const list of lists)
      for (const path of pathsOf(list)) if (!this.#lists.has(path)) this.#lists.set(path, list)
  }

  /** The list at a path after `/crl/`. */
  get(path: string): Crl | undefined {
    const parts = /^([0-9A-Fa-f]{2,128})((?:\/\d{1,4})?(?:\.delta)?\.crl)$/.exec(path)
    return parts === null ? undefined : this.#lists.get(`${(parts[1] as string).toUpperCase()}${parts[2]}`)
  }
}

/** The key identifier of the issuer, the shard if the list is of one, and the kind. */
function pathsOf(list: Crl): string[] {
  const octets = list.authorityKeyIdentifier?.keyIdentifier
  if (octets === undefined) return []
  const issuer = Buffer.from(octets).toString('hex').toUpperCase()
  const kind = list.deltaCrlIndicator === undefined ? '.crl' : '.delta.crl'
  const name = list.issuingDistributionPoint?.name
  if (name === undefined) return [`${issuer}${kind}`]
  return ('fullName' in name ? name.fullName : []).flatMap((one) => {
    const shard = one.type === 'uri' ? /\/([0-9A-F]+)(\/\d{1,4})\.crl$/.exec(one.value) : null
    return shard?.[1] === issuer ? [`${issuer}${shard[2]}${kind}`] : []
  })
}
