// X.509-SVIDs: a chain as a peer presents it, against the trust bundles at hand.

import { TrustDomain } from '../../../src/spiffe/index.ts'
import { TrustBundle, TrustBundleSet, verifyX509Svid } from '../../../src/svid/index.ts'
import { Certificate } from '../../../src/x509/index.ts'
import { bytes, readRows } from '../corpus.ts'
import type { CorpusLoader } from '../corpus.ts'
import { crlRevocation, readable } from './crl-revocation.ts'

interface Row {
  readonly id: string
  readonly chain: readonly string[]
  readonly trust_bundles: Readonly<Record<string, readonly string[]>>
  readonly crls?: readonly string[]
  readonly revocation?: 'none' | 'required' | 'if-available'
  readonly validation_time: string
  readonly purpose?: 'server' | 'client' | null
  readonly authorize_trust_domain?: string | null
  readonly authorize_id?: string | null
  readonly expected: 'accept' | 'reject' | 'either'
  readonly spiffe_id?: string | null
}

export const loadSvids: CorpusLoader = (data) => {
  // The folder holds SPIFFE IDs as well: those have no chain.
  const rows = readRows<Row>(data, 'spiffe', 'cases').filter(({ chain }) => Array.isArray(chain))
  if (rows.length === 0) return []
  return [
    {
      name: 'svids',
      bar: 1,
      cases: rows.map((row) => ({ id: row.id, expected: row.expected, run: () => run(row) })),
    },
  ]
}

function run(row: Row): boolean | 'unsupported' {
  const chain = row.chain.map(bytes)
  const revocation =
    row.revocation === undefined || row.revocation === 'none'
      ? undefined
      : crlRevocation((row.crls ?? []).map(bytes), chain, row.revocation)
  const verdict = verifyX509Svid(chain, {
    // An entry of a bundle that is no certificate is passed over, alone.
    bundles: new TrustBundleSet(
      Object.entries(row.trust_bundles).map(
        ([name, authorities]) =>
          new TrustBundle(TrustDomain.parse(name), {
            x509Authorities: authorities.flatMap((one) => readable(() => Certificate.parse(bytes(one)))),
          }),
      ),
    ),
    time: new Date(row.validation_time),
    ...(row.purpose ? { extendedKeyUsage: row.purpose === 'server' ? 'serverAuth' : 'clientAuth' } : {}),
    ...(row.authorize_id ? { id: row.authorize_id } : {}),
    ...(revocation === undefined ? {} : { revocation }),
  })
  if (!verdict.ok) return false
  if (row.authorize_trust_domain && !verdict.id.memberOf(TrustDomain.parse(row.authorize_trust_domain)))
    return false
  // An SVID accepted under another name is not the answer that was asked for.
  return !row.spiffe_id || verdict.id.toString() === row.spiffe_id
}
