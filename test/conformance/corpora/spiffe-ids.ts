// SPIFFE IDs, trust domain names and membership.

import { SpiffeId, TrustDomain } from '../../../src/spiffe/index.ts'
import { readRows } from '../corpus.ts'
import type { CorpusLoader } from '../corpus.ts'

interface Row {
  readonly id: string
  readonly kind?: string
  readonly input: string
  readonly expected: 'accept' | 'reject' | 'either'
  readonly trust_domain?: string
  readonly path?: string
}

export const loadSpiffeIds: CorpusLoader = (data) => {
  // The folder holds SVIDs as well: those have a chain.
  const rows = readRows<Row>(data, 'spiffe', 'cases').filter((row) => typeof row.input === 'string')
  if (rows.length === 0) return []
  return [
    {
      name: 'spiffe-ids',
      bar: 1,
      cases: rows.map((row) => ({ id: row.id, expected: row.expected, run: () => run(row) })),
    },
  ]
}

function run(row: Row): boolean | 'unsupported' {
  switch (row.kind) {
    case 'member':
      return SpiffeId.parse(row.input).memberOf(TrustDomain.parse(row.trust_domain ?? ''))
    case 'trust-domain': {
      const { name } = TrustDomain.parse(row.input)
      return row.trust_domain === undefined || name === row.trust_domain
    }
    case 'id': {
      const id = SpiffeId.parse(row.input)
      return (
        (row.trust_domain === undefined || id.trustDomain.name === row.trust_domain) &&
        (row.path === undefined || id.path === row.path)
      )
    }
    default:
      return 'unsupported'
  }
}
