// Certificate policies: RFC 5280 §6.1 with the graph of RFC 9618.

import { describe, expect, it } from 'vitest'
import { anyPolicy } from '../../../src/x509/internal.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { explainVerdict, verifyPath } from '../../../src/validation/index.ts'
import type { PolicyInputs } from '../../../src/validation/policies/policy-inputs.ts'
import { makeAuthority, makeLeaf, rejectionOf, time } from './test-pki.ts'

const [a, b, c] = ['1.2.3.1', '1.2.3.2', '1.2.3.3'] as const

const root = await makeAuthority('root')

/** The resulting set, or the code of the refusal. */
async function result(
  policies: PolicyInputs,
  ...extensions: ExtensionFields[]
): Promise<readonly string[] | string> {
  let authority = root
  const intermediates = []
  for (const [at, fields] of extensions.slice(0, -1).entries()) {
    authority = await makeAuthority(`ca ${at}`, authority, { extensions: fields })
    intermediates.push(authority.certificate)
  }
  const leaf = await makeLeaf(authority, { extensions: extensions.at(-1) ?? {} })
  const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates, time, policies })
  if (verdict.ok) return [...verdict.path.validPolicies].sort()
  expect(explainVerdict(verdict)).toContain('RFC 5280')
  return rejectionOf(verdict) ?? ''
}

describe('the resulting policy set', () => {
  it.each<[string, PolicyInputs, ExtensionFields[], readonly string[] | string]>([
    ['is empty without policies', {}, [{}, {}], []],
    [
      'is what all certificates share',
      {},
      [{ certificatePolicies: [a, b] }, { certificatePolicies: [b, c] }],
      [b],
    ],
    [
      'is narrowed by the caller',
      { initialPolicySet: [a] },
      [{ certificatePolicies: [a, b] }, { certificatePolicies: [a, b] }],
      [a],
    ],
    [
      'passes through anyPolicy',
      {},
      [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [a] }],
      [a],
    ],
    [
      'is anyPolicy where all say so',
      {},
      [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [anyPolicy] }],
      [anyPolicy],
    ],
    [
      'is what the caller wants where all say any',
      { initialPolicySet: [a, b] },
      [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [anyPolicy] }],
      [a, b],
    ],
    [
      'is in the naming of the anchor',
      {},
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [b] },
      ],
      [a],
    ],
    [
      'does not hold under another name',
      { explicitPolicy: true, initialPolicySet: [b] },
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [b] },
      ],
      'ERR_PATH_POLICY',
    ],
    [
      'is mapped to two, of which one is there',
      {},
      [
        {
          certificatePolicies: [a],
          policyMappings: [
            { issuerDomainPolicy: a, subjectDomainPolicy: b },
            { issuerDomainPolicy: a, subjectDomainPolicy: c },
          ],
        },
        { certificatePolicies: [c] },
      ],
      [a],
    ],
    [
      'is mapped from two to one',
      {},
      [
        {
          certificatePolicies: [a, b],
          policyMappings: [
            { issuerDomainPolicy: a, subjectDomainPolicy: c },
            { issuerDomainPolicy: b, subjectDomainPolicy: c },
          ],
        },
        { certificatePolicies: [c] },
      ],
      [a, b],
    ],
    [
      'loses its own name where it is mapped',
      {},
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [a] },
      ],
      [],
    ],
    [
      'is mapped twice',
      {},
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [b], policyMappings: [{ issuerDomainPolicy: b, subjectDomainPolicy: c }] },
        { certificatePolicies: [c] },
      ],
      [a],
    ],
    [
      'is kept by anyPolicy below a mapping',
      {},
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [anyPolicy] },
      ],
      [a],
    ],
    [
      'is none of a caller that accepts none',
      { initialPolicySet: [] },
      [{ certificatePolicies: [a] }, { certificatePolicies: [a] }],
      [],
    ],
    [
      'is mapped out of anyPolicy',
      {},
      [
        {
          certificatePolicies: [anyPolicy],
          policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }],
        },
        { certificatePolicies: [b] },
      ],
      [a],
    ],
  ])('%s', async (_name, inputs, extensions, wanted) => {
    expect(await result(inputs, ...extensions)).toEqual(wanted)
  })
})

