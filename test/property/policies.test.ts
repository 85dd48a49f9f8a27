// Certificate policies agree with a slow reference: the valid policy tree of RFC 5280 §6.1.2 to §6.1.5, done literally, node by node.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPolicies } from '../../src/validation/policies/check-policies.ts'
import { anyPolicy } from '../../src/x509/index.ts'
import type { Certificate, PolicyMapping } from '../../src/x509/index.ts'

const runs = Number(process.env['SPIFFE_PKI_PROPERTY_RUNS'] ?? 5000)
const names = ['1.1', '1.2', '1.3']

interface Model {
  readonly policies: readonly string[] | undefined
  readonly mappings: readonly PolicyMapping[] | undefined
  readonly requireExplicitPolicy: number | undefined
  readonly inhibitPolicyMapping: number | undefined
  readonly inhibitAnyPolicy: number | undefined
  readonly selfIssued: boolean
}

interface Inputs {
  readonly initialPolicySet: readonly string[] | undefined
  readonly explicitPolicy: boolean
  readonly inhibitPolicyMapping: boolean
  readonly inhibitAnyPolicy: boolean
}

interface Node {
  readonly policy: string
  expected: readonly string[]
  readonly parent: Node | undefined
  readonly depth: number
  children: Node[]
}

/** The resulting set in order, or `refused`. `path`: from the anchor down. */
function reference(path: readonly Model[], inputs: Inputs): readonly string[] | 'refused' {
  const n = path.length
  let tree: Node | undefined = {
    policy: anyPolicy,
    expected: [anyPolicy],
    parent: undefined,
    depth: 0,
    children: [],
  }
  let [explicit, inhibitAny, mapping] = [
    inputs.explicitPolicy,
    inputs.inhibitAnyPolicy,
    inputs.inhibitPolicyMapping,
  ].map((set) => (set ? 0 : n + 1)) as [number, number, number]
  const at = (depth: number): Node[] =>
    tree === undefined ? [] : all(tree).filter((node) => node.depth === depth)
  const add = (parent: Node, policy: string, expected: readonly string[]): void => {
    parent.children.push({ policy, expected, parent, depth: parent.depth + 1, children: [] })
  }
  const prune = (depth: number): void => {
    for (let level = depth - 1; level >= 0; level--)
      for (const node of at(level)) if (node.children.length === 0) remove(node)
  }
  const remove = (node: Node): void => {
    if (node.parent === undefined) tree = undefined
    else node.parent.children = node.parent.children.filter((child) => child !== node)
  }
  for (let i = 1; i <= n; i++) {
    const certificate = path[i - 1] as Model
    if (certificate.policies !== undefined && tree !== undefined) {
      for (const policy of certificate.policies.filter((each) => each !== anyPolicy)) {
        // (d)(1)
        const parents = at(i - 1).filter(({ expected }) => expected.includes(policy))
        for (const parent of parents) add(parent, policy, [policy])
        if (parents.length === 0)
          for (const parent of at(i - 1).filter((node) => node.policy === anyPolicy))
            add(parent, policy, [policy])
      }
      if (certificate.policies.includes(anyPolicy) && (inhibitAny > 0 || (i < n && certificate.selfIssued))) {
        // (d)(2)
        for (const node of at(i - 1))
          for (const policy of node.expected)
            if (!node.children.some((child) => child.policy === policy)) add(node, policy, [policy])
      }
      prune(i)
    }
    if (certificate.policies === undefined) tree = undefined // (e)
    if (explicit === 0 && tree === undefined) return 'refused' // (f)
    if (i === n) {
      if (explicit > 0) explicit--
      if (certificate.requireExplicitPolicy === 0) explicit = 0
      break
    }
    if (certificate.mappings !== undefined) {
      if (
        certificate.mappings.some(
          ({ issuerDomainPolicy, subjectDomainPolicy }) =>
            issuerDomainPolicy === anyPolicy || subjectDomainPolicy === anyPolicy,
        )
      )
        return 'refused'
      for (const policy of new Set(
        certificate.mappings.map(({ issuerDomainPolicy }) => issuerDomainPolicy),
      )) {
        const targets = certificate.mappings
          .filter(({ issuerDomainPolicy }) => issuerDomainPolicy === policy)
          .map(({ subjectDomainPolicy }) => subjectDomainPolicy)
        const nodes = at(i).filter((node) => node.policy === policy)
        if (mapping > 0) {
          for (const node of nodes) node.expected = targets
          // Of a node that is there, or of anyPolicy: its parent's.
          if (nodes.length === 0)
            for (const any of at(i).filter((node) => node.policy === anyPolicy))
              add(any.parent as Node, policy, targets)
        } else {
          for (const node of nodes) remove(node)
          prune(i)
        }
      }
    }
    if (!certificate.selfIssued)
      [explicit, mapping, inhibitAny] = [explicit, mapping, inhibitAny].map((count) =>
        Math.max(0, count - 1),
      ) as [number, number, number]
    explicit = Math.min(explicit, certificate.requireExplicitPolicy ?? explicit)
    mapping = Math.min(mapping, certificate.inhibitPolicyMapping ?? mapping)
    inhibitAny = Math.min(inhibitAny, certificate.inhibitAnyPolicy ?? inhibitAny)
  }
  const wanted = inputs.initialPolicySet
  const found = new Set<string>()
  if (tree !== undefined) {
    const offered = all(tree)
      .filter((node) => node.parent?.policy === anyPolicy && node.policy !== anyPolicy)
      .map(({ policy }) => policy)
    const any = at(n).some(({ policy }) => policy === anyPolicy)
    const everything = wanted === undefined || wanted.includes(anyPolicy)
    for (const policy of offered) if (everything || wanted.includes(policy)) found.add(policy)
    if (any) for (const policy of everything ? [anyPolicy] : wanted) found.add(policy)
  }
  return explicit === 0 && found.size === 0 ? 'refused' : [...found].sort()
}

