// Whatever is asked for: the policy gives the caller's identity and nothing that it may not have, and what it
// gives can be signed.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { TrustDomain } from '../../src/spiffe/index.ts'
import { DistinguishedName, generalName } from '../../src/x509/index.ts'
import { formatGeneralName } from '../../src/x509/internal.ts'
import type { GeneralName } from '../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../support/pki.ts'

const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)
const { authority } = await testPki()
const trustDomain = TrustDomain.parse('example.org')

const label = fc.string({
  unit: fc.constantFrom('a', 'b', 'z', '0', '9', '-', 'A', '*', '_', ''),
  maxLength: 70,
})
const dns = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => generalName.dns(labels.join('.')))
const uri = fc
  .constantFrom(
    workloadId.toString(),
    'spiffe://example.org/ns/prod/sa/admin',
    'spiffe://example.org',
    'spiffe://other.example/x',
    'https://example.org/x',
    'urn:x',
  )
  .map((value) => generalName.uri(value))
const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map((value) => generalName.ip(value))
const other = fc.constantFrom<GeneralName>(
  generalName.email('a@example.org'),
  { type: 'registeredId', oid: '1.2.3.4' },
  { type: 'directoryName', name: DistinguishedName.parse('CN=x') },
)
const names = fc.array(
  fc.oneof({ arbitrary: dns, weight: 4 }, { arbitrary: uri, weight: 2 }, { arbitrary: ip, weight: 3 }, other),
  { maxLength: 130, size: 'max' },
)
/** What somebody may well ask for. */
const modest = fc.array(
  fc.oneof(
    fc
      .constantFrom('a.example.org', 'ab.example.org', 'abc.example.org')
      .map((name) => generalName.dns(name)),
    ip,
    fc.constant(generalName.uri(workloadId.toString())),
  ),
  { maxLength: 3 },
)

function requireAskedAndAllowed(
  given: readonly GeneralName[],
  asked: readonly GeneralName[],
  mayHave: (name: GeneralName) => boolean,
): void {
  const askedTexts = new Set(asked.map(formatGeneralName))
  for (const name of given) {
    const text = formatGeneralName(name)
    if ((name.type !== 'dns' && name.type !== 'ip') || !mayHave(name)) throw new Error(`given: ${text}`)
    if (!askedTexts.has(text)) throw new Error(`never requested: ${text}`)
  }
}

function requireComplete(given: readonly GeneralName[], asked: readonly GeneralName[]): void {
  const texts = new Set([...given.map(formatGeneralName), `URI:${workloadId.toString()}`])
  if (!asked.every((name) => texts.has(formatGeneralName(name))))
    throw new Error('a requested name is missing, and the policy does not trim')
}

describe('callerIdentityPolicy', () => {
  it('gives the identity and the allowed names of the caller, and nothing that the CA refuses', async () => {
    const seen = { refused: 0, whole: 0, trimmed: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(names, modest),
        fc.boolean(),
        fc.boolean(),
        fc.nat(4).map((chance) => chance === 0),
        async (subjectAltName, trim, commonName, ca) => {
          const subject = commonName ? DistinguishedName.parse('CN=whoever') : undefined
          const { request } = await newRequest('P-256', {
            ...(subject === undefined ? {} : { subject }),
            extensions: {
              ...(subjectAltName.length === 0 ? {} : { subjectAltName }),
              ...(ca ? { basicConstraints: { ca: true } } : {}),
            },
          })
          const mayHave = (name: GeneralName): boolean => formatGeneralName(name).length % 3 !== 0
          const decision = await callerIdentityPolicy({
            trustDomain,
            mayHaveName: mayHave,
            excess: trim ? 'trim' : 'refuse',
          }).decide({ csr: request, ttlSeconds: 60 }, callerOf())
          if (!decision.allowed) {
            seen.refused++
            return
          }
          seen[trim ? 'trimmed' : 'whole']++
          const [identity, ...rest] = decision.content.subjectAltName
          if (identity?.type !== 'uri' || identity.value !== workloadId.toString())
            throw new Error('another identity')
          requireAskedAndAllowed(rest, subjectAltName, mayHave)
          if (!trim && ca) throw new Error('a CA was requested')
          if (!trim) requireComplete(rest, subjectAltName)
          // No fault of a requester becomes a fault of ours.
          await authority.prepare(request, decision.content)
        },
      ),
      { numRuns: runs },
    )
    // Each outcome came up, so that what is said of it means something.
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(runs / 20)
  })
})
