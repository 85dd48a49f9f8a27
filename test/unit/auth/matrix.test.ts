// Every authenticator against every hostile row: each cell has its code, or says by name that the credential
// has no such field.

import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import * as auth from '../../../src/auth/index.ts'
import {
  ApiKeyAuthenticator,
  ClientCertificateAuthenticator,
  JoinTokenAuthenticator,
  JwtSvidAuthenticator,
  KubernetesTokenAuthenticator,
  OidcAuthenticator,
  TokenReviewAuthenticator,
  X509SvidAuthenticator,
  XfccAuthenticator,
  allOf,
  anyOf,
  createMemoryOneTimeStore,
  requireCaller,
  withAudience,
  withNonce,
} from '../../../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator } from '../../../src/auth/index.ts'
import type { GuardedFetcher } from '../../../src/runtime/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { JwtAuthority, TrustBundle } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'
import {
  confusedToken,
  jwkSet,
  makeToken,
  requestWith,
  testNow,
  tokenKey,
  unsignedToken,
} from '../../support/tokens.ts'

const key = tokenKey()
const stranger = tokenKey()
const other = tokenKey('k2')
const clock = new FakeClock()
const invalid = 'ERR_CREDENTIAL_INVALID'
const missing = 'ERR_CREDENTIAL_MISSING'

/** The hostile rows; `ok` is a caller. */
type Row =
  | 'no credential'
  | 'valid'
  | 'expired'
  | 'not yet valid'
  | 'wrong audience'
  | 'wrong issuer'
  | 'wrong algorithm'
  | 'none'
  | 'key confusion'
  | 'forged'
  | 'embedded key'
  | 'unknown kid'
  | 'duplicate kid'
  | 'replayed'
  | 'oversized'
  | 'malformed'
  | 'two credentials'
  | 'duplicated header'
  | 'control characters'

/** What is sent, and the code, with that of its cause after a slash. */
type Cell = readonly [request: AuthenticationRequest, expected: string] | 'no such field'

interface Column {
  readonly authenticator: () => Authenticator
  readonly cells: Readonly<Record<Row, Cell>>
  /** Sends claims or header as JSON text, for `null` at every position; and what has to be in them. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Claims that may be null without harm, because nothing reads them. */
  readonly unread?: readonly string[]
  /** The request with a token. Default: only with the token. */
  readonly send?: (token: string) => AuthenticationRequest
}

const bearer = (token: string): AuthenticationRequest => requestWith({ authorization: `Bearer ${token}` })

