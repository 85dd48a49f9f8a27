// OidcAuthenticator against a real provider, npm oidc-provider: discovery, JWT access tokens, rotation of
// keys.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generateKeyPairSync } from 'node:crypto'
// @ts-expect-error the package has no types
import Provider from 'oidc-provider'
import { describe, expect, it, onTestFinished } from 'vitest'
import { OidcAuthenticator, requireCaller } from '../../src/auth/index.ts'
import { createGuardedFetcher } from '../../src/runtime/index.ts'
import { code } from '../support/codes.ts'
import { loopback } from '../support/http-endpoint.ts'
import { bearer } from '../support/tokens.ts'

const jwk = (kid: string): Record<string, unknown> => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid,
  alg: 'ES256',
  use: 'sig',
})

describe('oidc-provider', () => {
  it('its tokens are accepted for their audience, also after its keys have rotated', async () => {
    const resource = 'https://ca.example/'
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const serve = (keys: unknown[]): void => {
      const provider = new Provider(issuer, {
        jwks: { keys },
        clients: [
          {
            client_id: 'ci',
            client_secret: 'secret',
            id_token_signed_response_alg: 'ES256',
            grant_types: ['client_credentials'],
            redirect_uris: [],
            response_types: [],
          },
        ],
        features: {
          clientCredentials: { enabled: true },
          resourceIndicators: {
            enabled: true,
            defaultResource: () => resource,
            getResourceServerInfo: () => ({
              scope: 'issue',
              audience: resource,
              accessTokenFormat: 'jwt',
              jwt: { sign: { alg: 'ES256' } },
            }),
          },
        },
      })
      server.removeAllListeners('request')
      server.on('request', provider.callback())
    }
    const token = async (): Promise<string> => {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from('ci:secret').toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'issue', resource }),
      })
      const answer = (await response.json()) as { access_token?: string }
      return answer.access_token ?? JSON.stringify(answer)
    }
    const first = jwk('first')
    serve([first])
    const authenticator = (audience: string): OidcAuthenticator =>
      new OidcAuthenticator({
        fetcher: createGuardedFetcher(loopback),
        cooldownSeconds: 1,
        issuers: [{ issuer, audience, identity: 'spiffe://example.org/client/{client_id}' }],
      })
    const oidc = authenticator(resource)
    const before = await token()
    expect(before).not.toContain('{')
    expect((await requireCaller(oidc, bearer(before))).identities.join()).toBe(
      'spiffe://example.org/client/ci',
    )
    await expect(requireCaller(authenticator('other'), bearer(before))).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
    serve([jwk('second'), first])
    const after = await token()
    await expect
      .poll(() => requireCaller(oidc, bearer(after)).then(String, () => 'refused'), { timeout: 10_000 })
      .not.toBe('refused')
    expect(before).not.toContain('{')
    expect((await requireCaller(oidc, bearer(before))).credential).toBe('oidc')
  })
})
