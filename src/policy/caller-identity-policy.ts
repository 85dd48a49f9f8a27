// The default policy: a caller gets a certificate for its authenticated identity only.

import type { Caller } from '../auth/index.ts'
import { FrozenContent } from '../ca/internal.ts'
import { isDnsName } from '../ca/lints/dns-name.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import { nameOf } from '../internal/values/name-of.ts'
import { TrustDomain, TrustDomainAliases } from '../spiffe/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import { DistinguishedName, extensionOids, generalName } from '../x509/index.ts'
import { formatGeneralName, scannedExtensions } from '../x509/internal.ts'
import type { CertificateRequest, GeneralName } from '../x509/index.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from './issuance-policy.ts'

/** Options of `callerIdentityPolicy`. @inline */
export interface CallerIdentityPolicyOptions {
  /** Only identities in this trust domain get certificates. */
  readonly trustDomain: TrustDomain | string
  /**
   * Former names of the trust domain: a caller of one of them gets its
   * identity under the current name. Default: none.
   */
  readonly aliases?: Iterable<TrustDomain | string> | undefined
  /**
   * Called for each requested DNS name and IP address; only the literal `true` allows
   * it. DNS names are well-formed and in lower case. A first label `*` is a wildcard,
   * so compare whole names and not their ends. Default: none is allowed.
   */
  readonly mayHaveName?: ((name: GeneralName, caller: Caller) => boolean) | undefined
  /**
   * The handling of a request for more than is allowed: `refuse` it, or `trim` it and list the omitted items
   * in the decision. Default `refuse`.
   */
  readonly excess?: 'refuse' | 'trim' | undefined
  /**
   * A limit below the profile's, in seconds. A longer validity, also the
   * profile's default, is shortened to it.
   */
  readonly maxTtlSeconds?: number
}

/**
 * A policy that takes identities only from authentication. Rules: `caller-identity`, `trust-domain`,
 * `csr-ca`, `csr-names`, `csr-extensions`.
 *
 * If the subject of the request has a common name, the certificate gets the identity as its common name,
 * provided that it fits the 64 characters of RFC 5280 appendix A. The subject is not used otherwise.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID for invalid options
 * @example
 * ```ts
 * const policy = callerIdentityPolicy({ trustDomain: 'example.org', maxTtlSeconds: 3600 })
 * ```
 */
export function callerIdentityPolicy(options: CallerIdentityPolicyOptions): IssuancePolicy {
  const read = readOptions('callerIdentityPolicy', options, {
    trustDomain: 'required',
    aliases: 'optional',
    mayHaveName: 'optional',
    excess: 'optional',
    maxTtlSeconds: 'guard',
  })
  const { maxTtlSeconds, mayHaveName, excess: onExcess = 'refuse' } = read
  const trustDomain = TrustDomain.from(read.trustDomain)
  checkCounts({ maxTtlSeconds }, 1)
  const aliases = new TrustDomainAliases(trustDomain, read.aliases ?? [])
  if (!excesses.includes(onExcess))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `callerIdentityPolicy: excess is ${JSON.stringify(onExcess)}; expected refuse or trim`,
    )
  if (mayHaveName !== undefined && typeof mayHaveName !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `callerIdentityPolicy: mayHaveName must be a function, found ${nameOf(mayHaveName)}`,
    )
  const settings = { trustDomain, aliases, trim: onExcess === 'trim', maxTtlSeconds }
  return { decide: (request, caller) => decideByIdentity(settings, request, caller, mayHaveName) }
}

/** The checked options of `callerIdentityPolicy`. */
export interface IdentitySettings {
  readonly trustDomain: TrustDomain
  readonly aliases: TrustDomainAliases
  readonly trim: boolean
  readonly maxTtlSeconds: number | undefined
}

