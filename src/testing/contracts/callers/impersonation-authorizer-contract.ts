// The contract of impersonation authorizers: the caller with exactly the requested identity, or a refusal.

import type { Caller } from '../../../auth/index.ts'
import { checkCaller } from '../../../auth/internal.ts'
import { holds, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'

/** `ImpersonationAuthorizer` of the gRPC adapter, which this layer cannot import. @inline */
interface Authorizer {
  authorize(caller: Caller, identity: string): Promise<Caller>
}

/** The tested implementation. @inline */
export interface ImpersonationAuthorizerContractOptions {
  /** Creates the authorizer. */
  readonly open: () => Authorizer | Promise<Authorizer>
  /** A caller, and another identity that it may request. */
  readonly allowed: readonly [Caller, identity: string]
  /** Callers with an identity that each may not request, at least one. */
  readonly refused: readonly (readonly [Caller, identity: string])[]
}

/** The cases of `ImpersonationAuthorizer`. */
export function impersonationAuthorizerContract(
  options: ImpersonationAuthorizerContractOptions,
): readonly ContractCase[] {
  const { open, allowed, refused } = options
  const [caller, identity] = allowed
  const mayNot = async (authorizer: Authorizer, by: Caller, wanted: string): Promise<void> => {
    const answer = await answerOf(authorizer, by, wanted).catch((error: unknown) => error)
    holds(answer instanceof Error, `the identity ${JSON.stringify(wanted)} was granted`)
  }
  return [
    {
      name: 'returns the caller with the requested identity as its only one, at each call',
      run: async () => {
        const authorizer = await open()
        for (let call = 0; call < 2; call++) {
          const answer: unknown = authorizer.authorize(frozen(caller), identity)
          holds(answer instanceof Promise, 'authorize did not return a promise')
          const checked = checkCaller((await answer) as Caller, 'the authorizer')
          same(checked.identities.map(String), [identity], 'the identities')
        }
      },
    },
    {
      name: 'does not change the caller that it was given',
      run: async () => {
        const given = { ...caller, identities: [...caller.identities], claims: { ...caller.claims } }
        const before = JSON.stringify([given.identities.map(String), given.claims])
        await (await open()).authorize(given, identity)
        same(JSON.stringify([given.identities.map(String), given.claims]), before, 'the caller')
      },
    },
    {
      name: 'refuses each caller that may not have the identity, with an error',
      run: async () => {
        holds(refused.length > 0, 'at least one refused caller is needed')
        const authorizer = await open()
        for (const [by, wanted] of refused) await mayNot(authorizer, by, wanted)
      },
    },
    {
      name: 'refuses texts that are not the identity, but resemble it',
      run: async () => {
        const authorizer = await open()
        const texts = ['', '*', `${identity}/`, ` ${identity}`, `${identity}\n`, `${identity},${identity}`]
        for (const text of [...texts, identity.toUpperCase()]) await mayNot(authorizer, caller, text)
      },
    },
    {
      name: 'decides each of many concurrent calls separately',
      run: async () => {
        const authorizer = await open()
        const calls = refused.flatMap((one) => [allowed, one, allowed])
        const answers = await Promise.allSettled(
          calls.map(([by, wanted]) => answerOf(authorizer, by, wanted)),
        )
        same(
          answers.map(({ status }) => status === 'fulfilled'),
          calls.map((call) => call === allowed),
          'the calls that were granted',
        )
      },
    },
  ]
}

async function answerOf(authorizer: Authorizer, caller: Caller, identity: string): Promise<Caller> {
  return authorizer.authorize(frozen(caller), identity)
}

/** Callers are shared between calls: an implementation must not write to them. */
function frozen(caller: Caller): Caller {
  const { identities, claims } = caller
  return Object.freeze({
    ...caller,
    identities: Object.freeze([...identities]),
    claims: Object.freeze({ ...claims }),
  })
}
