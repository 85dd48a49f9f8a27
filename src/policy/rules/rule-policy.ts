// A policy of rules: the identity comes from authentication, and every matching rule is applied.

import type { Caller } from '../../auth/index.ts'
import type { CertificateContent } from '../../ca/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { isInNetwork, parseIpAddress, parseIpNetwork, sourceOfAddress } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { TrustDomain, TrustDomainAliases } from '../../spiffe/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { refuseDocument } from '../document-reader.ts'
import type { PolicyFault } from '../document-reader.ts'
import { decideByIdentity, identityOf } from '../caller-identity-policy.ts'
import type { IdentitySettings } from '../caller-identity-policy.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from '../issuance-policy.ts'
import { parseIdentityPattern } from './identity-pattern.ts'
import type { IdentityPattern } from './identity-pattern.ts'
import { readPolicyDocument } from './policy-document.ts'
import type { PolicyDocument, PolicyRule } from './policy-document.ts'
import { RateLimiter } from './rate-limiter.ts'
import { mayHaveAddress } from './rule-addresses.ts'
import { mayHave, withoutSpiffeId } from './rule-names.ts'
import { frozenDecision } from '../frozen-decision.ts'
import type { AllowedDecision } from '../frozen-decision.ts'
import { RuleIndex } from './rule-index.ts'
import { compileTimeWindow } from './time-window.ts'
import type { TimeTest } from './time-window.ts'
import { decideByTrustDomain, isKindAllowed } from './trust-domain-rules.ts'

/** A rule with its pattern, windows and limiter. */
interface CompiledRule {
  readonly rule: PolicyRule
  readonly place: number
  readonly pattern: IdentityPattern
  readonly networks: readonly IpNetwork[] | undefined
  readonly ipAddresses: readonly IpNetwork[] | undefined
  readonly during: readonly TimeTest[] | undefined
  readonly limiter: RateLimiter | undefined
}

/** A rule that matches, and the identity of the caller that it matches. */
interface Match extends CompiledRule {
  readonly identity: SpiffeId
}

/** Options of `createRulePolicy`. */
export interface RulePolicyOptions {
  readonly clock?: Pick<Clock, 'now' | 'monotonic'> | undefined
  /**
   * Reports a fault of the document at a path; it must throw. Default: ERR_POLICY_INVALID with
   * `rules[2].identity`.
   */
  readonly fault?: PolicyFault | undefined
}

/**
 * A policy from data. The identity in the certificate is the caller's own, as with `callerIdentityPolicy`. Of
 * the rules whose pattern matches any identity of the caller:
 *
 * - a `deny` rule refuses the request if its conditions (`during`, `networks`, `keyAlgorithms`,
 *   `requiredClaims`) hold;
 * - an `allow` rule must match the identity of the certificate;
 * - the conditions and rate limits of all `allow` rules must hold, and the shortest `maxTtlSeconds` limits
 *   the validity;
 * - a DNS name or an IP address is allowed if one of the rules for that identity grants it;
 * - the certificate has only DNS names and no SPIFFE ID if one of the rules for that identity has `spiffeId:
 *   'absent'`.
 *
 * Before the rules, the settings of the trust domain are applied (`sanKinds`, `keyAlgorithms`, …). The
 * decision names the rules that allowed, or the one that refused.
 *
 * @throws ERR_POLICY_INVALID for a document with an unknown key or an invalid value;
 * ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const rules = [{ name: 'services', identity: '/ns/{ns}/sa/{sa}', maxTtlSeconds: 3600 }]
 * const byRules = createRulePolicy({ trustDomain: 'example.org', rules })
 * ```
 */
export function createRulePolicy(document: PolicyDocument, given?: RulePolicyOptions): IssuancePolicy {
  const { clock = systemClock, fault = refuseDocument } = readOptions('createRulePolicy', given, {
    clock: 'optional',
    fault: 'optional',
  })
  return new RulePolicy(readPolicyDocument(copyOf(document, fault), fault), clock)
}

/** A copy: later changes of the given object must not change the policy. */
function copyOf(document: PolicyDocument, fault: PolicyFault): PolicyDocument {
  try {
    return structuredClone(document)
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown'
    return fault([], `is not plain data: ${reason}`)
  }
}

class RulePolicy implements IssuancePolicy {
  readonly #document: PolicyDocument
  readonly #settings: IdentitySettings
  readonly #rules: RuleIndex<CompiledRule>
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>

