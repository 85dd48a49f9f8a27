// Authenticates a request, decides about it, and logs and counts refusals: the common part of all middleware.

import { checkFlags } from '../../internal/option-types.ts'
import { requireCaller } from '../../auth/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../../auth/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { metricNames } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Logger, Metrics } from '../../runtime/index.ts'
import { SpiffeId, istio } from '../../spiffe/index.ts'
import type { AuthorizationDecision, Authorizer } from '../authorization/authorizer.ts'
import type { AuthorizationRequest } from '../authorization/facts.ts'

/** The common options of the middleware of every transport. */
export interface RequestGuardOptions {
  /** Decides about requests: an `Authorizer`, or the result of `openAuthorizationFile`. */
  readonly authorizer: Pick<Authorizer, 'decide'>
  /** Verifies tokens and other credentials. Default: callers are identified only by their certificate. */
  readonly authenticator?: Authenticator
  /**
   * Whether the SPIFFE ID of a token counts as `principal` in policies. A stolen token can be sent by anyone.
   * Default false: only certificates give principals.
   */
  readonly tokensAsPrincipals?: boolean | undefined
  /** Logs the reason of each refusal, which the caller does not receive. Default: none. */
  readonly logger?: Logger | undefined
  /**
   * The SPIFFE ID of this workload: the label `destination` of `mtls_policy_violations_total`. Default:
   * `unknown`. The destination in a request is not used, because its sender chooses it.
   */
  readonly destination?: SpiffeId | string | undefined
  /** Counts `mtls_policy_violations_total{source, destination, policy}`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/** The result for a request. */
export type Judgement =
  | {
      readonly outcome: 'allowed' | 'denied'
      readonly caller: Caller | undefined
      readonly principal: SpiffeId | undefined
      readonly decision: AuthorizationDecision
    }
  | { readonly outcome: 'unauthenticated' | 'unavailable' }

/** Decides requests. */
export class RequestGuard {
  readonly #authorizer: Pick<Authorizer, 'decide'>
  readonly #authenticator: Authenticator | undefined
  readonly #tokensAsPrincipals: boolean
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #destination: string

  /** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
  constructor(owner: string, options: RequestGuardOptions) {
    const { authorizer, authenticator, tokensAsPrincipals, logger, metrics } = options
    if (typeof (Object(authorizer) as Partial<Authorizer>).decide !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: authorizer needs the method decide`)
    if (
      authenticator !== undefined &&
      typeof (Object(authenticator) as Partial<Authenticator>).authenticate !== 'function'
    )
      throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: authenticator needs the method authenticate`)
    checkFlags(owner, { tokensAsPrincipals })
    this.#authorizer = authorizer
    this.#authenticator = authenticator
    this.#tokensAsPrincipals = tokensAsPrincipals === true
    this.#logger = safeLogger(owner, logger)
    this.#metrics = safeMetrics(owner, metrics)
    const { destination } = options
    this.#destination = workloadOf(destination === undefined ? undefined : SpiffeId.from(destination))
  }

  /**
   * @param peerId the SPIFFE ID that the peer has proven in the handshake
   * @param facts the facts that the transport has in addition to the caller
   */
  async judge(
    request: AuthenticationRequest,
    peerId: SpiffeId | undefined,
    facts: Omit<AuthorizationRequest, 'principal' | 'claims'>,
  ): Promise<Judgement> {
    const about = { peer: request.peer?.address, method: facts.method, path: pathOf(facts.path) }
    // An identity proven in the handshake is the source, regardless of the token.
    let principal = peerId
    try {
      const caller = await this.#callerOf(request)
      principal ??= caller && this.principalOf(caller)
      const decision = this.#authorizer.decide({ ...facts, principal, claims: caller?.claims })
      if (decision.audited.length > 0)
        this.#logger.info({ ...about, rules: decision.audited, rule: decision.rule }, 'request audited')
      // Only `true` allows.
      if ((decision.allowed as unknown) === true) return { outcome: 'allowed', caller, principal, decision }
      const who = principal?.toString() ?? caller?.identities.map(String).join(' ')
      this.refuse({ ...about, identity: who, reason: decision.reason }, decision.rule, principal)
      if (caller === undefined && principal === undefined) return { outcome: 'unauthenticated' }
      return { outcome: 'denied', caller, principal, decision }
    } catch (error) {
      return this.#failed(about, error, principal)
    }
  }

  /** The SPIFFE ID that policies name as principal. @throws ERR_POLICY_IDENTITY for several */
  principalOf(caller: Caller): SpiffeId | undefined {
    const byCertificate = caller.credential === 'x509' || caller.credential === 'xfcc'
    return byCertificate || this.#tokensAsPrincipals ? spiffeIdOf(caller) : undefined
  }

  /** Logs and counts a refusal. `source` is the identity that was proven. */
  refuse(fields: object, rule: string, source: SpiffeId | undefined): void {
    this.#metrics.count(metricNames.mtlsPolicyViolations, {
      source: workloadOf(source),
      destination: this.#destination,
      policy: rule,
    })
    this.#logger.warn({ ...fields, rule }, 'request refused')
  }

  /** The result without a decision: the credential was refused, or cannot be verified at the moment. */
  #failed(about: object, error: unknown, source: SpiffeId | undefined): Judgement {
    const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
    const reason = error instanceof Error ? error.message.slice(0, 1024) : 'unknown'
    this.refuse({ ...about, code, reason }, code, source)
    return { outcome: code === 'ERR_AUTHENTICATOR_UNAVAILABLE' ? 'unavailable' : 'unauthenticated' }
  }

  /** The authenticated caller; undefined if no credential was sent. */
  async #callerOf(request: AuthenticationRequest): Promise<Caller | undefined> {
    if (this.#authenticator === undefined) return undefined
    try {
      return await requireCaller(this.#authenticator, request)
    } catch (error) {
      if (isPkiError(error, 'ERR_CREDENTIAL_MISSING')) return undefined
      throw error
    }
  }
}

/** The one SPIFFE ID of a caller. @throws ERR_POLICY_IDENTITY for several */
export function spiffeIdOf({ identities }: Caller): SpiffeId {
  const [first] = identities
  if (first !== undefined && identities.every((id) => id.equals(first))) return first
  throw new PkiError(
    'ERR_POLICY_IDENTITY',
    `the caller has ${identities.length} identities; exactly one is required`,
  )
}

/**
 * A workload as a label with a limited number of values: the whole ID if it has Istio's form (a namespace and
 * a service account), otherwise the trust domain, because a path may have unlimited values, such as pod
 * names.
 */
function workloadOf(id: SpiffeId | undefined): string {
  if (id === undefined) return 'unknown'
  return istio.tryParse(id) === undefined ? id.trustDomain.idString : id.toString()
}

function pathOf(path: string | undefined): string | undefined {
  return path?.split('?', 1)[0]?.slice(0, 256)
}
