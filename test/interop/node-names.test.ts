// Hosts, addresses and mailboxes, matched by us and by OpenSSL through `node:crypto`: what we match, it
// matches.

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'
import { checkPeerName } from '../../src/validation/names/index.ts'
import type { PeerName } from '../../src/validation/names/index.ts'
import { generalName } from '../../src/x509/index.ts'
import { formatIpAddress } from '../../src/x509/internal.ts'
import type { Certificate, GeneralName } from '../../src/x509/index.ts'
import { makeAuthority, makeLeaf, newSigner } from '../unit/validation/test-pki.ts'

const runs = Number(process.env['SPIFFE_PKI_OPINIONS'] ?? 1500)
const signer = newSigner()
const issuer = makeAuthority('ca', undefined, { signer })
const leafOf = async (subjectAltName: readonly GeneralName[]): Promise<Certificate> =>
  makeLeaf(await issuer, { signer, extensions: { subjectAltName } })

/** Whether we match; a wanted name that nobody can have is matched by nothing. */
function ours(leaf: Certificate, wanted: PeerName): boolean {
  try {
    return checkPeerName(leaf, wanted) === undefined
  } catch (error) {
    if (!isPkiError(error)) throw error
    return false
  }
}

const label = fc.constantFrom('a', 'A', 'b', 'example', 'com', 'xn--bcher-kva', '_x', '1', 'a-b', '')
const pattern = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: label },
      { weight: 2, arbitrary: fc.constant('*') },
      { weight: 1, arbitrary: fc.constantFrom('a*', '*a', 'xn--*', '**') },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((labels) => labels.join('.'))
const dotted = (labels: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(labels, { minLength: 1, maxLength: 4 }).map((list) => list.join('.'))
/** One that the pattern may have been made for, mostly. */
const pair = pattern.chain((text) =>
  fc.tuple(
    fc.constant(text),
    fc.oneof(
      fc.constant(text.replaceAll('*', 'b')),
      fc.constant(text.replaceAll('*', 'a.b')),
      fc.constant(text.toUpperCase()),
      dotted(label),
    ),
  ),
)

describe('names', () => {
  it(`of hosts: ${runs} agree, or ours is narrower`, async () => {
    let both = 0
    await fc.assert(
      fc.asyncProperty(pair, async ([presented, wanted]) => {
        const leaf = await leafOf([generalName.dns(presented)])
        const theirs = new X509Certificate(leaf.der).checkHost(wanted) !== undefined
        if (ours(leaf, { dns: wanted })) {
          // OpenSSL takes an underscore in a name, and not beside a wildcard.
          expect(theirs || /^\*.*_/.test(presented), `${presented} for ${wanted}`).toBe(true)
          both++
        } else if (theirs) {
          // RFC 9525 §6.3: one whole leftmost label, and not over a single label; a name of empty labels is
          // none (RFC 1034 §3.5), nor is an IPv4 address (RFC 1123 §2.1).
          expect(
            isIP(wanted) !== 0 ||
              presented.includes('*') ||
              /^\.|\.$|\.\.|^$/.test(presented) ||
              /^\.|\.$|\.\.|^$/.test(wanted),
            `${presented} for ${wanted}`,
          ).toBe(true)
        }
      }),
      { numRuns: runs, examples: [[['1.1.1.1', '1.1.1.1']]] },
    )
    expect(both).toBeGreaterThan(runs / 20)
  })

  it('of addresses: both agree', async () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.constant(Uint8Array.of(10, 0, 0, 1)),
    )
    await fc.assert(
      fc.asyncProperty(octets, octets, fc.boolean(), async (presented, other, same) => {
        const wanted = formatIpAddress(same ? presented : other)
        const leaf = await leafOf([{ type: 'ip', address: presented, value: '' }])
        expect(ours(leaf, { ip: wanted })).toBe(new X509Certificate(leaf.der).checkIP(wanted) !== undefined)
      }),
      { numRuns: Math.ceil(runs / 5) },
    )
  })

  it('of mailboxes: ours is theirs, or narrower', async () => {
    const mailbox = fc
      .tuple(
        fc.constantFrom('u', 'U', 'u.v', '"u v"', '', '*', 'a@b'),
        fc.constantFrom('@', '@', '@', ''),
        dotted(label),
      )
      .map((parts) => parts.join(''))
    let both = 0
    await fc.assert(
      fc.asyncProperty(
        mailbox.chain((text) =>
          fc.tuple(
            fc.constant(text),
            fc.oneof(
              fc.constant(text),
              fc.constant(text.toUpperCase()),
              fc.constant(text.toLowerCase()),
              mailbox,
            ),
          ),
        ),
        async ([presented, wanted]) => {
          const leaf = await leafOf([generalName.email(presented)])
          if (!ours(leaf, { email: wanted })) return
          expect(
            new X509Certificate(leaf.der).checkEmail(wanted),
            `${presented} for ${wanted}`,
          ).not.toBeUndefined()
          both++
        },
      ),
      { numRuns: runs },
    )
    expect(both).toBeGreaterThan(runs / 20)
  })
})