describe('a policy is required', () => {
  it.each<[string, PolicyInputs, ExtensionFields[], readonly string[] | string]>([
    ['by the caller', { explicitPolicy: true }, [{}, {}], 'ERR_PATH_POLICY'],
    [
      'by the caller, and there',
      { explicitPolicy: true },
      [{ certificatePolicies: [a] }, { certificatePolicies: [a] }],
      [a],
    ],
    [
      'of a set that is not there',
      { explicitPolicy: true, initialPolicySet: [c] },
      [{ certificatePolicies: [a] }, { certificatePolicies: [a] }],
      'ERR_PATH_POLICY',
    ],
    [
      'by a CA',
      {},
      [{ policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } }, {}],
      'ERR_PATH_POLICY',
    ],
    [
      'by a CA, further down than the path goes',
      {},
      [{ policyConstraints: { requireExplicitPolicy: 3, inhibitPolicyMapping: undefined } }, {}],
      [],
    ],
    [
      'by the leaf itself',
      {},
      [{}, { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } }],
      'ERR_PATH_POLICY',
    ],
    [
      'and mapping is inhibited',
      { explicitPolicy: true, inhibitPolicyMapping: true },
      [
        { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
        { certificatePolicies: [b] },
      ],
      'ERR_PATH_POLICY',
    ],
    [
      'and anyPolicy is inhibited',
      { explicitPolicy: true, inhibitAnyPolicy: true },
      [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [a] }],
      'ERR_PATH_POLICY',
    ],
    [
      'and anyPolicy is inhibited below a CA',
      { explicitPolicy: true },
      [{ certificatePolicies: [a], inhibitAnyPolicy: 0 }, { certificatePolicies: [anyPolicy] }],
      'ERR_PATH_POLICY',
    ],
  ])('%s', async (_name, inputs, extensions, wanted) => {
    expect(await result(inputs, ...extensions)).toEqual(wanted)
  })

  it('and a mapping of anyPolicy is refused in any case', async () => {
    const mapping = {
      certificatePolicies: [anyPolicy],
      policyMappings: [{ issuerDomainPolicy: anyPolicy, subjectDomainPolicy: b }],
    }
    expect(await result({}, mapping, { certificatePolicies: [b] })).toBe('ERR_PATH_POLICY')
  })
})

describe('an anchor that is a certificate (RFC 5937 §3)', () => {
  it.each<[string, ExtensionFields, ExtensionFields, ExtensionFields, readonly string[] | string]>([
    [
      'requires a policy',
      { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } },
      {},
      {},
      'ERR_PATH_POLICY',
    ],
    [
      'requires one that is there',
      { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } },
      { certificatePolicies: [a] },
      { certificatePolicies: [a] },
      [a],
    ],
    [
      'requires one further down',
      { policyConstraints: { requireExplicitPolicy: 3, inhibitPolicyMapping: undefined } },
      {},
      {},
      [],
    ],
    [
      'inhibits anyPolicy',
      {
        inhibitAnyPolicy: 0,
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
      },
      { certificatePolicies: [anyPolicy] },
      { certificatePolicies: [a] },
      'ERR_PATH_POLICY',
    ],
    [
      'inhibits mapping',
      { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: 0 } },
      { certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] },
      { certificatePolicies: [b] },
      'ERR_PATH_POLICY',
    ],
    [
      'allows its own policies alone, and none is required (RFC 5937 §3.2)',
      { certificatePolicies: [c] },
      { certificatePolicies: [a] },
      { certificatePolicies: [a] },
      [],
    ],
    [
      'allows its own policies alone, and one is required below',
      { certificatePolicies: [c] },
      {
        certificatePolicies: [a],
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
      },
      { certificatePolicies: [a] },
      'ERR_PATH_POLICY',
    ],
    [
      'allows the policy that holds, and one is required below',
      { certificatePolicies: [c, a] },
      {
        certificatePolicies: [a],
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
      },
      { certificatePolicies: [a] },
      [a],
    ],
    [
      'allows any policy by anyPolicy',
      { certificatePolicies: [c, anyPolicy] },
      {
        certificatePolicies: [a],
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
      },
      { certificatePolicies: [a] },
      [a],
    ],
  ])('%s', async (_what, ofAnchor, ofCa, ofLeaf, wanted) => {
    const anchor = await makeAuthority('anchor', undefined, { extensions: ofAnchor })
    const issuing = await makeAuthority('issuing', anchor, { extensions: ofCa })
    const leaf = await makeLeaf(issuing, { extensions: ofLeaf })
    const verdict = verifyPath(leaf, {
      anchors: [anchor.certificate],
      intermediates: [issuing.certificate],
      time,
    })
    expect(verdict.ok ? verdict.path.validPolicies : rejectionOf(verdict)).toEqual(wanted)
    // As a bare name and key it has nothing to say.
    const bare = { subject: anchor.name, publicKey: anchor.signer.publicKey }
    expect(verifyPath(leaf, { anchors: [bare], intermediates: [issuing.certificate], time }).ok).toBe(true)
  })
})