function all(node: Node): Node[] {
  return [node, ...node.children.flatMap(all)]
}

const policy = fc.constantFrom(...names)
const count = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 2 })
const model: fc.Arbitrary<Model> = fc.record({
  policies: fc.option(fc.uniqueArray(fc.constantFrom(...names, anyPolicy), { minLength: 1, maxLength: 4 }), {
    nil: undefined,
    freq: 12,
  }),
  mappings: fc.option(
    fc.array(
      fc.record({
        issuerDomainPolicy: policy,
        subjectDomainPolicy: fc.oneof({ weight: 30, arbitrary: policy }, fc.constant(anyPolicy)),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    { nil: undefined, freq: 1 },
  ),
  requireExplicitPolicy: count,
  inhibitPolicyMapping: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined, freq: 1 }),
  inhibitAnyPolicy: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined, freq: 1 }),
  selfIssued: fc.boolean(),
})
const inputs: fc.Arbitrary<Inputs> = fc.record({
  initialPolicySet: fc.option(fc.uniqueArray(fc.constantFrom(...names, anyPolicy), { maxLength: 3 }), {
    nil: undefined,
    freq: 2,
  }),
  explicitPolicy: fc.boolean(),
  inhibitPolicyMapping: fc.boolean(),
  inhibitAnyPolicy: fc.boolean(),
})

/** Only what policies read. */
function certificateOf(each: Model): Certificate {
  const { requireExplicitPolicy, inhibitPolicyMapping } = each
  const policyConstraints =
    requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined
      ? undefined
      : { requireExplicitPolicy, inhibitPolicyMapping }
  return {
    certificatePolicies: each.policies?.map((one) => ({ policy: one, qualifiers: undefined })),
    policyMappings: each.mappings,
    policyConstraints,
    inhibitAnyPolicy: each.inhibitAnyPolicy,
    isSelfIssued: each.selfIssued,
  } as unknown as Certificate
}

describe('random policies', () => {
  it('agree with the tree', () => {
    const seen = { refused: 0, some: 0, none: 0 }
    fc.assert(
      fc.property(fc.array(model, { minLength: 1, maxLength: 5 }), inputs, (path, given) => {
        const wanted = reference(path, given)
        const outcome = checkPolicies([...path].reverse().map(certificateOf), given)
        expect('rejection' in outcome ? 'refused' : [...outcome.policies].sort()).toEqual(wanted)
        seen[wanted === 'refused' ? 'refused' : wanted.length > 0 ? 'some' : 'none']++
      }),
      { numRuns: runs },
    )
    // Each outcome came up, so that agreement means something.
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(runs / 50)
  })
})