/** The rows of a bearer token. What one kind of token answers otherwise is in `changes`. */
function tokenCells(
  good: Readonly<Record<string, unknown>>,
  changes: Partial<Record<Row, string>> = {},
): Record<Row, Cell> {
  const token = makeToken(key, good)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const cells: Record<Row, Cell> = {
    'no credential': [requestWith({}), missing],
    valid: [bearer(token), 'ok'],
    expired: [bearer(makeToken(key, { ...good, exp: testNow - 61 })), `${invalid}/ERR_JWT_EXPIRED`],
    'not yet valid': [
      bearer(makeToken(key, { ...good, nbf: testNow + 61 })),
      `${invalid}/ERR_JWT_NOT_YET_VALID`,
    ],
    'wrong audience': [bearer(makeToken(key, { ...good, aud: ['other'] })), `${invalid}/ERR_JWT_AUDIENCE`],
    'wrong issuer': [bearer(makeToken(key, { ...good, iss: 'https://other.example' })), missing],
    'wrong algorithm': [
      bearer(makeToken({ ...key, privateKey }, good, { alg: 'ES384' })),
      `${invalid}/ERR_JWT_ALGORITHM`,
    ],
    none: [bearer(`${unsignedToken(good)}AA`), `${invalid}/ERR_JWT_ALGORITHM`],
    'key confusion': [bearer(confusedToken(key, good)), `${invalid}/ERR_JWT_ALGORITHM`],
    // By another key with the same kid.
    forged: [bearer(makeToken(stranger, good)), `${invalid}/ERR_JWT_SIGNATURE`],
    'embedded key': [bearer(makeToken(stranger, good, { jwk: stranger.jwk })), `${invalid}/ERR_JWT_HEADER`],
    'unknown kid': [bearer(makeToken(other, good)), `${invalid}/ERR_JWT_KEY_UNKNOWN`],
    'duplicate kid': [
      bearer(makeToken(key, good, '{"alg":"ES256","kid":"k1","kid":"k1"}')),
      `${invalid}/ERR_JWT_MALFORMED`,
    ],
    // A bearer token can be used until it expires; `withNonce` changes that.
    replayed: [bearer(token), 'ok'],
    oversized: [bearer(makeToken(key, { ...good, x: 'x'.repeat(20_000) })), invalid],
    malformed: [bearer(token.replace('.', '..')), `${invalid}/ERR_JWT_MALFORMED`],
    'two credentials': [bearer(`${token},Bearer ${token}`), `${invalid}/ERR_JWT_MALFORMED`],
    'duplicated header': [requestWith({ authorization: [`Bearer ${token}`, `Bearer ${token}`] }), invalid],
    'control characters': [bearer(`${token}\r\n`), `${invalid}/ERR_JWT_MALFORMED`],
  }
  for (const [row, expected] of Object.entries(changes) as [Row, string][]) {
    const cell = cells[row]
    if (cell !== 'no such field') cells[row] = [cell[0], expected]
  }
  return cells
}

const times = { iat: testNow - 10, nbf: testNow - 10, exp: testNow + 600 }
const oidcClaims = { iss: 'https://issuer.example', aud: ['ca'], sub: 'alice', jti: 'j', ...times }
const kubernetesClaims = {
  iss: 'https://kubernetes.default.svc',
  aud: ['istio-ca'],
  sub: 'system:serviceaccount:prod:api',
  'kubernetes.io': {
    namespace: 'prod',
    pod: { name: 'api-1', uid: 'u-1' },
    node: { name: 'node-1', uid: 'n-1' },
    serviceaccount: { name: 'api', uid: 's-1' },
  },
  ...times,
}
const svidClaims = { sub: 'spiffe://example.org/ns/prod/sa/api', aud: ['ca'], ...times }

const oidc = (audience: string | string[] = 'ca'): OidcAuthenticator =>
  new OidcAuthenticator({
    clock,
    issuers: [
      { issuer: oidcClaims.iss, audience, identity: 'spiffe://example.org/{sub}', jwks: jwkSet(key) },
    ],
  })
const kubernetes = (): KubernetesTokenAuthenticator =>
  new KubernetesTokenAuthenticator({
    trustDomain: 'example.org',
    audience: 'istio-ca',
    clock,
    clusters: [{ name: 'one', issuer: kubernetesClaims.iss, jwks: jwkSet(key) }],
  })

/** An API server that knows the signature of `key` alone, as a real one knows its own. */
const apiServer: GuardedFetcher = {
  fetch: async (url, request) => {
    const { spec } = JSON.parse(new TextDecoder().decode(request?.body))
    const local = new KubernetesTokenAuthenticator({
      trustDomain: 'x',
      audience: 'istio-ca',
      clock,
      clusters: [{ name: 'one', issuer: kubernetesClaims.iss, jwks: jwkSet(key) }],
    })
    const found = await local.authenticate(bearer(spec.token)).catch(() => undefined)
    const user = {
      username: 'system:serviceaccount:prod:api',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:prod'],
    }
    const status =
      found === undefined ? { authenticated: false } : { authenticated: true, user, audiences: ['istio-ca'] }
    const body = new TextEncoder().encode(JSON.stringify({ kind: 'TokenReview', status }))
    return { url, status: 201, headers: {}, body }
  },
  [Symbol.asyncDispose]: async () => undefined,
}

