// An authenticator of two bearer tokens, for tests of what comes after authentication.

import { authenticationError } from '../../src/auth/index.ts'
import type { Authenticator } from '../../src/auth/index.ts'
import { PkiError } from '../../src/errors/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'

export const alice: SpiffeId = SpiffeId.parse('spiffe://example.org/ns/web/sa/alice')

/** `alice` and `bob` are valid; `down` cannot be verified at the moment. */
export const bearerTokens: Authenticator = {
  name: 'bearer',
  authenticate(request) {
    const [header, ...more] = request.header('authorization')
    if (header === undefined) return Promise.resolve(undefined)
    const token = /^Bearer (.*)$/.exec(header)?.[1]
    if (token === 'down') return Promise.reject(new PkiError('ERR_AUTHENTICATOR_UNAVAILABLE', 'down'))
    if ((token !== 'alice' && token !== 'bob') || more.length > 0)
      return Promise.reject(authenticationError('unknown token'))
    return Promise.resolve({
      identities: [SpiffeId.parse(`spiffe://example.org/ns/web/sa/${token}`)],
      credential: 'oidc',
      claims: { iss: 'https://issuer.test', sub: token },
    })
  },
}

/** Alice may GET below /orders; everybody may see /health. */
export const orderPolicies: readonly unknown[] = [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: {
      rules: [
        {
          from: [{ source: { requestPrincipals: ['https://issuer.test/alice'] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/orders/{**}'] } }],
        },
        { to: [{ operation: { paths: ['/health'] } }] },
        {
          from: [{ source: { principals: ['example.org/ns/web/sa/alice'] } }],
          to: [{ operation: { paths: ['/mtls', '/pkg.Orders/*'] } }],
        },
      ],
    },
  },
]
export const shop = { workload: { namespace: 'shop', labels: {} }, trustDomain: 'example.org' } as const
