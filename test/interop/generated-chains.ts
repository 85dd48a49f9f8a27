// Chains at random, for second opinions: mostly good, each with a few unusual settings.

import fc from 'fast-check'
import { generalName, keyPurposeOids } from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import type { ExtensionFields } from '../../src/x509/internal.ts'
import { makeAuthority, makeLeaf, newSigner } from '../unit/validation/test-pki.ts'
import type { Changes } from '../unit/validation/test-pki.ts'

/** What a chain is made from; small, so that a counterexample reads well. */
export interface ChainPlan {
  readonly root: ExtensionFields
  readonly authorities: readonly { readonly fields: ExtensionFields; readonly dates: Partial<Changes> }[]
  readonly leaf: { readonly fields: ExtensionFields; readonly dates: Partial<Changes> }
}

export interface GeneratedChain {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly root: Certificate
}

/** Makes what a plan says. */
export async function makeChain(plan: ChainPlan): Promise<GeneratedChain> {
  const root = await makeAuthority('root', undefined, { signer: signers[0]!, extensions: plan.root })
  let above = root
  const intermediates: Certificate[] = []
  for (const [at, { fields, dates: period }] of plan.authorities.entries()) {
    above = await makeAuthority(`ca ${at}`, above, {
      signer: signers[at + 1]!,
      extensions: fields,
      ...period,
    })
    intermediates.push(above.certificate)
  }
  const leaf = await makeLeaf(above, {
    signer: signers[3]!,
    extensions: plan.leaf.fields,
    ...plan.leaf.dates,
  })
  return { leaf, intermediates, root: root.certificate }
}

const signers = Array.from({ length: 4 }, newSigner)

const dates = fc.constantFrom<Partial<Changes>>(
  {},
  {},
  {},
  {},
  { notAfter: new Date('2026-02-01T00:00:00Z') },
  { notBefore: new Date('2026-08-01T00:00:00Z') },
)

const authorityFields: fc.Arbitrary<ExtensionFields> = fc.record(
  {
    basicConstraints: fc.constantFrom(
      { ca: true },
      { ca: true },
      { ca: true, pathLength: 0 },
      { ca: true, pathLength: 1 },
      { ca: false },
    ),
    keyUsage: fc.constantFrom(
      ['keyCertSign', 'cRLSign'] as const,
      ['keyCertSign'] as const,
      ['cRLSign'] as const,
    ),
    extendedKeyUsage: fc.constantFrom(
      [keyPurposeOids.serverAuth],
      [keyPurposeOids.clientAuth],
      [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
    ),
    nameConstraints: fc.constantFrom(
      { permitted: [generalName.dns('example')] },
      { permitted: [generalName.dns('other.example')] },
      { excluded: [generalName.dns('web.example')] },
      { permitted: [generalName.email('example')] },
    ),
    other: fc.constantFrom(
      [],
      [],
      [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      [{ oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) }],
    ),
  },
  { requiredKeys: [] },
)

const leafFields: fc.Arbitrary<ExtensionFields> = fc.record(
  {
    basicConstraints: fc.constantFrom({ ca: false }, { ca: true }),
    keyUsage: fc.constantFrom(['digitalSignature'] as const, ['keyAgreement'] as const),
    extendedKeyUsage: fc.constantFrom(
      [keyPurposeOids.serverAuth],
      [keyPurposeOids.clientAuth],
      [keyPurposeOids.any],
    ),
    subjectAltName: fc.constantFrom(
      [generalName.dns('web.example')],
      [generalName.dns('*.example')],
      [generalName.dns('other.test')],
      [generalName.dns('web.example'), generalName.dns('x.test')],
    ),
    other: fc.constantFrom([], [], [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }]),
  },
  { requiredKeys: [] },
)

/** Settings that are unusual are rare, so that a good share of the chains is good. */
const rarely = (fields: fc.Arbitrary<ExtensionFields>): fc.Arbitrary<ExtensionFields> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fields })

export const chainPlans: fc.Arbitrary<ChainPlan> = fc.record({
  root: rarely(authorityFields),
  authorities: fc.array(fc.record({ fields: rarely(authorityFields), dates }), { maxLength: 2 }),
  leaf: fc.record({ fields: rarely(leafFields), dates }),
})