const apiKey = ApiKeyAuthenticator.generateKey('ci')
const keyRequest = (value: string | string[]): AuthenticationRequest => requestWith({ 'x-api-key': value })
const xfcc = 'By=spiffe://example.org/gw;URI=spiffe://example.org/api'
const xfccRequest = (value: string | string[]): AuthenticationRequest =>
  requestWith({ 'x-forwarded-client-cert': value }, { peer: { address: '10.0.0.1', port: 1 } })

const noField = 'no such field'
const noFields = {
  'wrong audience': 'no such field',
  'wrong algorithm': 'no such field',
  none: 'no such field',
  'key confusion': 'no such field',
  forged: 'no such field',
  'embedded key': 'no such field',
  'unknown kid': 'no such field',
  'duplicate kid': 'no such field',
} as const

const columns = new Map<string, Column>()

beforeAll(async () => {
  columns.set('OidcAuthenticator', {
    authenticator: oidc,
    cells: tokenCells(oidcClaims),
    claims: oidcClaims,
    unread: ['jti'],
  })
  columns.set('anyOf(KubernetesTokenAuthenticator, OidcAuthenticator)', {
    authenticator: () => anyOf(kubernetes(), oidc()),
    cells: tokenCells(oidcClaims),
    claims: oidcClaims,
    unread: ['jti'],
  })
  columns.set('withAudience(OidcAuthenticator)', {
    authenticator: () => withAudience(oidc(['ca', 'other']), 'ca'),
    cells: tokenCells(oidcClaims, { 'wrong audience': invalid }),
    claims: oidcClaims,
    unread: ['jti'],
  })
  const beside = allOfCells()
  columns.set('allOf(OidcAuthenticator, ApiKeyAuthenticator)', beside)
  columns.set('withNonce(OidcAuthenticator)', {
    authenticator: () => withNonce(oidc(), { store: createMemoryOneTimeStore({ clock }) }),
    cells: { ...tokenCells(oidcClaims), replayed: [bearer(makeToken(key, oidcClaims)), invalid] },
    claims: oidcClaims,
  })
  columns.set('KubernetesTokenAuthenticator', {
    authenticator: kubernetes,
    cells: tokenCells(kubernetesClaims),
    claims: kubernetesClaims,
    unread: ['kubernetes.io.node.uid', 'kubernetes.io.serviceaccount.uid'],
  })
  columns.set('TokenReviewAuthenticator', {
    authenticator: () =>
      new TokenReviewAuthenticator({
        trustDomain: 'example.org',
        audience: 'istio-ca',
        clock,
        clusters: [{ name: 'one', server: 'https://one', fetcher: apiServer }],
      }),
    // What the API server refuses has no cause here: it says "not valid" and no more.
    cells: tokenCells(kubernetesClaims, {
      'not yet valid': invalid,
      'wrong audience': invalid,
      'wrong issuer': invalid,
      'wrong algorithm': invalid,
      forged: invalid,
      'unknown kid': invalid,
    }),
    claims: kubernetesClaims,
    unread: ['kubernetes.io.node.uid', 'kubernetes.io.serviceaccount.uid'],
  })
  columns.set('JwtSvidAuthenticator', {
    authenticator: () =>
      new JwtSvidAuthenticator({
        bundles: new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('k1', key.publicKey)] }),
        trustDomain: 'example.org',
        audience: 'ca',
        clock,
      }),
    cells: {
      ...tokenCells(svidClaims),
      // A JWT-SVID is of whoever vouches for the trust domain of its sub.
      'wrong issuer': [
        bearer(makeToken(key, { ...svidClaims, sub: 'spiffe://other.org/api' })),
        `${invalid}/ERR_BUNDLE_NOT_FOUND`,
      ],
    },
    claims: svidClaims,
  })
  columns.set('ApiKeyAuthenticator', {
    authenticator: () =>
      new ApiKeyAuthenticator({
        clock,
        keys: [
          { id: 'ci', digest: ApiKeyAuthenticator.digestOf(apiKey), identities: ['spiffe://example.org/ci'] },
          {
            id: 'old',
            digest: ApiKeyAuthenticator.digestOf('old.secret'),
            identities: ['spiffe://example.org/old'],
            expiresAt: new Date((testNow - 1) * 1000),
          },
        ],
      }),
    cells: {
      ...noFields,
      'no credential': [keyRequest([]), missing],
      valid: [keyRequest(apiKey), 'ok'],
      expired: [keyRequest('old.secret'), invalid],
      'not yet valid': 'no such field',
      'wrong issuer': [keyRequest(ApiKeyAuthenticator.generateKey('other')), invalid],
      replayed: [keyRequest(apiKey), 'ok'],
      oversized: [keyRequest('x'.repeat(600)), invalid],
      malformed: [keyRequest('ci..'), invalid],
      'two credentials': [keyRequest(`${apiKey},${apiKey}`), invalid],
      'duplicated header': [keyRequest([apiKey, apiKey]), invalid],
      'control characters': [keyRequest(`${apiKey}\0`), invalid],
    },
  })
  const store = createMemoryOneTimeStore({ clock })
  const joining = new JoinTokenAuthenticator({ store, clock })
  const grant = { identities: ['spiffe://example.org/m'], ttlSeconds: 60 }
  const earlier = new FakeClock(new Date((testNow - 61) * 1000))
  const [one, two, three, old] = [
    await joining.createToken(grant),
    await joining.createToken(grant),
    await joining.createToken(grant),
    await new JoinTokenAuthenticator({ store, clock: earlier }).createToken(grant),
  ]
  const joinRequest = (value: string | string[]): AuthenticationRequest =>
    requestWith({ 'x-join-token': value })
  columns.set('JoinTokenAuthenticator', {
    authenticator: () => new JoinTokenAuthenticator({ store, clock: new FakeClock() }),
    cells: {
      ...noFields,
      'no credential': [joinRequest([]), missing],
      valid: [joinRequest(one), 'ok'],
      expired: [joinRequest(old), invalid],
      'not yet valid': 'no such field',
      'wrong issuer': [joinRequest('x'.repeat(43)), invalid],
      replayed: [joinRequest(two), invalid],
      oversized: [joinRequest('x'.repeat(600)), invalid],
      malformed: [joinRequest(''), invalid],
      'two credentials': [joinRequest(`${three},${three}`), invalid],
      'duplicated header': [joinRequest([three, three]), invalid],
      'control characters': [joinRequest(`${three}\n`), invalid],
    },
  })
  columns.set('XfccAuthenticator', {
    authenticator: () =>
      new XfccAuthenticator({
        proxyNetworks: ['10.0.0.0/24'],
        proxyIdentities: ['spiffe://example.org/gw'],
        proxyAuthenticator: {
          name: 'proxy',
          authenticate: async () => ({
            identities: [SpiffeId.parse('spiffe://example.org/gw')],
            credential: 'x509',
            claims: {},
          }),
        },
        trustDomain: 'example.org',
      }),
    cells: {
      ...noFields,
      'no credential': [xfccRequest([]), missing],
      valid: [xfccRequest(xfcc), 'ok'],
      // The proxy has judged the certificate.
      expired: 'no such field',
      'not yet valid': 'no such field',
      'wrong issuer': [xfccRequest(xfcc.replace('/gw', '/other')), invalid],
      replayed: [xfccRequest(xfcc), 'ok'],
      oversized: [xfccRequest(`${xfcc};Cert=${'x'.repeat(17_000)}`), invalid],
      malformed: [xfccRequest(`${xfcc};`), invalid],
      'two credentials': [xfccRequest(`${xfcc};URI=spiffe://example.org/b`), invalid],
      'duplicated header': [xfccRequest([xfcc, xfcc]), invalid],
      'control characters': [xfccRequest(`${xfcc}\r\n`), invalid],
    },
  })
  await certificateColumns()
})

