// The policy as data: the keys and values that a file or an object may contain, and the path of each one that
// it may not.

import { isDnsName } from '../../ca/lints/dns-name.ts'
import { isPkiError } from '../../errors/index.ts'
import { parseIpNetwork } from '../../internal/ip-address.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { DocumentReader } from '../document-reader.ts'
import type { PolicyFault } from '../document-reader.ts'
import { parseIdentityPattern } from './identity-pattern.ts'
import { compileTimeWindow, weekdays } from './time-window.ts'
import type { TimeWindow } from './time-window.ts'
import { checkTrustDomainRules, keyAlgorithms, oneOf } from './trust-domain-rules.ts'
import type { TrustDomainRules } from './trust-domain-rules.ts'

/** The subject by which a rate limit counts. */
type RateLimitScope = 'identity' | 'namespace' | 'caller' | 'source' | 'all'

/** One rule. It applies to every caller with an identity that matches. */
export interface PolicyRule {
  /** The name in decisions, logs and records; unique in the policy. */
  readonly name: string
  /** A path such as `/ns/{ns}/sa/{sa}`, a whole SPIFFE ID, or `*`. */
  readonly identity: string
  /** `deny` refuses; at least one rule must allow. Default `allow`. */
  readonly effect?: 'allow' | 'deny' | undefined
  /** Kinds of credentials to which the rule applies, such as `x509`. Default: all. */
  readonly credentials?: readonly string[] | undefined
  /** Claims that the caller must have with one of these values; a caller without them is refused. */
  readonly requiredClaims?:
    Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[]>> | undefined
  /** Longer validities are shortened. */
  readonly maxTtlSeconds?: number | undefined
  /**
   * DNS names that may be requested: `{sa}.{ns}.svc.cluster.local`, with the placeholders of `identity`.
   * Default: none.
   */
  readonly dnsNames?: readonly string[] | undefined
  /**
   * `absent`: the certificate has only the requested DNS names, for a server that clients identify by its
   * host name, such as a database. It is recorded for the identity of its caller. Requires `dnsNames`, and a
   * CA whose profile has `spiffeId: 'absent'`. Default `required`.
   */
  readonly spiffeId?: 'required' | 'absent' | undefined
  /** Networks of the IP addresses that may be requested, such as `10.0.0.0/8`. Default: none. */
  readonly ipAddresses?: readonly string[] | undefined
  /** Algorithms of subject keys: `P-256`, `RSA`, … Default: all that the profile accepts. */
  readonly keyAlgorithms?: readonly string[] | undefined
  /**
   * Networks from which requests must come, such as `10.0.0.0/8` or `fd00::/8`. A request without a known
   * address is in none of them, and a `deny` rule applies to it. Default: any.
   */
  readonly networks?: readonly string[] | undefined
  /** When certificates are issued. Default: always. */
  readonly during?: readonly TimeWindow[] | undefined
  /** The maximum number of certificates. */
  readonly rateLimit?:
    { readonly per: RateLimitScope; readonly count: number; readonly windowSeconds: number } | undefined
}

/** A whole policy. */
export interface PolicyDocument extends TrustDomainRules {
  readonly trustDomain: string
  /** Former names of the trust domain. */
  readonly aliases?: readonly string[] | undefined
  /** For requests without a validity. Default: the profile's. */
  readonly defaultTtlSeconds?: number | undefined
  /** The maximum for every rule. */
  readonly maxTtlSeconds?: number | undefined
  /** The handling of a request for more than the policy grants. Default `refuse`. */
  readonly excess?: 'refuse' | 'trim' | undefined
  readonly rules: readonly PolicyRule[]
}

