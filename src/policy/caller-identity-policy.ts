// The default policy: a caller gets a certificate for who it is, and for nothing else.

import type { Caller } from '../auth/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import type { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import { extensionOids, formatGeneralName, generalName } from '../x509/index.ts'
import type { CertificateRequest, GeneralName } from '../x509/index.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from './issuance-policy.ts'

/** Options of `callerIdentityPolicy`. */
export interface CallerIdentityPolicyOptions {
  /** Only identities of this trust domain get certificates. */
  readonly trustDomain: TrustDomain
  /** DNS names and IP addresses that a caller may have beside its identity; default none. */
  readonly mayHaveName?: ((name: GeneralName, caller: Caller) => boolean) | undefined
  /** What is asked for beyond what is allowed: `refuse`, or `trim` it and say so in the decision. Default `refuse`. */
  readonly excess?: 'refuse' | 'trim' | undefined
  /** A shorter limit than the profile's, in seconds; what is longer is narrowed to it, the profile's default too. */
  readonly maximumTtlSeconds?: number | undefined
}

/** A policy that takes identities from authentication alone. Rules: `caller-identity`, `csr-ca`, `csr-names`, `csr-extensions`, `trust-domain`. */
export function callerIdentityPolicy(options: CallerIdentityPolicyOptions): IssuancePolicy {
  const trim = options.excess === 'trim'
  return {
    decide(request: PolicyRequest, caller: Caller): IssuanceDecision {
      const { csr } = request
      const trimmed: string[] = []
      const trimInto = trim ? trimmed : undefined
      const asked = csr.subjectAltName ?? []
      const identity = identityOf(caller, asked)
      if (identity === undefined) return refuse('caller-identity', 'ERR_POLICY_IDENTITY', `the caller has ${caller.identities.length} identities and the request names none of them, or several`)
      if (!identity.memberOf(options.trustDomain)) return refuse('trust-domain', 'ERR_POLICY_TRUST_DOMAIN', `${identity.toString()} is not of ${options.trustDomain.name}`)

      const { allowed, foreign } = sortNames(asked, identity, caller, options)
      const refused = excess(trimInto, 'csr-ca', 'ERR_CSR_CA_REQUESTED', caRequest(csr))
        ?? excess(trimInto, 'csr-names', 'ERR_CSR_SAN_FOREIGN', foreign.length === 0 ? undefined : `the request asks for ${foreign.slice(0, 5).map(formatGeneralName).join(', ')}, which ${identity.toString()} may not have`)
        ?? excess(trimInto, 'csr-extensions', 'ERR_CSR_EXTENSION', unknownExtension(csr))
      if (refused !== undefined) return refused

      const subjectAltName = [generalName.uri(identity.toString()), ...allowed]
      return { allowed: true, rule: 'caller-identity', trimmed, content: { subjectAltName, ttlSeconds: request.ttlSeconds, maximumTtlSeconds: options.maximumTtlSeconds } }
    },
  }
}

/** The only identity, or the one of several that the request names. */
function identityOf(caller: Caller, asked: readonly GeneralName[]): SpiffeId | undefined {
  if (caller.identities.length === 1) return caller.identities[0]
  const named = caller.identities.filter((id) => asked.some((name) => name.type === 'uri' && name.value === id.toString()))
  return named.length === 1 ? named[0] : undefined
}

function sortNames(asked: readonly GeneralName[], identity: SpiffeId, caller: Caller, { mayHaveName }: CallerIdentityPolicyOptions): { allowed: GeneralName[], foreign: GeneralName[] } {
  const allowed: GeneralName[] = []
  const foreign: GeneralName[] = []
  for (const name of asked) {
    if (name.type === 'uri' && name.value === identity.toString()) continue
    const fits = (name.type === 'dns' || name.type === 'ip') && mayHaveName?.(name, caller) === true
    ;(fits ? allowed : foreign).push(name)
  }
  return { allowed, foreign }
}

function caRequest({ basicConstraints, keyUsage }: CertificateRequest): string | undefined {
  if (basicConstraints?.ca === true) return 'the request asks for a CA certificate'
  return keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true ? "the request asks for a CA's key usage" : undefined
}

/** Extensions that say nothing beyond the profile may be asked for; what they say is not looked at. */
function unknownExtension(csr: CertificateRequest): string | undefined {
  const found = csr.extensions.find(({ oid }) => !harmless.has(oid))
  return found === undefined ? undefined : `the request asks for extension ${found.oid}`
}

/** What a request has too much of: refused, or trimmed and said so. */
function excess(trimmed: string[] | undefined, rule: string, code: PkiErrorCode, found: string | undefined): IssuanceDecision | undefined {
  if (found === undefined) return undefined
  if (trimmed === undefined) return refuse(rule, code, found)
  trimmed.push(found)
  return undefined
}

function refuse(rule: string, code: PkiErrorCode, reason: string): IssuanceDecision {
  return { allowed: false, rule, code, reason }
}

const harmless: ReadonlySet<string> = new Set([extensionOids.subjectAltName, extensionOids.basicConstraints, extensionOids.keyUsage, extensionOids.extendedKeyUsage, extensionOids.subjectKeyIdentifier])
