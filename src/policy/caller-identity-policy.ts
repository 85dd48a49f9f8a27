// The default policy: a caller gets a certificate for who it is, and for nothing else.

import type { Caller } from '../auth/index.ts'
import { isDnsName } from '../ca/certificate-lints.ts'
import { PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import { TrustDomain, TrustDomainAliases } from '../spiffe/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import { DistinguishedName, extensionOids, formatGeneralName, generalName } from '../x509/index.ts'
import type { CertificateRequest, GeneralName } from '../x509/index.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from './issuance-policy.ts'

/** Options of `callerIdentityPolicy`. */
export interface CallerIdentityPolicyOptions {
  /** Only identities of this trust domain get certificates. */
  readonly trustDomain: TrustDomain | string
  /** Former names of the trust domain: a caller of one of them gets its identity under the name of today. Default none. */
  readonly aliases?: Iterable<TrustDomain | string> | undefined
  /**
   * DNS names and IP addresses that a caller may have beside its identity, by `true` and nothing else; default none. DNS names are well-formed
   * and in lower case; a first label `*` is a wildcard, so do not judge by the end of the name alone.
   */
  readonly mayHaveName?: ((name: GeneralName, caller: Caller) => boolean) | undefined
  /** What is asked for beyond what is allowed: `refuse`, or `trim` it and say so in the decision. Default `refuse`. */
  readonly excess?: 'refuse' | 'trim' | undefined
  /** A shorter limit than the profile's, in seconds; what is longer is narrowed to it, the profile's default too. */
  readonly maximumTtlSeconds?: number | undefined
}

/**
 * A policy that takes identities from authentication alone. Rules: `caller-identity`, `trust-domain`, `csr-ca`, `csr-names`, `csr-extensions`.
 *
 * Of the request's subject it takes one thing: whether there is a common name. Then the certificate's is the identity, where it is no longer than
 * the 64 characters of RFC 5280 appendix A.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID for options that mean nothing
 * @example
 * ```ts
 * const policy = callerIdentityPolicy({ trustDomain: 'example.org', maximumTtlSeconds: 3600 })
 * ```
 */
export function callerIdentityPolicy(options: CallerIdentityPolicyOptions): IssuancePolicy {
  if ((options as Partial<CallerIdentityPolicyOptions> | undefined)?.trustDomain === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'trustDomain is that of the callers')
  const { maximumTtlSeconds, excess: onExcess = 'refuse' } = options
  const trustDomain = TrustDomain.from(options.trustDomain)
  checkCounts({ maximumTtlSeconds }, 1)
  const aliases = new TrustDomainAliases(trustDomain, options.aliases ?? [])
  if (!excesses.includes(onExcess))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `excess is ${JSON.stringify(onExcess)}; refuse or trim is wanted`,
    )
  const trim = onExcess === 'trim'
  return {
    decide(request: PolicyRequest, caller: Caller): IssuanceDecision {
      const { csr } = request
      const trimmed: string[] = []
      const trimInto = trim ? trimmed : undefined
      const asked = csr.subjectAltName ?? noNames
      const own = identityOf(caller, asked)
      if (own === undefined)
        return refuse(
          'caller-identity',
          'ERR_POLICY_IDENTITY',
          `the caller has ${caller.identities.length} identities and the request names none of them, or several`,
        )
      if (!own.hasPath)
        return refuse(
          'caller-identity',
          'ERR_POLICY_IDENTITY',
          `${own.toString()} is a trust domain and no workload (X-2)`,
        )
      const identity = aliases.canonical(own)
      if (!identity.memberOf(trustDomain))
        return refuse(
          'trust-domain',
          'ERR_POLICY_TRUST_DOMAIN',
          `${identity.toString()} is not of ${trustDomain.name}`,
        )
      const tooMuch = tooManyNames(asked)
      if (tooMuch !== undefined) return refuse('csr-names', 'ERR_LIMIT_EXCEEDED', tooMuch)

      const { allowed, foreign } = sortNames(asked, [own.toString(), identity.toString()], caller, options)
      const refused =
        excess(trimInto, 'csr-ca', 'ERR_CSR_CA_REQUESTED', caRequest(csr)) ??
        excess(
          trimInto,
          'csr-names',
          'ERR_CSR_SAN_FOREIGN',
          foreign.length === 0
            ? undefined
            : `the request asks for ${foreign.slice(0, 5).map(formatGeneralName).join(', ')}, which ${identity.toString()} may not have`,
        ) ??
        excess(trimInto, 'csr-extensions', 'ERR_CSR_EXTENSION', unknownExtension(csr))
      if (refused !== undefined) return refused

      const subjectAltName = [generalName.uri(identity.toString()), ...allowed]
      return {
        allowed: true,
        rule: 'caller-identity',
        trimmed,
        content: {
          subjectAltName,
          subject: subjectOf(csr, identity),
          ttlSeconds: request.ttlSeconds,
          maximumTtlSeconds,
        },
      }
    },
  }
}

