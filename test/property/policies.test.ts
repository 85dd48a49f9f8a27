// Certificate policies agree with a slow reference: the valid policy tree of RFC 5280 §6.1.2 to §6.1.5, done
// literally, node by node.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPolicies } from '../../src/validation/policies/check-policies.ts'
import type { PolicyInputs } from '../../src/validation/policies/policy-inputs.ts'
import { anyPolicy } from '../../src/x509/internal.ts'
import type { Certificate } from '../../src/x509/index.ts'
import type { PolicyMapping } from '../../src/x509/internal.ts'

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
  const tree = new PolicyTree(n)
  let [explicit, inhibitAny, mapping] = [
    inputs.explicitPolicy,
    inputs.inhibitAnyPolicy,
    inputs.inhibitPolicyMapping,
  ].map((set) => (set ? 0 : n + 1)) as [number, number, number]
  for (let i = 1; i <= n; i++) {
    const certificate = path[i - 1] as Model
    const anyCounts = inhibitAny > 0 || (i < n && certificate.selfIssued)
    if (certificate.policies === undefined)
      tree.root = undefined // (e)
    else tree.grow(i, certificate.policies, anyCounts) // (d)
    if (explicit === 0 && tree.root === undefined) return 'refused' // (f)
    if (i === n) {
      if (explicit > 0) explicit--
      if (certificate.requireExplicitPolicy === 0) explicit = 0
      break
    }
    const mappings = certificate.mappings ?? []
    if (mappings.some(namesAnyPolicy)) return 'refused'
    tree.map(i, mappings, mapping > 0)
    const { selfIssued, requireExplicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy } = certificate
    explicit = counterAfter(explicit, selfIssued, requireExplicitPolicy)
    mapping = counterAfter(mapping, selfIssued, inhibitPolicyMapping)
    inhibitAny = counterAfter(inhibitAny, selfIssued, inhibitAnyPolicy)
  }
  const found = tree.intersection(inputs.initialPolicySet)
  return explicit === 0 && found.size === 0 ? 'refused' : [...found].sort()
}

/** §6.1.4 (h) to (j). */
function counterAfter(counter: number, selfIssued: boolean, limit: number | undefined): number {
  const counted = selfIssued ? counter : Math.max(0, counter - 1)
  return Math.min(counted, limit ?? counted)
}

/** The valid_policy_tree of §6.1.2 (a), and the steps of §6.1.3 to §6.1.5 that change it. */
class PolicyTree {
  root: Node | undefined = {
    policy: anyPolicy,
    expected: [anyPolicy],
    parent: undefined,
    depth: 0,
    children: [],
  }
  readonly #length: number

  constructor(length: number) {
    this.#length = length
  }

  #at(depth: number): Node[] {
    return this.root === undefined ? [] : all(this.root).filter((node) => node.depth === depth)
  }

  #add(parent: Node, policy: string, expected: readonly string[]): void {
    parent.children.push({ policy, expected, parent, depth: parent.depth + 1, children: [] })
  }

  #prune(depth: number): void {
    for (let level = depth - 1; level >= 0; level--)
      for (const node of this.#at(level)) if (node.children.length === 0) this.#remove(node)
  }

  #remove(node: Node): void {
    if (node.parent === undefined) this.root = undefined
    else node.parent.children = node.parent.children.filter((child) => child !== node)
  }

  /** §6.1.3 (d). */
  grow(i: number, policies: readonly string[], anyCounts: boolean): void {
    if (this.root === undefined) return
    for (const policy of policies.filter((each) => each !== anyPolicy)) {
      // (d)(1)
      const parents = this.#at(i - 1).filter(({ expected }) => expected.includes(policy))
      for (const parent of parents) this.#add(parent, policy, [policy])
      if (parents.length === 0)
        for (const parent of this.#at(i - 1).filter((node) => node.policy === anyPolicy))
          this.#add(parent, policy, [policy])
    }
    if (policies.includes(anyPolicy) && anyCounts) {
      // (d)(2)
      for (const node of this.#at(i - 1))
        for (const policy of node.expected)
          if (!node.children.some((child) => child.policy === policy)) this.#add(node, policy, [policy])
    }
    this.#prune(i)
  }

  /** §6.1.4 (b). */
  map(i: number, mappings: readonly PolicyMapping[], allowed: boolean): void {
    for (const policy of new Set(mappings.map(({ issuerDomainPolicy }) => issuerDomainPolicy))) {
      const nodes = this.#at(i).filter((node) => node.policy === policy)
      if (!allowed) {
        for (const node of nodes) this.#remove(node)
        this.#prune(i)
        continue
      }
      const targets = mappings
        .filter(({ issuerDomainPolicy }) => issuerDomainPolicy === policy)
        .map(({ subjectDomainPolicy }) => subjectDomainPolicy)
      for (const node of nodes) node.expected = targets
      // A node of the policy itself, or a new one beside the node of anyPolicy.
      if (nodes.length === 0)
        for (const any of this.#at(i).filter((node) => node.policy === anyPolicy))
          this.#add(any.parent as Node, policy, targets)
    }
  }

  /** §6.1.5 (g): the policies of the tree that the user accepts. */
  intersection(wanted: readonly string[] | undefined): ReadonlySet<string> {
    const found = new Set<string>()
    if (this.root === undefined) return found
    const offered = all(this.root)
      .filter((node) => node.parent?.policy === anyPolicy && node.policy !== anyPolicy)
      .map(({ policy }) => policy)
    const any = this.#at(this.#length).some(({ policy }) => policy === anyPolicy)
    const everything = wanted === undefined || wanted.includes(anyPolicy)
    for (const policy of offered) if (everything || wanted.includes(policy)) found.add(policy)
    if (any) for (const policy of everything ? [anyPolicy] : wanted) found.add(policy)
    return found
  }
}

function namesAnyPolicy({ issuerDomainPolicy, subjectDomainPolicy }: PolicyMapping): boolean {
  return issuerDomainPolicy === anyPolicy || subjectDomainPolicy === anyPolicy
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
        const outcome = checkPolicies([...path].reverse().map(certificateOf), given as PolicyInputs)
        expect('rejection' in outcome ? 'refused' : [...outcome.policies].sort()).toEqual(wanted)
        seen[wanted === 'refused' ? 'refused' : wanted.length > 0 ? 'some' : 'none']++
      }),
      { numRuns: runs },
    )
    // Each outcome came up, so that agreement means something.
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(runs / 50)
  })
})
