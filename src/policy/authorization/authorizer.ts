// Decides requests to one workload by Istio's AuthorizationPolicy and PeerAuthentication.

import { PkiError } from '../../errors/index.ts'
import { checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { TrustDomain, TrustDomainAliases } from '../../spiffe/index.ts'
import { DocumentReader, refuseDocument } from '../document-reader.ts'
import type { PolicyFault } from '../document-reader.ts'
import { readRule, ruleMatches } from './authorization-rule.ts'
import type { AuthorizationRule, RuleContext } from './authorization-rule.ts'
import { factsOf } from './facts.ts'
import type { AuthorizationRequest } from './facts.ts'
import { readResource, readSelector, selects } from './mesh-resource.ts'
import type { MeshResource, Workload } from './mesh-resource.ts'
import { PeerAuthentications, readPeerAuthentication } from './peer-authentication.ts'
import type { MutualTlsDecision, PeerAuthentication } from './peer-authentication.ts'
import { pathNormalizations } from './request-path.ts'
import type { PathNormalization } from './request-path.ts'
import { RuleTable } from './rule-table.ts'

/** The decision, and the rule that made it. @inline */
export interface AuthorizationDecision {
  readonly allowed: boolean
  /**
   * `namespace/name[index]` of the rule of an AuthorizationPolicy; `namespace/name` of the PeerAuthentication
   * that requires mutual TLS; `no-allow-policy` if no policy restricts the workload; `no-allow-rule` if no
   * ALLOW rule matches.
   */
  readonly rule: string
  /** The reason, for the log; not for the caller. */
  readonly reason: string
  /** The matching rules with the action AUDIT. */
  readonly audited: readonly string[]
}

/** Options of `Authorizer`. @inline */
export interface AuthorizerOptions {
  /** The workload that receives the requests: its namespace and its labels. */
  readonly workload: Workload
  /** The trust domain of the mesh; `cluster.local` in a policy is an alias of it. */
  readonly trustDomain: TrustDomain | string
  /** Former names of the trust domain. */
  readonly aliases?: Iterable<TrustDomain | string> | undefined
  /** Policies in this namespace apply to the workloads of all namespaces. Default `istio-system`. */
  readonly rootNamespace?: string | undefined
  /** `pathNormalization` of the mesh. Default `base`, as in Istio. */
  readonly pathNormalization?: PathNormalization | undefined
  /** Reports a fault of resource `index` at a path; it must throw. Default: ERR_POLICY_INVALID. */
  readonly fault?: ((index: number, ...at: Parameters<PolicyFault>) => never) | undefined
}

/**
 * Decides by the Istio resources `AuthorizationPolicy` and `PeerAuthentication` that apply to one workload,
 * in this order:
 *
 * 1. if mutual TLS is STRICT for the port, a request without a `principal` is refused;
 * 2. a matching rule with the action DENY refuses;
 * 3. without a policy with the action ALLOW every request is allowed; with one, an ALLOW rule must match.
 *
 * Rules with the action AUDIT do not affect the decision. CUSTOM is refused. An attribute that is not known
 * (an address, a port, the path or the host of an HTTP request, a value that cannot be read) matches DENY
 * rules and does not match ALLOW rules. Every call is pure: the same request gets the same decision.
 *
 * @example
 * ```ts
 * const resources = [{
 *   apiVersion: 'security.istio.io/v1',
 *   kind: 'AuthorizationPolicy',
 *   metadata: { name: 'readers', namespace: 'shop' },
 *   spec: {
 *     rules: [
 *       {
 *         from: [{ source: { namespaces: ['web'] } }],
 *         to: [{ operation: { methods: ['GET'] } }],
 *       },
 *     ],
 *   },
 * }]
 * const workload = { namespace: 'shop', labels: { app: 'orders' } }
 * const authorizer = new Authorizer(resources, { workload, trustDomain: 'example.org' })
 * const principal = 'spiffe://example.org/ns/web/sa/ui'
 * const { allowed, rule } = authorizer.decide({ principal, method: 'GET', path: '/' })
 * ```
 */
export class Authorizer {
  readonly #deny: RuleTable
  readonly #allow: RuleTable
  readonly #audit: readonly AuthorizationRule[]
  /** The ALLOW policies, including those without rules, which allow nothing. */
  readonly #allowing: readonly string[]
  readonly #peers: PeerAuthentications
  readonly #aliases: TrustDomainAliases
  readonly #normalization: PathNormalization

  /**
   * @param resources the documents of Istio's YAML, as data
   * @throws ERR_POLICY_INVALID with the path of an unknown key or an invalid value;
   * ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID
   */
  constructor(resources: readonly unknown[], options: AuthorizerOptions) {
    const read = readOptions('Authorizer', options, {
      workload: 'required',
      trustDomain: 'required',
      aliases: 'optional',
      rootNamespace: 'optional',
      pathNormalization: 'optional',
      fault: 'optional',
    })
    const { rootNamespace = 'istio-system', pathNormalization = 'base', fault = faultOfResource } = read
    // With another namespace, the policies of the whole mesh would not apply.
    checkTexts('Authorizer', { rootNamespace })
    const workload = workloadOf(read.workload)
    const trustDomain = TrustDomain.from(read.trustDomain)
    this.#aliases = new TrustDomainAliases(trustDomain, read.aliases ?? [])
    if (!pathNormalizations.includes(pathNormalization))
      throw bad(`pathNormalization must be one of ${pathNormalizations.join(', ')}`)
    this.#normalization = pathNormalization
    if (!Array.isArray(resources)) throw bad('resources must be a list')
    const rules: Record<Action, AuthorizationRule[]> = { ALLOW: [], DENY: [], AUDIT: [] }
    const allowing: string[] = []
    const peers: PeerAuthentication[] = []
    const principal = principalUnder(trustDomain)
    for (const [index, value] of (resources as readonly unknown[]).entries()) {
      const at: PolicyFault = (path, message) => fault(index, path, message)
      const resource = readResource(new DocumentReader(value, [], at))
      if (resource.kind === 'PeerAuthentication') {
        const peer = readPeerAuthentication(resource, workload, rootNamespace)
        if (peer !== undefined) peers.push(peer)
        continue
      }
      const policy = readPolicy(resource, { namespace: resource.namespace, principal })
      if (resource.namespace !== workload.namespace && resource.namespace !== rootNamespace) continue
      if (!selects(policy.labels, workload)) continue
      rules[policy.action].push(...policy.rules)
      if (policy.action === 'ALLOW') allowing.push(resource.id)
    }
    this.#deny = new RuleTable(rules.DENY, true)
    this.#allow = new RuleTable(rules.ALLOW, false)
    this.#audit = rules.AUDIT
    this.#allowing = allowing
    this.#peers = new PeerAuthentications(peers)
  }

  /**
   * Whether mutual TLS is required at a port of the workload; without a port, at the ports that no policy
   * names.
   */
  mutualTls(port?: number): MutualTlsDecision {
    return this.#peers.modeOf(port)
  }

  /** Decides one request, or one connection that is not HTTP. No content of a request makes it throw. */
  decide(request: AuthorizationRequest): AuthorizationDecision {
    const facts = factsOf(request, this.#aliases, this.#normalization)
    const audited = this.#audit.filter((rule) => ruleMatches(rule, facts, false)).map(({ name }) => name)
    const answer = (allowed: boolean, rule: string, reason: string): AuthorizationDecision =>
      Object.freeze({ allowed, rule, reason, audited: Object.freeze(audited) })
    if (facts.principals === undefined || facts.principals.length === 0) {
      const { mode, rule } = this.#peers.strictestOf(request.destinationPort)
      if (mode === 'STRICT')
        return answer(false, rule, 'mutual TLS is required, and the peer has no SPIFFE ID')
    }
    const denied = this.#deny.find(facts)
    if (denied !== undefined) return answer(false, denied.name, 'denied by a rule')
    if (this.#allowing.length === 0)
      return answer(true, 'no-allow-policy', 'no policy with the action ALLOW applies to the workload')
    const allowed = this.#allow.find(facts)
    if (allowed !== undefined) return answer(true, allowed.name, 'allowed by a rule')
    const policies = this.#allowing.slice(0, 5).join(', ')
    return answer(
      false,
      'no-allow-rule',
      `none of the ${this.#allowing.length} ALLOW policies allows it: ${policies}`,
    )
  }
}

type Action = 'ALLOW' | 'DENY' | 'AUDIT'

function readPolicy(
  { id, spec }: MeshResource,
  context: RuleContext,
): { action: Action; labels: ReadonlyMap<string, string>; rules: readonly AuthorizationRule[] } {
  const labels = readSelector(spec)
  const given = spec?.value ?? {}
  for (const key of ['targetRef', 'targetRefs'])
    if (Object.hasOwn(given, key)) spec?.fault(key, 'applies to gateways and waypoints only; use selector')
  if (given['action'] === 'CUSTOM' || Object.hasOwn(given, 'provider'))
    spec?.fault('action', 'CUSTOM is not supported: external authorizers are not called')
  const action = (spec?.oneOf('action', ['ALLOW', 'DENY', 'AUDIT']) ?? 'ALLOW') as Action
  const rules: AuthorizationRule[] = []
  spec?.objects('rules', (rule) => {
    rules.push(readRule(rule, `${id}[${rules.length}]`, context))
  })
  spec?.finish()
  return { action, labels, rules }
}

/** `cluster.local` in a policy is an alias of the trust domain of the mesh. */
function principalUnder(trustDomain: TrustDomain): (text: string) => string {
  const placeholder = 'cluster.local/'
  return (text) =>
    text.startsWith(placeholder) ? `${trustDomain.name}/${text.slice(placeholder.length)}` : text
}

function workloadOf(workload: unknown): Workload {
  const { namespace, labels } = Object(workload) as Partial<Workload>
  if (typeof namespace !== 'string' || namespace === '')
    throw bad('workload.namespace must be a string that is not empty')
  const copy: Record<string, string> = {}
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (typeof value !== 'string') throw bad(`the label ${JSON.stringify(key.slice(0, 64))} is not a string`)
    copy[key] = value
  }
  return { namespace, labels: copy }
}

function faultOfResource(index: number, ...[path, message]: Parameters<PolicyFault>): never {
  return refuseDocument([index, ...path], message)
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `Authorizer: ${what}`)
}
