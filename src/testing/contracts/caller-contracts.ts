// The contracts of authenticators and issuance policies.

import type { AuthenticationRequest, Authenticator, Caller } from '../../auth/index.ts'
import { checkCaller } from '../../auth/internal.ts'
import { isPkiError } from '../../errors/index.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from '../../policy/index.ts'
import { holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface AuthenticatorContractOptions {
  /** Creates the authenticator. */
  readonly open: () => Authenticator | Promise<Authenticator>
  /** The parts of a request with a valid credential: `header` or `tls`. */
  readonly valid: Partial<AuthenticationRequest>
  /** The parts of requests with invalid credentials of this kind, at least one. */
  readonly invalid: readonly Partial<AuthenticationRequest>[]
  /** The SPIFFE IDs of the caller with the valid credential. */
  readonly identities: readonly string[]
}

/** The cases of `Authenticator`. */
export function authenticatorContract(options: AuthenticatorContractOptions): readonly ContractCase[] {
  const { open, valid, invalid, identities } = options
  const answer = async (parts: Partial<AuthenticationRequest>): Promise<Caller | undefined> => {
    const given: unknown = (await open()).authenticate(requestOf(parts))
    holds(given instanceof Promise, 'authenticate did not return a promise')
    return given as Promise<Caller | undefined>
  }
  return [
    {
      name: 'has a name',
      run: async () => holds(/^\S+$/.test((await open()).name), 'the name is empty or has spaces'),
    },
    {
      name: 'returns the caller of a valid credential, at each call',
      run: async () => {
        const authenticator = await open()
        for (let call = 0; call < 2; call++) {
          const caller = await authenticator.authenticate(requestOf(valid))
          holds(caller !== undefined, 'a valid credential was not recognised')
          const checked = checkCaller(caller as Caller, authenticator.name)
          same(checked.identities.map(String).sort(), [...identities].sort(), 'the identities')
        }
      },
    },
    {
      name: 'returns undefined if no credential of its kind was sent',
      run: async () => {
        for (const transport of ['grpc', 'http'])
          holds((await answer({ transport })) === undefined, 'a caller without a credential was recognised')
      },
    },
    {
      name: 'refuses each invalid credential of its kind',
      run: async () => {
        holds(invalid.length > 0, 'at least one invalid credential is needed')
        for (const parts of invalid)
          await refused(['ERR_CREDENTIAL_INVALID', 'ERR_CLIENT_CERTIFICATE_UNTRUSTED'], answer(parts))
      },
    },
    {
      name: 'accepts a valid credential after a refusal',
      run: async () => {
        const authenticator = await open()
        for (const parts of invalid)
          await authenticator.authenticate(requestOf(parts)).catch((error: unknown) => error)
        holds(
          (await authenticator.authenticate(requestOf(valid))) !== undefined,
          'a valid credential is refused',
        )
      },
    },
  ]
}

/** The tested implementation. @inline */
export interface IssuancePolicyContractOptions {
  /** Creates the policy. */
  readonly open: () => IssuancePolicy | Promise<IssuancePolicy>
  /** A request that the policy allows, and its caller. */
  readonly allowed: readonly [PolicyRequest, Caller]
  /** A request that it refuses, and its caller. */
  readonly refused: readonly [PolicyRequest, Caller]
}

/** The cases of `IssuancePolicy`. */
export function issuancePolicyContract(options: IssuancePolicyContractOptions): readonly ContractCase[] {
  const decide = async ([request, caller]: readonly [PolicyRequest, Caller]): Promise<IssuanceDecision> =>
    (await options.open()).decide(Object.freeze({ ...request }), Object.freeze({ ...caller }))
  return [
    {
      name: 'allows with a rule, names and a list of omitted items',
      run: async () => {
        const decision = await decide(options.allowed)
        if (!decision.allowed) throw new Error(`the allowed request was refused: ${decision.reason}`)
        holds(decision.rule !== '', 'the rule has no name')
        holds(decision.content.subjectAltName.length > 0, 'the certificate would have no name')
        holds(
          decision.trimmed.every((item: unknown) => typeof item === 'string'),
          'trimmed is not a list of strings',
        )
      },
    },
    {
      name: 'refuses with a rule, a code and a reason, or throws a PkiError',
      run: async () => {
        const decision = await decide(options.refused).catch((error: unknown) => {
          if (isPkiError(error)) return undefined
          throw error
        })
        if (decision === undefined) return
        if (decision.allowed) throw new Error(`the refused request was allowed by ${decision.rule}`)
        holds(decision.rule !== '' && decision.reason !== '', 'the refusal has no rule or no reason')
        holds(/^ERR_[A-Z0-9_]+$/.test(decision.code), `the code is ${decision.code}`)
      },
    },
    {
      name: 'makes the same decision for the same request',
      run: async () => {
        const [first, second] = [await decide(options.allowed), await decide(options.allowed)]
        same(second.rule, first.rule, 'the rule of the second decision')
      },
    },
  ]
}

function requestOf(parts: Partial<AuthenticationRequest>): AuthenticationRequest {
  return {
    transport: 'grpc',
    header: () => [],
    peer: { address: '192.0.2.1', port: 50_000 },
    tls: undefined,
    signal: new AbortController().signal,
    ...parts,
  }
}
