// Certificate policies: RFC 5280 §6.1 with the graph of RFC 9618.

import { beforeAll, describe, expect, it } from 'vitest'
import { anyPolicy } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/index.ts'
import { explainVerdict, verifyPath } from '../../../src/validation/index.ts'
import type { PolicyInputs } from '../../../src/validation/index.ts'
import { makeAuthority, makeLeaf, time } from './test-pki.ts'
import type { Authority } from './test-pki.ts'

const [a, b, c] = ['1.2.3.1', '1.2.3.2', '1.2.3.3'] as const

let root: Authority

beforeAll(async () => {
  root = await makeAuthority('root')
})

/** The resulting set, or the code of the refusal. */
async function result(policies: PolicyInputs, ...extensions: ExtensionFields[]): Promise<readonly string[] | string> {
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
  return verdict.rejected[0]?.code ?? ''
}

describe('the resulting policy set', () => {
  it.each<[string, PolicyInputs, ExtensionFields[], readonly string[] | string]>([
    ['is empty without policies', {}, [{}, {}], []],
    ['is what all certificates share', {}, [{ certificatePolicies: [a, b] }, { certificatePolicies: [b, c] }], [b]],
    ['is narrowed by the caller', { initialPolicySet: [a] }, [{ certificatePolicies: [a, b] }, { certificatePolicies: [a, b] }], [a]],
    ['passes through anyPolicy', {}, [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [a] }], [a]],
    ['is anyPolicy where all say so', {}, [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [anyPolicy] }], [anyPolicy]],
    ['is what the caller wants where all say any', { initialPolicySet: [a, b] }, [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [anyPolicy] }], [a, b]],
    ['is in the naming of the anchor', {}, [{ certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] }, { certificatePolicies: [b] }], [a]],
    ['does not hold under another name', { explicitPolicy: true, initialPolicySet: [b] }, [{ certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] }, { certificatePolicies: [b] }], 'ERR_PATH_POLICY'],
    ['is mapped out of anyPolicy', {}, [{ certificatePolicies: [anyPolicy], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] }, { certificatePolicies: [b] }], [a]],
  ])('%s', async (_name, inputs, extensions, wanted) => {
    expect(await result(inputs, ...extensions)).toEqual(wanted)
  })
})

describe('a policy is required', () => {
  it.each<[string, PolicyInputs, ExtensionFields[], readonly string[] | string]>([
    ['by the caller', { explicitPolicy: true }, [{}, {}], 'ERR_PATH_POLICY'],
    ['by the caller, and there', { explicitPolicy: true }, [{ certificatePolicies: [a] }, { certificatePolicies: [a] }], [a]],
    ['of a set that is not there', { explicitPolicy: true, initialPolicySet: [c] }, [{ certificatePolicies: [a] }, { certificatePolicies: [a] }], 'ERR_PATH_POLICY'],
    ['by a CA', {}, [{ policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } }, {}], 'ERR_PATH_POLICY'],
    ['by a CA, further down than the path goes', {}, [{ policyConstraints: { requireExplicitPolicy: 3, inhibitPolicyMapping: undefined } }, {}], []],
    ['by the leaf itself', {}, [{}, { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } }], 'ERR_PATH_POLICY'],
    ['and mapping is inhibited', { explicitPolicy: true, inhibitPolicyMapping: true }, [{ certificatePolicies: [a], policyMappings: [{ issuerDomainPolicy: a, subjectDomainPolicy: b }] }, { certificatePolicies: [b] }], 'ERR_PATH_POLICY'],
    ['and anyPolicy is inhibited', { explicitPolicy: true, inhibitAnyPolicy: true }, [{ certificatePolicies: [anyPolicy] }, { certificatePolicies: [a] }], 'ERR_PATH_POLICY'],
    ['and anyPolicy is inhibited below a CA', { explicitPolicy: true }, [{ certificatePolicies: [a], inhibitAnyPolicy: 0 }, { certificatePolicies: [anyPolicy] }], 'ERR_PATH_POLICY'],
  ])('%s', async (_name, inputs, extensions, wanted) => {
    expect(await result(inputs, ...extensions)).toEqual(wanted)
  })

  it('and a mapping of anyPolicy is refused in any case', async () => {
    const mapping = { certificatePolicies: [anyPolicy], policyMappings: [{ issuerDomainPolicy: anyPolicy, subjectDomainPolicy: b }] }
    expect(await result({}, mapping, { certificatePolicies: [b] })).toBe('ERR_PATH_POLICY')
  })
})

it('mappings that would double a tree at every depth stay small in the graph', async () => {
  const wide = Array.from({ length: 20 }, (_, i) => `1.2.4.${i + 1}`)
  const policyMappings = wide.flatMap((issuerDomainPolicy) => wide.map((subjectDomainPolicy) => ({ issuerDomainPolicy, subjectDomainPolicy })))
  const each: ExtensionFields = { certificatePolicies: wide, policyMappings }
  // A tree would have 20^8 nodes.
  expect(await result({ explicitPolicy: true }, each, each, each, each, each, each, each, { certificatePolicies: wide })).toEqual([...wide].sort())
})