/** The decision of `callerIdentityPolicy`; for policies that add to it. */
export function decideByIdentity(
  { trustDomain, aliases, trim, maxTtlSeconds }: IdentitySettings,
  request: PolicyRequest,
  caller: Caller,
  mayHaveName: CallerIdentityPolicyOptions['mayHaveName'],
): IssuanceDecision {
  const { csr } = request
  const trimmed: string[] = []
  const trimInto = trim ? trimmed : undefined
  const asked = csr.subjectAltName ?? noNames
  const own = identityOf(caller, asked)
  if (own === undefined)
    return refuse(
      'caller-identity',
      'ERR_POLICY_IDENTITY',
      `the caller has ${caller.identities.length} identities and the request names none of them, or ` +
        'several',
    )
  if (!own.hasPath)
    return refuse(
      'caller-identity',
      'ERR_POLICY_IDENTITY',
      `${own.toString()} has no path: it names a trust domain, not a workload (X-2)`,
    )
  const identity = aliases.canonical(own)
  if (!identity.memberOf(trustDomain))
    return refuse(
      'trust-domain',
      'ERR_POLICY_TRUST_DOMAIN',
      `${identity.toString()} is not in the trust domain ${trustDomain.name}`,
    )
  const tooMuch = tooManyNames(asked)
  if (tooMuch !== undefined) return refuse('csr-names', 'ERR_LIMIT_EXCEEDED', tooMuch)

  const { allowed, foreign } = sortNames(asked, [own.toString(), identity.toString()], caller, mayHaveName)
  const refused =
    excess(trimInto, 'csr-ca', 'ERR_CSR_CA_REQUESTED', caRequest(csr)) ??
    excess(
      trimInto,
      'csr-names',
      'ERR_CSR_SAN_FOREIGN',
      foreign.length === 0
        ? undefined
        : `the request asks for ${foreign.slice(0, 5).map(formatGeneralName).join(', ')}; ` +
            `${identity.toString()} may not have it`,
    ) ??
    excess(trimInto, 'csr-extensions', 'ERR_CSR_EXTENSION', unknownExtension(csr))
  if (refused !== undefined) return refused

  const subjectAltName = [generalName.uri(identity.toString()), ...allowed]
  return Object.freeze({
    allowed: true,
    rule: 'caller-identity',
    trimmed: Object.freeze(trimmed),
    content: new FrozenContent({
      subjectAltName,
      subject: subjectOf(csr, identity),
      ttlSeconds: request.ttlSeconds,
      maxTtlSeconds,
    }),
  })
}

/** The only identity, or the one of several that the request names. */
export function identityOf(
  { identities }: Pick<Caller, 'identities'>,
  asked: readonly GeneralName[],
): SpiffeId | undefined {
  const [first] = identities
  if (first === undefined || identities.every((id) => id.equals(first))) return first
  const named = identities.filter((id) =>
    asked.some((name) => name.type === 'uri' && name.value === id.toString()),
  )
  return named.length === 1 ? named[0] : undefined
}

/** More names than a certificate can hold: refused before `mayHaveName` is called for each. */
function tooManyNames(asked: readonly GeneralName[]): string | undefined {
  if (asked.length > maxNames) return `the request asks for ${asked.length} names; the maximum is ${maxNames}`
  let length = 0
  for (const name of asked) if ('value' in name && typeof name.value === 'string') length += name.value.length
  return length > maxNamesLength
    ? `the request asks for names of ${length} characters; the maximum is ${maxNamesLength}`
    : undefined
}

/** Splits the names into allowed and foreign ones, each once. */
function sortNames(
  asked: readonly GeneralName[],
  own: readonly string[],
  caller: Caller,
  mayHaveName: CallerIdentityPolicyOptions['mayHaveName'],
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

/**
 * Istio's dual use: a request with a common name gets one. Its value is the identity, not the requested text.
 */
function subjectOf({ subject }: CertificateRequest, identity: SpiffeId): DistinguishedName | undefined {
  if (subject.isEmpty) return undefined // the usual request, without reading it
  const text = identity.toString()
  if (text.length > maxCommonName || !hasCommonName(subject)) return undefined
  return DistinguishedName.of([['CN', text]])
}

/**
 * A subject that cannot be read is ignored: its text is not used, so the request is not refused for it.
 */
function hasCommonName(subject: DistinguishedName): boolean {
  try {
    return subject.values('CN').some((value) => value !== '')
  } catch (error) {
    if (isPkiError(error)) return false
    throw error
  }
}

function caRequest({ basicConstraints, keyUsage }: CertificateRequest): string | undefined {
  if (basicConstraints?.ca === true) return 'the request asks for a CA certificate'
  return keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true
    ? "the request asks for a CA's key usage"
    : undefined
}

/** The extensions in `harmless` may be requested; their values are ignored, because the profile sets them. */
function unknownExtension(csr: CertificateRequest): string | undefined {
  const found = scannedExtensions(csr).find(({ oid }) => !harmless.has(oid))
  return found === undefined ? undefined : `the request asks for extension ${found.oid}`
}

/** Refuses what exceeds the permission, or records it in `trimmed`. */
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
/**
 * Profiles allow 100 names, the identity included; 5 KiB of names leave room
 * for the rest of a certificate of 8 KiB.
 */
const maxNames = 99
const maxNamesLength = 5 * 1024
const maxCommonName = 64
const harmless: ReadonlySet<string> = new Set([
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.keyUsage,
  extensionOids.extendedKeyUsage,
  extensionOids.subjectKeyIdentifier,
])
