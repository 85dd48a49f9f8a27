// auth/…: a caller by a signed token, beside bare jose with the same checks of times, issuer and audience.

import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { KubernetesTokenAuthenticator, OidcAuthenticator } from '../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator } from '../src/auth/index.ts'
import { measureCpuTurns } from './cpu-turns.ts'
import type { SelfMeasuredRow } from './row.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'
const audience = 'istio-ca'
const peer = 'jose.jwtVerify'

interface Contenders {
  readonly oidc: Authenticator
  readonly kubernetes: Authenticator
  readonly request: AuthenticationRequest
  bare(): Promise<void>
}

async function contenders(alg: 'ES256' | 'RS256'): Promise<Contenders> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg, use: 'sig' }] }
  const token = await new SignJWT({
    'kubernetes.io': {
      namespace: 'prod',
      node: { name: 'node-1', uid: 'd1c6a3b8-8f0f-4d0b-9a1c-0c9d8f6a7b21' },
      pod: { name: 'api-7d9f4', uid: '49ad8d4d-8d2a-4a1c-a0d5-6f3f9c2b1a00' },
      serviceaccount: { name: 'api', uid: '0d6c2b9e-3a57-4d4b-8a5f-5f9d7f2f1c11' },
    },
  })
    .setProtectedHeader({ alg, kid: 'k1', typ: 'JWT' })
    .setIssuer(issuer)
    .setSubject('system:serviceaccount:prod:api')
    .setAudience([audience])
    .setIssuedAt()
    .setNotBefore(Math.floor(Date.now() / 1000) - 10)
    .setExpirationTime('1h')
    .setJti('8f1c5f4e-6a9a-4b58-9a4e-7f6d1b0c2a33')
    .sign(privateKey)
  const header = [`Bearer ${token}`]
  const fixed = JSON.stringify(jwks)
  const keys = createLocalJWKSet(jwks)
  return {
    oidc: new OidcAuthenticator({
      issuers: [{ issuer, audience, identity: 'spiffe://example.org/cluster/{jti}', jwks: fixed }],
    }),
    kubernetes: new KubernetesTokenAuthenticator({
      trustDomain: 'example.org',
      audience,
      clusters: [{ name: 'one', issuer, jwks: fixed }],
    }),
    request: {
      transport: 'bench',
      header: (name) => (name === 'authorization' ? header : []),
      peer: { address: '192.0.2.1', port: 1 },
      tls: undefined,
      signal: new AbortController().signal,
    },
    bare: async () => {
      await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: [alg],
        clockTolerance: 60,
        maxTokenAge: 86_400,
      })
    },
  }
}

function tokenRow(alg: 'ES256' | 'RS256', which: 'oidc' | 'kubernetes', bar: number): SelfMeasuredRow {
  const name = `auth/${which}-${alg.toLowerCase()}`
  return {
    name,
    bars: { [peer]: bar },
    goals: { [peer]: 0.8 },
    measure: async (options) => {
      const { bare, request, ...authenticators } = await contenders(alg)
      const authenticator = authenticators[which]
      const ours = async (): Promise<void> => {
        if ((await authenticator.authenticate(request)) === undefined) throw new Error('no caller')
      }
      const calls = Math.ceil(options.turnMs * 2)
      return measureCpuTurns({ name, ours, peers: { [peer]: bare }, calls }, options)
    },
  }
}

export const rows: readonly SelfMeasuredRow[] = (['ES256', 'RS256'] as const).flatMap((alg) => [
  tokenRow(alg, 'oidc', 0.6),
  tokenRow(alg, 'kubernetes', 0.6),
])