/** Both authenticators of certificates: the same rows, the leaf being made by a CA of the test. */
async function certificateColumns(): Promise<void> {
  const [pki, strangers] = [await testPki(), await testPki()]
  const leafOf = async (from: typeof pki) => {
    const { certificate, chain } = await from.issuance.issue(
      { csr: (await newRequest()).request },
      callerOf(),
    )
    return [certificate, ...chain]
  }
  const [chain, foreign] = [await leafOf(pki), await leafOf(strangers)]
  const show = (presentedChain: typeof chain): AuthenticationRequest =>
    requestWith({}, { tls: { presentedChain, verifiedChain: [] } })
  const untrusted = 'ERR_CLIENT_CERTIFICATE_UNTRUSTED'
  const cells: Record<Row, Cell> = {
    ...noFields,
    'no credential': [show([]), missing],
    valid: [show(chain), 'ok'],
    expired: 'no such field',
    'not yet valid': 'no such field',
    'wrong issuer': [show(foreign), untrusted],
    // A certificate that proves itself; a valid leaf below the certificate of another CA of the same name.
    'embedded key': [show([strangers.root]), untrusted],
    'key confusion': [show([foreign[0]!, pki.root]), untrusted],
    // The handshake proves possession of the key.
    replayed: [show(chain), 'ok'],
    oversized: [show(Array(11).fill(chain[0])), invalid],
    malformed: [show([pki.root]), untrusted],
    'two credentials': [show([foreign[0]!, chain[0]!]), untrusted],
    'duplicated header': 'no such field',
    'control characters': 'no such field',
  }
  const options = { bundles: pki.authority.trustBundle(), dangerouslyWithoutRevocation: true }
  columns.set('ClientCertificateAuthenticator', {
    authenticator: () => new ClientCertificateAuthenticator(options),
    cells,
  })
  columns.set('X509SvidAuthenticator', {
    authenticator: () => new X509SvidAuthenticator({ ...options, trustDomain: 'example.org' }),
    cells,
  })
  columns.set('X509SvidAuthenticator of another trust domain', {
    authenticator: () => new X509SvidAuthenticator({ ...options, trustDomain: 'other.org' }),
    cells: { ...cells, valid: [show(chain), invalid], replayed: [show(chain), invalid] },
  })
  for (const [name, at, expected] of [
    ['expired', new Date(Date.now() + 40 * 86_400_000), untrusted],
    ['not yet valid', new Date(Date.now() - 40 * 86_400_000), untrusted],
  ] as const) {
    const late = { ...options, clock: new FakeClock(at) }
    const changed = { ...cells, valid: [show(chain), expected], replayed: [show(chain), expected] } as const
    columns.set(`ClientCertificateAuthenticator, ${name}`, {
      authenticator: () => new ClientCertificateAuthenticator(late),
      cells: changed,
    })
    columns.set(`X509SvidAuthenticator, ${name}`, {
      authenticator: () => new X509SvidAuthenticator({ ...late, trustDomain: 'example.org' }),
      cells: changed,
    })
  }
}