  constructor(document: PolicyDocument, clock: Pick<Clock, 'now' | 'monotonic'>) {
    const trustDomain = TrustDomain.from(document.trustDomain)
    const aliases = new TrustDomainAliases(trustDomain, document.aliases ?? [])
    this.#document = document
    this.#settings = { trustDomain, aliases, trim: document.excess === 'trim', maxTtlSeconds: undefined }
    this.#rules = new RuleIndex(
      document.rules.map((rule, place) => compile(rule, place, document.trustDomain)),
    )
    this.#clock = clock
  }

  decide(request: PolicyRequest, caller: Caller): IssuanceDecision {
    const own = identityOf(caller, request.csr.subjectAltName ?? [])
    const { aliases, trustDomain } = this.#settings
    const identity = own && aliases.canonical(own)
    const matches = this.#matchesOf(caller)
    const forIdentity = matches.filter((match) => identity !== undefined && match.identity.equals(identity))
    const byIdentity = decideByIdentity(
      this.#settings,
      request,
      caller,
      (name) =>
        isKindAllowed(this.#document, name) &&
        (mayHave(name, forIdentity) || mayHaveAddress(name, forIdentity)),
    )
    // Faults of the caller and the request come first, then the rules.
    if (!byIdentity.allowed || identity?.memberOf(trustDomain) !== true) return byIdentity
    const decision = decideByTrustDomain(this.#document, request, caller, byIdentity, this.#settings.trim)
    if (!decision.allowed) return decision
    const denied = matches.find(
      (match) => match.rule.effect === 'deny' && this.#unmetBy(match, request, caller) === undefined,
    )
    if (denied !== undefined)
      return refuse(denied.rule.name, 'ERR_POLICY_DENIED', `${denied.identity.toString()} is denied`)
    const allowing = forIdentity.filter(({ rule }) => rule.effect !== 'deny')
    if (allowing.length === 0)
      return refuse('no-rule', 'ERR_POLICY_DENIED', `no rule allows ${identity.toString()}`)
    const applied = matches.filter(({ rule }) => rule.effect !== 'deny')
    for (const match of applied) {
      const unmet = this.#unmetBy(match, request, caller)
      if (unmet !== undefined) return refuse(match.rule.name, 'ERR_POLICY_DENIED', unmet)
    }
    const absent = allowing.find(({ rule }) => rule.spiffeId === 'absent')
    const narrowed = absent === undefined ? decision : withoutSpiffeId(decision, absent, request)
    if (!narrowed.allowed) return narrowed
    return this.#limited(request, caller, applied) ?? this.#allowed(narrowed, applied, allowing)
  }

  /**
   * The rules for every identity of the caller: a rule for one of them also applies to a certificate for
   * another.
   */
  #matchesOf({ identities, credential }: Caller): Match[] {
    const once = new Map(identities.map((id) => [this.#settings.aliases.canonical(id).toString(), id]))
    const matches: Match[] = []
    for (const id of once.values()) {
      const identity = this.#settings.aliases.canonical(id)
      if (!identity.memberOf(this.#settings.trustDomain)) continue
      for (const compiled of this.#rules.find(identity))
        if (compiled.rule.credentials?.includes(credential) !== false) matches.push({ ...compiled, identity })
    }
    return matches
  }

  /**
   * The condition of the rule that does not hold, as text. A `deny` rule denies only while its conditions
   * hold.
   */
  #unmetBy(
    { rule, during, networks }: Match,
    request: PolicyRequest,
    { claims }: Caller,
  ): string | undefined {
    const { keyAlgorithms, requiredClaims = {} } = rule
    const { algorithm = 'of an unknown algorithm' } = request.csr.publicKey
    if (keyAlgorithms?.includes(algorithm) === false)
      return `the key is ${algorithm}; allowed: ${keyAlgorithms.join(', ')}`
    const timeMs = request.time?.getTime() ?? this.#clock.now()
    if (during?.some((isIn) => isIn(timeMs)) === false)
      return `the time ${new Date(timeMs).toISOString()} is outside the hours of the rule`
    // Address and claims last, and only if the rule has a condition on them, because a replay does not have
    // them.
    if (networks !== undefined && !comesFrom(request.source, networks, rule.effect === 'deny'))
      return `the source ${request.source ?? '(unknown)'} is outside the networks of the rule`
    const odd = Object.entries(requiredClaims).find(([name, wanted]) => !hasClaim(claims, name, wanted))
    return odd && `the claim ${JSON.stringify(odd[0])} of the caller is absent or has another value`
  }

  /**
   * Takes a token from each limit, or from none: a request that the second limit refuses must not use the
   * first.
   */
  #limited(request: PolicyRequest, caller: Caller, matches: readonly Match[]): IssuanceDecision | undefined {
    if (request.dryRun === true) return undefined
    const taken: (() => void)[] = []
    for (const match of matches) {
      const { limiter, rule } = match
      if (limiter === undefined) continue
      const key = limitKey(match, caller, request.source)
      const waitSeconds = limiter.take(key, this.#clock.monotonic())
      if (waitSeconds > 0) {
        for (const giveBack of taken) giveBack()
        return refuse(rule.name, 'ERR_POLICY_RATE', `too many certificates; retry in ${waitSeconds} s`)
      }
      taken.push(() => {
        limiter.giveBack(key)
      })
    }
    return undefined
  }

  #allowed(
    decision: AllowedDecision,
    matches: readonly Match[],
    allowing: readonly Match[],
  ): IssuanceDecision {
    const { content, trimmed } = decision
    const { defaultTtlSeconds, maxTtlSeconds: all } = this.#document
    const ttlSeconds = content.ttlSeconds ?? defaultTtlSeconds
    const limits = matches.map(({ rule }) => ({ by: rule.name, seconds: rule.maxTtlSeconds ?? Infinity }))
    limits.push({ by: 'maxTtlSeconds of the policy', seconds: all ?? Infinity })
    const shortest = limits.reduce((a, b) => (b.seconds < a.seconds ? b : a))
    const maxTtlSeconds = shortest.seconds === Infinity ? undefined : shortest.seconds
    const cut =
      maxTtlSeconds !== undefined && ttlSeconds !== undefined && ttlSeconds > maxTtlSeconds
        ? [`validity: ${ttlSeconds} s cut to ${maxTtlSeconds} s by ${shortest.by}`]
        : []
    const narrowed: CertificateContent = { ...content, ttlSeconds, maxTtlSeconds }
    const rule = allowing.map((match) => match.rule.name).join(', ')
    return frozenDecision({ ...decision, rule, content: narrowed, trimmed: [...trimmed, ...cut] })
  }
}

function compile(rule: PolicyRule, place: number, trustDomain: string): CompiledRule {
  return {
    rule,
    place,
    // Both were checked with the document.
    pattern: parseIdentityPattern(rule.identity, trustDomain) as IdentityPattern,
    networks: rule.networks?.map(parseIpNetwork),
    ipAddresses: rule.ipAddresses?.map(parseIpNetwork),
    during: rule.during?.map((window) => compileTimeWindow(window) as TimeTest),
    limiter: rule.rateLimit && new RateLimiter(rule.rateLimit),
  }
}

/**
 * The network of a caller without an address is not known: `allow` rules do not apply to it, and `deny` rules
 * do.
 */
function comesFrom(
  source: string | undefined,
  networks: readonly IpNetwork[],
  withoutAddress: boolean,
): boolean {
  const address = source === undefined ? undefined : parseIpAddress(source)
  return address === undefined ? withoutAddress : networks.some((network) => isInNetwork(address, network))
}

function hasClaim(claims: Caller['claims'], name: string, wanted: unknown): boolean {
  const found = Object.hasOwn(claims, name) ? claims[name] : undefined
  const allowed: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted]
  // A claim that is a list, such as groups, matches by any of its values.
  return Array.isArray(found) ? found.some((one) => allowed.includes(one)) : allowed.includes(found)
}

function limitKey({ rule, identity }: Match, caller: Caller, source: string | undefined): string {
  switch (rule.rateLimit?.per) {
    case 'namespace':
      return namespaceOf(identity)
    case 'caller':
      return `${caller.credential} ${caller.identities.map(String).sort().join(' ')}`
    case 'source':
      return source === undefined ? '' : sourceOfAddress(source)
    case 'all':
      return ''
    default:
      return identity.toString()
  }
}

/** Istio's namespace if the path has one, else the path without its last segment. */
function namespaceOf({ path }: SpiffeId): string {
  return /^\/ns\/[^/]+/.exec(path)?.[0] ?? path.slice(0, path.lastIndexOf('/'))
}

function refuse(rule: string, code: PkiErrorCode, reason: string): IssuanceDecision {
  return { allowed: false, rule, code, reason }
}
