// A GitHub Actions job gets a certificate for its repository by its OIDC token; the issuer here is local.

import { generateKeyPairSync, sign } from 'node:crypto'
import { OidcAuthenticator, oidcRecipes, requireCaller } from 'spiffe-pki/auth'
import type { AuthenticationRequest } from 'spiffe-pki/auth'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const issuer = 'https://token.actions.githubusercontent.com'
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] }
// In earnest neither `jwks` nor a key of our own: the authenticator fetches the keys of the issuer.
const recipe = oidcRecipes.gitHubActions({
  trustDomain: 'example.org',
  audience: 'example-ca',
  owners: ['acme'],
})
const authenticator = new OidcAuthenticator({ issuers: [{ ...recipe, jwks: JSON.stringify(jwks) }] })

function tokenFor(repository: string, audience: string): string {
  const [owner = ''] = repository.split('/')
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer,
    aud: audience,
    iat: now,
    exp: now + 300,
    sub: `repo:${repository}:ref:refs/heads/main`,
  }
  const more = { repository, repository_owner: owner, ref: 'refs/heads/main', workflow: 'deploy' }
  const text = [
    { alg: 'RS256', kid: 'k1' },
    { ...claims, ...more },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(text), privateKey)
  return `${text}.${signature.toString('base64url')}`
}

for (const [repository, audience] of [
  ['acme/shop', 'example-ca'],
  ['acme/shop', 'sts.amazonaws.com'],
  ['evil/shop', 'example-ca'],
] as const) {
  const token = tokenFor(repository, audience)
  const request: AuthenticationRequest = {
    transport: 'http',
    peer: undefined,
    tls: undefined,
    signal: new AbortController().signal,
    header: (name) => (name === 'authorization' ? [`Bearer ${token}`] : []),
  }
  await requireCaller(authenticator, request).then(
    (caller) => console.log(`${repository}, audience ${audience}: ${caller.identities.join(', ')}`),
    (error: unknown) =>
      console.log(`${repository}, audience ${audience}: refused, ${(error as Error).message}`),
  )
}
