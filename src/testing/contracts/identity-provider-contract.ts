// The contract of identity providers: the identity of a token, and the actions that its holder may perform.

import type { Caller } from '../../auth/index.ts'
import { checkCaller } from '../../auth/internal.ts'
import type { IdentityProvider } from '../../policy/index.ts'
import { holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface IdentityProviderContractOptions {
  /** Creates the provider. */
  readonly open: () => IdentityProvider | Promise<IdentityProvider>
  /** A token that is valid at every call, and the SPIFFE ID of its holder. */
  readonly token: string
  /** The SPIFFE ID of its holder. */
  readonly spiffeId: string
  /** Tokens that are not valid, at least one. */
  readonly invalid: readonly string[]
  /** A resource and an action that the holder may perform. */
  readonly allowed: readonly [resource: string, action: string]
  /** A resource and an action that are refused to the holder. */
  readonly refused: readonly [resource: string, action: string]
}

/** The cases of `IdentityProvider`. */
export function identityProviderContract(options: IdentityProviderContractOptions): readonly ContractCase[] {
  const { open, token, spiffeId, invalid } = options
  const opened = async (): Promise<{ provider: IdentityProvider; identity: Caller }> => {
    const provider = await open()
    return { provider, identity: await provider.validateIdentity(token) }
  }
  return [
    {
      name: 'names the holder of a valid token, at each call',
      run: async () => {
        const { provider, identity } = await opened()
        checkCaller(identity, 'the provider')
        same(provider.spiffeIdOf(identity).toString(), spiffeId, 'the SPIFFE ID')
        const again = await provider.validateIdentity(token)
        same(provider.spiffeIdOf(again).toString(), spiffeId, 'the SPIFFE ID of the second call')
      },
    },
    {
      name: 'refuses tokens that are not valid',
      run: async () => {
        const provider = await open()
        holds(invalid.length > 0, 'at least one invalid token is needed')
        for (const one of [...invalid, '', `${token}\r\nx: y`, `${token} ${token}`])
          await refused('ERR_CREDENTIAL_INVALID', provider.validateIdentity(one))
      },
    },
    {
      name: 'allows what the holder may do, with true',
      run: async () => {
        const { provider, identity } = await opened()
        same(await provider.isAuthorized(identity, ...options.allowed), true, 'the answer')
      },
    },
    {
      name: 'refuses what it may not, with false',
      run: async () => {
        const { provider, identity } = await opened()
        same(await provider.isAuthorized(identity, ...options.refused), false, 'the answer')
        same(await provider.isAuthorized(identity, options.allowed[0], ''), false, 'without an action')
      },
    },
    {
      name: 'refuses the SPIFFE ID of an identity that has several',
      run: async () => {
        const { provider, identity } = await opened()
        const [first] = identity.identities
        if (first === undefined) throw new Error('the identity has no SPIFFE ID')
        const other = first.withTrustDomain('other.example')
        await refused('ERR_POLICY_IDENTITY', () =>
          provider.spiffeIdOf({ ...identity, identities: [first, other] }),
        )
      },
    },
  ]
}
