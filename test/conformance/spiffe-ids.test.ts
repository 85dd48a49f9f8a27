// Every row of the SPIFFE ID corpus (see its README for the schema).

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe/index.ts'

interface Row {
  readonly id: string
  readonly kind: 'id' | 'trust-domain' | 'member'
  readonly input: string
  readonly expected: 'accept' | 'reject' | 'either'
  readonly preferred?: 'accept' | 'reject'
  readonly trust_domain?: string
  readonly path?: string
  readonly reason: string
}

const file = join(process.env['SPIFFE_PKI_CONFORMANCE'] ?? '../shared/conformance', 'spiffe/spiffe-ids.json')
const present = existsSync(file)
if (!present) console.warn(`skipped: SPIFFE ID corpus, ${file} is absent`)
const rows = present ? (JSON.parse(readFileSync(file, 'utf8')) as { cases: Row[] }).cases : []

describe.skipIf(!present)('SPIFFE ID corpus', () => {
  it.each(rows.map((row) => [row.id, row] as const))('%s', (_id, row) => {
    const wanted = row.expected === 'either' ? row.preferred : row.expected
    expect(wanted === undefined ? ['accept', 'reject'] : [wanted], row.reason).toContain(
      judge(row) ? 'accept' : 'reject',
    )
  })
})

function judge(row: Row): boolean {
  try {
    if (row.kind === 'member')
      return SpiffeId.parse(row.input).memberOf(TrustDomain.parse(row.trust_domain ?? ''))
    if (row.kind === 'trust-domain') {
      const trustDomain = TrustDomain.parse(row.input)
      expect(TrustDomain.tryParse(row.input)?.name).toBe(trustDomain.name)
      if (row.trust_domain !== undefined) expect(trustDomain.name).toBe(row.trust_domain)
      return true
    }
    const id = SpiffeId.parse(row.input)
    expect(SpiffeId.tryParse(row.input)?.toString()).toBe(row.input)
    if (row.trust_domain !== undefined) expect(id.trustDomain.name).toBe(row.trust_domain)
    if (row.path !== undefined) expect(id.path).toBe(row.path)
    return true
  } catch (error) {
    if (!isPkiError(error)) throw error
    const again = row.kind === 'trust-domain' ? TrustDomain.tryParse(row.input) : SpiffeId.tryParse(row.input)
    expect(again).toBeUndefined()
    return false
  }
}
