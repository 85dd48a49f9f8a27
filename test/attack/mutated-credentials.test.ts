// Headers and tokens with octets changed, doubled and cut, read alone and given to authenticators, and tokens
// with claims changed before they are signed.

import { it } from 'vitest'
import {
  JwtSvidAuthenticator,
  KubernetesTokenAuthenticator,
  OidcAuthenticator,
  XfccAuthenticator,
} from '../../src/auth/index.ts'
import { readToken } from '../../src/auth/jwt/token.ts'
import { lastXfccElement } from '../../src/auth/xfcc/xfcc-header.ts'
import { JwtAuthority, TrustBundle } from '../../src/svid/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { campaignMs, expectAbused } from '../support/abuse.ts'
import { bearer, jwkSet, makeToken, requestWith, testNow, tokenKey } from '../support/tokens.ts'

const key = tokenKey()
const clock = new FakeClock()
const issuer = 'https://issuer.example'
const times = { iat: testNow - 10, exp: testNow + 300 }
const claims = { iss: issuer, aud: ['ca', 'b'], sub: 'alice', n: { m: [1, null, true] }, ...times }
const identity = 'spiffe://example.org/user/{sub}'
const oidc = new OidcAuthenticator({
  clock,
  issuers: [
    { issuer, audience: 'ca', identity, jwks: jwkSet(key), requiredClaims: { sub: ['alice', 'al'] } },
  ],
})
const audience = 'spiffe://example.org/ca'
const bundles = new TrustBundle('example.org', {
  jwtAuthorities: [JwtAuthority.fromJwk(key.jwk as never)],
})
const jwtSvids = new JwtSvidAuthenticator({ bundles, trustDomain: 'example.org', audience, clock })
const jwtSvid = { sub: 'spiffe://example.org/ns/a/sa/b', aud: [audience], ...times }
const kubernetes = new KubernetesTokenAuthenticator({
  trustDomain: 'cluster.local',
  audience: 'istio-ca',
  clusters: [{ name: 'one', aliases: ['primary'], issuer, jwks: jwkSet(key) }],
  clock,
})
const serviceAccount = {
  iss: issuer,
  aud: ['istio-ca'],
  sub: 'system:serviceaccount:prod:api',
  ...times,
  'kubernetes.io': {
    namespace: 'prod',
    pod: { name: 'api-7d9f', uid: '49ad8d4d-8d2a-4a1c-a0d5-6f3f9c2b1a00' },
    serviceaccount: { name: 'api', uid: 'sa-uid' },
  },
}
const proxy = 'spiffe://example.org/gateway'
const proxies = new XfccAuthenticator({
  proxyNetworks: ['192.0.2.0/24'],
  proxyIdentities: [proxy],
  trustDomain: 'example.org',
  dangerouslyWithoutProxyIdentity: true,
})
const ofProxy =
  `By=${proxy};Hash=${'0a'.repeat(32)};` + `Subject="CN=\\"x\\",O=y";URI=spiffe://example.org/ui;DNS=x`

const signed = (text: string): string => makeToken(key, text)
it.each<[string, string, (text: string) => unknown, share: number]>([
  ['x-forwarded-client-cert', `${ofProxy},${ofProxy}`, (text) => lastXfccElement(text), 0.16],
  ['token', makeToken(key, claims), (text) => readToken(text), 0.16],
  [
    'Authorization to OidcAuthenticator',
    `Bearer ${makeToken(key, claims)}`,
    (text) => oidc.authenticate(requestWith({ authorization: text })),
    0.12,
  ],
  [
    'x-forwarded-client-cert to XfccAuthenticator',
    ofProxy,
    (text) => proxies.authenticate(requestWith({ 'x-forwarded-client-cert': text })),
    0.12,
  ],
  [
    'signed claims to OidcAuthenticator',
    JSON.stringify(claims),
    (text) => oidc.authenticate(bearer(signed(text))),
    0.08,
  ],
  [
    'signed claims to JwtSvidAuthenticator',
    JSON.stringify(jwtSvid),
    (text) => jwtSvids.authenticate(bearer(signed(text))),
    0.08,
  ],
  [
    'signed claims to KubernetesTokenAuthenticator',
    JSON.stringify(serviceAccount),
    (text) => kubernetes.authenticate(bearer(signed(text))),
    0.08,
  ],
])('%s', (name, text, take, share) => expectAbused(name, text, take, share), campaignMs)