/** Every row of a token, beside an API key of the same identity that is valid. */
function allOfCells(): Column {
  const second = (request: AuthenticationRequest): AuthenticationRequest => ({
    ...request,
    header: (name) => (name === 'x-api-key' ? [apiKey] : request.header(name)),
  })
  const rows = tokenCells(oidcClaims, { 'no credential': invalid, 'wrong issuer': invalid })
  const digest = ApiKeyAuthenticator.digestOf(apiKey)
  const keys = [{ id: 'ci', digest, identities: ['spiffe://example.org/alice'] }]
  return {
    authenticator: () => allOf([oidc(), new ApiKeyAuthenticator({ clock, keys })]),
    cells: Object.fromEntries(
      Object.entries(rows).map(([row, cell]) => [row, cell === noField ? cell : [second(cell[0]), cell[1]]]),
    ) as Record<Row, Cell>,
    claims: oidcClaims,
    unread: ['jti'],
    send: (token) => second(bearer(token)),
  }
}

async function answerTo(authenticator: Authenticator, request: AuthenticationRequest): Promise<string> {
  try {
    await requireCaller(authenticator, request)
    return 'ok'
  } catch (error) {
    const { code: found, cause } = error as {
      readonly code: string
      readonly cause?: { readonly code?: string }
    }
    return cause?.code === undefined ? found : `${found}/${cause.code}`
  }
}