/** The only identity, or the one of several that the request names. */
function identityOf({ identities }: Caller, asked: readonly GeneralName[]): SpiffeId | undefined {
  const [first] = identities
  if (first === undefined || identities.every((id) => id.equals(first))) return first
  const named = identities.filter((id) =>
    asked.some((name) => name.type === 'uri' && name.value === id.toString()),
  )
  return named.length === 1 ? named[0] : undefined
}

/** More than a certificate holds: the requester's fault, to be told before anybody is asked about each name. */
function tooManyNames(asked: readonly GeneralName[]): string | undefined {
  if (asked.length > maximumNames)
    return `the request asks for ${asked.length} names; at most ${maximumNames} are given`
  let length = 0
  for (const name of asked) if ('value' in name && typeof name.value === 'string') length += name.value.length
  return length > maximumNamesLength
    ? `the request asks for names of ${length} characters; at most ${maximumNamesLength} are given`
    : undefined
}

/** Each name once: a request that repeats itself is no fault of ours. */
function sortNames(
  asked: readonly GeneralName[],
  own: readonly string[],
  caller: Caller,
  { mayHaveName }: CallerIdentityPolicyOptions,
): { allowed: GeneralName[]; foreign: GeneralName[] } {
  let allowed: Map<string, GeneralName> | undefined
  const foreign: GeneralName[] = []
  for (const name of asked) {
    if (name.type === 'uri' && own.includes(name.value)) continue
    const fits =
      ((name.type === 'dns' && isDnsName(name.value)) || name.type === 'ip') &&
      mayHaveName?.(name, caller) === true
    if (fits) (allowed ??= new Map<string, GeneralName>()).set(`${name.type} ${name.value}`, name)
    else foreign.push(name)
  }
  return { allowed: [...(allowed?.values() ?? [])], foreign }
}

/** Istio's dual use: a request with a common name gets one, which is the identity's and not the request's. */
function subjectOf({ subject }: CertificateRequest, identity: SpiffeId): DistinguishedName | undefined {
  const text = identity.toString()
  if (
    subject.isEmpty ||
    text.length > maximumCommonName ||
    !subject.values('CN').some((value) => value !== '')
  )
    return undefined
  return DistinguishedName.of([['CN', text]])
}

function caRequest({ basicConstraints, keyUsage }: CertificateRequest): string | undefined {
  if (basicConstraints?.ca === true) return 'the request asks for a CA certificate'
  return keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true
    ? "the request asks for a CA's key usage"
    : undefined
}

/** Extensions that say nothing beyond the profile may be asked for; what they say is not looked at. */
function unknownExtension(csr: CertificateRequest): string | undefined {
  const found = csr.extensions.find(({ oid }) => !harmless.has(oid))
  return found === undefined ? undefined : `the request asks for extension ${found.oid}`
}

/** What a request has too much of: refused, or trimmed and said so. */
function excess(
  trimmed: string[] | undefined,
  rule: string,
  code: PkiErrorCode,
  found: string | undefined,
): IssuanceDecision | undefined {
  if (found === undefined) return undefined
  if (trimmed === undefined) return refuse(rule, code, found)
  trimmed.push(found)
  return undefined
}

function refuse(rule: string, code: PkiErrorCode, reason: string): IssuanceDecision {
  return { allowed: false, rule, code, reason }
}

const noNames: readonly GeneralName[] = []
const excesses: readonly unknown[] = ['refuse', 'trim']
/** As many as the profiles have, the identity included; their length leaves room for the rest of a certificate of 8 KiB. */
const maximumNames = 99
const maximumNamesLength = 5 * 1024
const maximumCommonName = 64
const harmless: ReadonlySet<string> = new Set([
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.keyUsage,
  extensionOids.extendedKeyUsage,
  extensionOids.subjectKeyIdentifier,
])