/** Checks every value, and returns the same data as a typed document. @throws the error of `fault` */
export function readPolicyDocument(value: unknown, fault: PolicyFault): PolicyDocument {
  const document = new DocumentReader(value, [], fault)
  const trustDomain = document.text('trustDomain') ?? document.missing('trustDomain')
  if (!isTrustDomain(trustDomain))
    fault(['trustDomain'], `${JSON.stringify(trustDomain)} is not a trust domain`)
  document.list('aliases', (alias, path) => {
    if (typeof alias !== 'string' || !isTrustDomain(alias)) fault(path, 'expected the name of a trust domain')
  })
  document.count('defaultTtlSeconds')
  document.count('maxTtlSeconds')
  document.oneOf('excess', ['refuse', 'trim'])
  checkTrustDomainRules(document)
  const names = new Set<string>()
  const rules = document.list('rules', (rule, path) => {
    checkRule(new DocumentReader(rule, path, fault), trustDomain, names)
  })
  if (rules === undefined) document.missing('rules')
  document.finish()
  return value as PolicyDocument
}

function checkRule(rule: DocumentReader, trustDomain: string, names: Set<string>): void {
  const name = rule.text('name') ?? rule.missing('name')
  if (names.has(name)) rule.fault('name', `the name ${JSON.stringify(name)} is used twice`)
  names.add(name)
  const pattern = parseIdentityPattern(rule.text('identity') ?? rule.missing('identity'), trustDomain)
  if (typeof pattern === 'string') return rule.fault('identity', pattern)
  rule.oneOf('effect', ['allow', 'deny'])
  rule.texts('credentials')
  rule.list('keyAlgorithms', oneOf(rule, keyAlgorithms))
  rule.claims('requiredClaims')
  rule.count('maxTtlSeconds')
  rule.list('dnsNames', (template, path) => {
    const problem = dnsTemplateFault(template, pattern.placeholders)
    if (problem !== undefined) rule.faultAt(path, problem)
  })
  if (rule.oneOf('spiffeId', ['required', 'absent']) === 'absent' && !hasItems(rule.value['dnsNames']))
    rule.fault('spiffeId', 'absent requires dnsNames: the certificate contains nothing else')
  for (const key of ['networks', 'ipAddresses'])
    rule.list(key, (network, path) => {
      const problem = networkFault(network)
      if (problem !== undefined) rule.faultAt(path, problem)
    })
  rule.list('during', (window, path) => {
    checkWindow(new DocumentReader(window, path, rule.faultAt))
  })
  const limit = rule.object('rateLimit')
  if (limit !== undefined) {
    if (limit.oneOf('per', ['identity', 'namespace', 'caller', 'source', 'all']) === undefined)
      limit.missing('per')
    for (const key of ['count', 'windowSeconds']) if (limit.count(key) === undefined) limit.missing(key)
    limit.finish()
  }
  rule.finish()
}

function hasItems(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0
}

function checkWindow(window: DocumentReader): void {
  window.list('days', (day, path) => {
    if (!(weekdays as readonly unknown[]).includes(day))
      window.faultAt(path, 'expected mon, tue, wed, thu, fri, sat or sun')
  })
  for (const name of ['from', 'to', 'timeZone']) window.text(name)
  window.finish()
  const test = compileTimeWindow(window.value)
  if (typeof test === 'string') window.faultAt(window.path, test)
}

function dnsTemplateFault(template: unknown, placeholders: readonly string[]): string | undefined {
  if (typeof template !== 'string') return 'expected a DNS name as text'
  const unknown = [...template.matchAll(/\{([^}]*)\}/g)].find(
    ([, name]) => !placeholders.includes(name as string),
  )
  if (unknown !== undefined) return `${unknown[0]} is not a placeholder of identity`
  return isDnsName(template.replace(/\{[^}]*\}/g, 'x'))
    ? undefined
    : `${JSON.stringify(template)} is not a DNS name`
}

function networkFault(network: unknown): string | undefined {
  try {
    parseIpNetwork(network as string)
    return undefined
  } catch (error) {
    if (isPkiError(error)) return error.message
    throw error
  }
}

function isTrustDomain(name: string): boolean {
  try {
    return TrustDomain.from(name).name === name
  } catch {
    return false
  }
}