/** Every JSON that has `null` in the place of one of its values. */
function* withNull(
  value: unknown,
  path: readonly string[] = [],
): Generator<[path: string, changed: unknown]> {
  yield [path.join('.'), null]
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value))
    for (const [where, changed] of withNull(member, [...path, name])) {
      const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
      copy[name] = changed
      yield [where, copy]
    }
}

const names = [
  'OidcAuthenticator',
  'anyOf(KubernetesTokenAuthenticator, OidcAuthenticator)',
  'allOf(OidcAuthenticator, ApiKeyAuthenticator)',
  'withAudience(OidcAuthenticator)',
  'withNonce(OidcAuthenticator)',
  'KubernetesTokenAuthenticator',
  'TokenReviewAuthenticator',
  'JwtSvidAuthenticator',
  'ApiKeyAuthenticator',
  'JoinTokenAuthenticator',
  'XfccAuthenticator',
  'ClientCertificateAuthenticator',
  'ClientCertificateAuthenticator, expired',
  'ClientCertificateAuthenticator, not yet valid',
  'X509SvidAuthenticator',
  'X509SvidAuthenticator, expired',
  'X509SvidAuthenticator, not yet valid',
  'X509SvidAuthenticator of another trust domain',
]

describe.each(names)('%s', (name) => {
  it('answers every row with its code', async () => {
    const { authenticator, cells } = columns.get(name)!
    const found: Record<string, string> = {}
    const expected: Record<string, string> = {}
    for (const [row, cell] of Object.entries(cells)) {
      if (cell === 'no such field') continue
      const [request, wanted] = cell
      expected[row] = wanted
      const one = authenticator()
      if (row === 'replayed') expect(await answerTo(one, request)).toBe(cells.valid[1])
      found[row] = await answerTo(one, request)
    }
    expect(found).toEqual(expected)
  })

  it('refuses null at every JSON position', async () => {
    const { authenticator, claims, unread = [], send = bearer } = columns.get(name)!
    if (claims === undefined) return void expect(name).not.toMatch(/Oidc|Kubernetes|Review|Jwt/)
    const accepted: string[] = []
    for (const [where, changed] of withNull(claims)) {
      const answer = await answerTo(authenticator(), send(makeToken(key, changed as object | null)))
      if (answer === 'ok') accepted.push(where)
      else
        expect([where, answer]).toEqual([where, expect.stringMatching(/^ERR_CREDENTIAL_(INVALID|MISSING)/)])
    }
    expect(accepted).toEqual(unread)
    for (const header of [
      'null',
      '[]',
      '0',
      '""',
      '{"alg":null}',
      '{"alg":"ES256","kid":null}',
      '{"alg":"ES256","kid":"k1","typ":null}',
    ])
      expect([header, await answerTo(authenticator(), send(makeToken(key, claims, header)))]).toEqual([
        header,
        expect.stringMatching(/^ERR_CREDENTIAL_INVALID/),
      ])
  })
})

it('every authenticator of the package has a column, and every column is run', () => {
  const classes = Object.entries(auth).filter(
    ([, one]) => typeof one === 'function' && typeof one.prototype?.authenticate === 'function',
  )
  // `anyOf` is a CompositeAuthenticator.
  const wanted = classes.map(([name]) => name).filter((name) => name !== 'CompositeAuthenticator')
  expect(wanted.filter((name) => !names.includes(name))).toEqual([])
  expect(wanted).toHaveLength(9)
  expect([...columns.keys()].sort()).toEqual([...names].sort())
})

it('the error of each refusal is the contract: AuthenticationError', async () => {
  const answer = oidc().authenticate(bearer('x'))
  await expect(answer).rejects.toThrow(code(invalid))
})