describe('self-issued certificates (RFC 5280 §6.1.3 (d)(2), §6.1.4 (h))', () => {
  /** CAs from the anchor down, by name: two of one name in a row are self-issued. */
  async function below(
    policies: PolicyInputs,
    cas: readonly (readonly [string, ExtensionFields])[],
    leafExtensions: ExtensionFields,
  ): Promise<readonly string[] | string> {
    let authority = root
    const intermediates = []
    for (const [name, extensions] of cas) {
      authority = await makeAuthority(name, authority, { extensions })
      intermediates.push(authority.certificate)
    }
    const verdict = verifyPath(await makeLeaf(authority, { extensions: leafExtensions }), {
      anchors: [root.certificate],
      intermediates,
      time,
      policies,
    })
    return verdict.ok ? [...verdict.path.validPolicies].sort() : (rejectionOf(verdict) ?? '')
  }
  const some = { certificatePolicies: [a] }
  const any = { certificatePolicies: [anyPolicy] }
  const required = { explicitPolicy: true }
  const explicit = (requireExplicitPolicy: number): ExtensionFields => ({
    policyConstraints: { requireExplicitPolicy, inhibitPolicyMapping: undefined },
  })
  const noMapping = (inhibitPolicyMapping: number): ExtensionFields => ({
    policyConstraints: { requireExplicitPolicy: undefined, inhibitPolicyMapping },
  })
  const mapped = { ...some, policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] }

  it.each<
    [
      string,
      PolicyInputs,
      readonly (readonly [string, ExtensionFields])[],
      ExtensionFields,
      readonly string[] | string,
    ]
  >([
    [
      'anyPolicy counts in one although it is inhibited',
      required,
      [
        ['x', { ...some, inhibitAnyPolicy: 0 }],
        ['x', any],
      ],
      some,
      [a],
    ],
    [
      'anyPolicy does not count in the next',
      required,
      [
        ['x', { ...some, inhibitAnyPolicy: 0 }],
        ['x', any],
        ['y', any],
      ],
      some,
      'ERR_PATH_POLICY',
    ],
    [
      'one does not use up inhibitAnyPolicy 1',
      required,
      [
        ['x', { ...some, inhibitAnyPolicy: 1 }],
        ['x', any],
        ['y', any],
      ],
      some,
      [a],
    ],
    [
      'two others do',
      required,
      [
        ['x', { ...some, inhibitAnyPolicy: 1 }],
        ['y', any],
        ['z', any],
      ],
      some,
      'ERR_PATH_POLICY',
    ],
    [
      'anyPolicy of a leaf counts for nothing where it is inhibited',
      required,
      [['x', { ...some, inhibitAnyPolicy: 0 }]],
      any,
      'ERR_PATH_POLICY',
    ],
    [
      'one does not use up requireExplicitPolicy 2',
      {},
      [
        ['x', explicit(2)],
        ['x', {}],
      ],
      {},
      [],
    ],
    [
      'others do',
      {},
      [
        ['x', explicit(2)],
        ['y', {}],
      ],
      {},
      'ERR_PATH_POLICY',
    ],
    ['the leaf counts too (§6.1.5 (a))', {}, [['x', explicit(1)]], {}, 'ERR_PATH_POLICY'],
    [
      'one does not use up inhibitPolicyMapping 1',
      required,
      [
        ['x', { ...some, ...noMapping(1) }],
        ['x', some],
        ['y', mapped],
      ],
      { certificatePolicies: [b] },
      [a],
    ],
    [
      'another does',
      required,
      [
        ['x', { ...some, ...noMapping(1) }],
        ['y', some],
        ['z', mapped],
      ],
      { certificatePolicies: [b] },
      'ERR_PATH_POLICY',
    ],
    [
      'a later constraint never widens an earlier one',
      required,
      [
        ['x', { ...some, inhibitAnyPolicy: 0 }],
        ['y', { ...some, inhibitAnyPolicy: 5 }],
      ],
      any,
      'ERR_PATH_POLICY',
    ],
    ['a constraint of the leaf other than 0 asks nothing', {}, [['x', {}]], explicit(1), []],
  ])('%s', async (_what, inputs, cas, leafExtensions, wanted) => {
    expect(await below(inputs, cas, leafExtensions)).toEqual(wanted)
  })
})

it('mappings that would double a tree at every depth stay small in the graph', async () => {
  const wide = Array.from({ length: 20 }, (_, i) => `1.2.4.${i + 1}`)
  const policyMappings = wide.flatMap((issuerDomainPolicy) =>
    wide.map((subjectDomainPolicy) => ({ issuerDomainPolicy, subjectDomainPolicy })),
  )
  const each: ExtensionFields = { certificatePolicies: wide, policyMappings }
  // A tree would have 20^8 nodes.
  expect(
    await result({ explicitPolicy: true }, each, each, each, each, each, each, each, {
      certificatePolicies: wide,
    }),
  ).toEqual([...wide].sort())
})
