// Tokens of OIDC issuers: which are accepted, who the caller then is, and how keys follow their issuer.

import { describe, expect, it } from 'vitest'
import { OidcAuthenticator, oidcRecipes, requireCaller } from '../../../src/auth/index.ts'
import type { OidcIssuer } from '../../../src/auth/jwt/oidc-authenticator.ts'
import { createGuardedFetcher } from '../../../src/runtime/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { httpEndpoint, loopback } from '../../support/http-endpoint.ts'
import { bearer, jwkSet, makeToken, testNow, tokenKey } from '../../support/tokens.ts'
import type { TokenKey } from '../../support/tokens.ts'

const key = tokenKey()
const issuer = 'https://issuer.example'
const times = { iat: testNow - 10, exp: testNow + 300 }
const good = { iss: issuer, aud: 'ca', sub: 'alice', ...times }

function authenticator(changes: Partial<OidcIssuer> = {}, ...more: OidcIssuer[]): OidcAuthenticator {
  const first = { issuer, audience: 'ca', identity: 'spiffe://example.org/user/{sub}', jwks: jwkSet(key) }
  return new OidcAuthenticator({ clock: new FakeClock(), issuers: [{ ...first, ...changes }, ...more] })
}

const idOf = async (oidc: OidcAuthenticator, claims: object, signedBy: TokenKey = key): Promise<string> =>
  (await requireCaller(oidc, bearer(makeToken(signedBy, claims)))).identities.join()

describe('the mapping of claims', () => {
  it.each([
    ['spiffe://example.org/user/{sub}', {}, {}, 'spiffe://example.org/user/alice'],
    ['spiffe://example.org/{a}/x/{b}', {}, { a: 'one', b: 7 }, 'spiffe://example.org/one/x/7'],
    ['spiffe://example.org/{/a/b}', {}, { a: { b: 'deep' } }, 'spiffe://example.org/deep'],
    [
      'spiffe://example.org/{/https:~1~1x~1/~0y}',
      {},
      { 'https://x/': { '~y': 'z' } },
      'spiffe://example.org/z',
    ],
    [
      'spiffe://example.org/{o}/{r}',
      { repo: '{o}/{r}' },
      { repo: 'octo/cat.js' },
      'spiffe://example.org/octo/cat.js',
    ],
    [
      'spiffe://example.org/{acc}',
      { sub: 'arn:aws:iam::{acc}:role/{r}' },
      { sub: 'arn:aws:iam::12:role/x' },
      'spiffe://example.org/12',
    ],
  ])('%s', async (identity, extract, claims, expected) => {
    expect(await idOf(authenticator({ identity, extract }), { ...good, ...claims })).toBe(expected)
  })

  it.each([
    ['spiffe://example.org/{sub}', {}, { sub: 'a/b' }],
    ['spiffe://example.org/{sub}', {}, { sub: '..' }],
    ['spiffe://example.org/{sub}', {}, { sub: '.' }],
    ['spiffe://example.org/{sub}', {}, { sub: '' }],
    ['spiffe://example.org/{sub}', {}, { sub: 'a%2fb' }],
    ['spiffe://example.org/{sub}', {}, { sub: 'é' }],
    ['spiffe://example.org/{sub}', {}, { sub: 'a\n' }],
    ['spiffe://example.org/{sub}', {}, { sub: 'x'.repeat(3000) }],
    ['spiffe://example.org/{sub}', {}, { sub: null }],
    ['spiffe://example.org/{sub}', {}, { sub: ['alice'] }],
    ['spiffe://example.org/{sub}', {}, { sub: { toString: 'alice' } }],
    ['spiffe://example.org/{sub}', {}, { sub: true }],
    ['spiffe://example.org/{sub}', {}, { sub: 1.5 }],
    ['spiffe://example.org/{absent}', {}, {}],
    ['spiffe://example.org/{__proto__}', {}, {}],
    ['spiffe://example.org/{constructor}', {}, {}],
    ['spiffe://example.org/{/sub/length}', {}, {}],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: 'octo' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: 'octo/' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: '/cat' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: 'octo/cat/evil' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: 'octo/cat\n' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{r}' }, { repo: 42 }],
  ])('%s refuses %j %j', async (identity, extract, claims) => {
    const oidc = authenticator({ identity, extract: extract as Record<string, string> })
    await expect(idOf(oidc, { ...good, ...claims })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it.each([
    ['', {}],
    ['spiffe://example.org', {}],
    ['spiffe://example.org/', {}],
    ['spiffe://{td}/x', {}],
    ['spiffe://example.org/a{sub}', {}],
    ['spiffe://example.org/{a}{b}', {}],
    ['spiffe://example.org/{', {}],
    ['spiffe://example.org/{}', {}],
    ['spiffe://example.org/../x', {}],
    ['https://example.org/{sub}', {}],
    ['spiffe://example.org/{o}', { repo: '{o}-{r}' }],
    ['spiffe://example.org/{o}', { repo: '{o}{r}' }],
    ['spiffe://example.org/{o}', { repo: '{o}x' }],
    ['spiffe://example.org/{o}', { repo: '{o}/{o}' }],
    ['spiffe://example.org/{o}', { repo: 'literal' }],
    ['spiffe://example.org/{o}', { repo: '{}' }],
  ])('the template %j with %j is refused at the start', (identity, extract) => {
    expect(() => authenticator({ identity, extract: extract as Record<string, string> })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('by code: what throws or gives no SPIFFE ID is refused', async () => {
    expect(await idOf(authenticator({ identity: ({ sub }) => `spiffe://example.org/${sub}` }), good)).toBe(
      'spiffe://example.org/alice',
    )
    for (const identity of [
      () => 'alice',
      () => undefined as unknown as string,
      () => {
        throw new TypeError('secret-detail')
      },
    ])
      await expect(idOf(authenticator({ identity }), good)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})

describe('required claims', () => {
  it.each([
    [{ ref: 'main' }, { ref: 'main' }, true],
    [{ ref: ['main', 'dev'] }, { ref: 'dev' }, true],
    [{ groups: 'ops' }, { groups: ['dev', 'ops'] }, true],
    [{ '/a/b': true }, { a: { b: true } }, true],
    [{ ref: 'main' }, {}, false],
    [{ ref: 'main' }, { ref: 'Main' }, false],
    [{ ref: 'main' }, { ref: null }, false],
    [{ ref: 'main' }, { ref: ['other'] }, false],
    [{ ref: 'main' }, { ref: [['main']] }, false],
    [{ id: 1 }, { id: '1' }, false],
    [{ toString: 'x' }, {}, false],
  ])('%j of %j: %s', async (requiredClaims, claims, accepted) => {
    const answer = idOf(authenticator({ requiredClaims }), { ...good, ...claims })
    if (accepted) expect(await answer).toBe('spiffe://example.org/user/alice')
    else await expect(answer).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it.each([{ ref: undefined }, { ref: '' }, { ref: [] }, { ref: ['a', undefined] }, { ref: null }])(
    '%j is refused at the start',
    (requiredClaims) => {
      expect(() =>
        authenticator({ requiredClaims: requiredClaims as unknown as Record<string, string> }),
      ).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})

describe('several issuers', () => {
  it('have their own keys, audiences and identities; a key of one signs for no other', async () => {
    const other = tokenKey()
    const oidc = authenticator(
      {},
      {
        issuer: 'https://other.example/',
        audience: 'other',
        identity: 'spiffe://example.org/o/{sub}',
        jwks: jwkSet(other),
      },
    )
    expect(await idOf(oidc, good)).toBe('spiffe://example.org/user/alice')
    const theirs = { ...good, iss: 'https://other.example/', aud: 'other' }
    expect(await idOf(oidc, theirs, other)).toBe('spiffe://example.org/o/alice')
    await expect(idOf(oidc, theirs, key)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    await expect(idOf(oidc, { ...theirs, aud: 'ca' }, other)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    for (const iss of ['https://other.example', 'https://issuer.example/', 'HTTPS://issuer.example'])
      expect(await oidc.authenticate(bearer(makeToken(key, { ...good, iss })))).toBeUndefined()
  })
})

describe('options', () => {
  it.each([
    { issuers: [] },
    { issuers: undefined },
    { issuers: [{ issuer, identity: 'spiffe://example.org/{sub}' }] },
    { issuers: [{ issuer, audience: '', identity: 'spiffe://example.org/{sub}' }] },
    { issuers: [{ issuer, audience: [], identity: 'spiffe://example.org/{sub}' }] },
    { issuers: [{ issuer: '', audience: 'ca', identity: 'spiffe://example.org/{sub}' }] },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', algorithms: ['HS256'] }] },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', algorithms: ['none'] }] },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', algorithms: [] }] },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', algorithms: 'ES256' }] },
    {
      issuers: [
        { issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', maxTokenAgeSeconds: Number.NaN },
      ],
    },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', jwks: '{}' }] },
    {
      issuers: [
        {
          issuer,
          audience: 'ca',
          identity: 'spiffe://example.org/{sub}',
          jwks: jwkSet(key),
          jwksUri: 'https://x/',
        },
      ],
    },
    {
      issuers: [
        { issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', requiredClaims: undefined },
      ],
    },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}', audiences: 'x' }] },
    { issuers: [{ issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}' }], clockSkewSeconds: 301 },
    {
      issuers: [
        { issuer, audience: 'ca', identity: 'spiffe://example.org/{sub}' },
        { issuer, audience: 'cb', identity: 'spiffe://example.org/{sub}' },
      ],
    },
  ])('case %# is refused', (options) => {
    expect(() => new OidcAuthenticator(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the keys of an issuer', () => {
  /** An issuer whose documents a test changes. */
  async function liveIssuer() {
    const state = { jwks: jwkSet(key), configuration: {} as object, type: 'application/json', status: 200 }
    const endpoint = await httpEndpoint(({ url }, response) => {
      response.writeHead(state.status, { 'content-type': state.type })
      if (url === '/.well-known/openid-configuration')
        response.end(
          JSON.stringify({
            issuer: endpoint.origin,
            jwks_uri: `${endpoint.origin}/keys`,
            ...state.configuration,
          }),
        )
      else response.end(state.jwks)
    })
    const clock = new FakeClock()
    const fetcher = createGuardedFetcher(loopback)
    const oidc = new OidcAuthenticator({
      clock,
      fetcher,
      issuers: [{ issuer: endpoint.origin, audience: 'ca', identity: 'spiffe://example.org/user/{sub}' }],
    })
    const ask = (signedBy = key): Promise<string> =>
      idOf(
        oidc,
        { ...good, iss: endpoint.origin, iat: clock.now() / 1000, exp: clock.now() / 1000 + 300 },
        signedBy,
      )
    const fetches = (path: string): number => endpoint.requests.filter(({ url }) => url === path).length
    return { state, endpoint, clock, oidc, ask, fetches }
  }

  it('are found by discovery, once for many callers', async () => {
    const { ask, fetches, endpoint } = await liveIssuer()
    await Promise.all(Array.from({ length: 50 }, () => ask()))
    expect([fetches('/.well-known/openid-configuration'), fetches('/keys'), endpoint.mostAtOnce()]).toEqual([
      1, 1, 1,
    ])
  })

  it('a new key is found at once, and after that an unknown kid costs one fetch per cool-down', async () => {
    const { state, ask, fetches, clock } = await liveIssuer()
    await ask()
    const next = tokenKey('k2')
    state.jwks = jwkSet(key, next)
    clock.advance(30_000)
    expect(await ask(next)).toBe('spiffe://example.org/user/alice')
    expect(fetches('/keys')).toBe(2)
    const unknown = tokenKey('k3')
    for (let second = 0; second < 60; second++) {
      const asked = await Promise.allSettled([ask(unknown), ask(unknown), ask(unknown)])
      expect(asked.every(({ status }) => status === 'rejected')).toBe(true)
      clock.advance(1_000)
    }
    expect(fetches('/keys')).toBeLessThanOrEqual(4)
  })

  it('the query of their URL is in no message and no log', async () => {
    const endpoint = await httpEndpoint((_request, response) => response.writeHead(500).end())
    const lines: unknown[] = []
    const log = (...line: unknown[]): void => void lines.push(line)
    const oidc = new OidcAuthenticator({
      clock: new FakeClock(),
      fetcher: createGuardedFetcher(loopback),
      logger: { debug: log, info: log, warn: log, error: log },
      issuers: [
        {
          issuer,
          audience: 'ca',
          identity: 'spiffe://example.org/{sub}',
          jwksUri: `${endpoint.origin}/keys?token=secret`,
        },
      ],
    })
    const failure = await idOf(oidc, good).catch((error: unknown) => error as Error)
    const told = JSON.stringify([lines, String(failure)])
    expect(lines).not.toEqual([])
    expect(told).toContain(`${endpoint.origin}/keys`)
    expect(told).not.toContain('secret')
  })

  it('a key that was taken out is refused when the set is old', async () => {
    const { state, ask, clock } = await liveIssuer()
    await ask()
    state.jwks = '{"keys":[]}'
    clock.advance(300_000)
    await expect(ask()).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it.each([
    ['an error', (state: { status: number }) => (state.status = 500)],
    ['HTML', (state: { type: string }) => (state.type = 'text/html')],
    ['no set', (state: { jwks: string }) => (state.jwks = '{}')],
    ['null', (state: { jwks: string }) => (state.jwks = 'null')],
    ['a list with null', (state: { jwks: string }) => (state.jwks = '{"keys":[null]}')],
    ['no JSON', (state: { jwks: string }) => (state.jwks = '<html>')],
    ['a duplicate key in JSON', (state: { jwks: string }) => (state.jwks = '{"keys":[],"keys":[]}')],
    ['101 keys', (state: { jwks: string }) => (state.jwks = JSON.stringify({ keys: Array(101).fill({}) }))],
    [
      'a private key',
      (state: { jwks: string }) => (state.jwks = JSON.stringify({ keys: [{ ...key.jwk, d: 'AA' }] })),
    ],
    [
      'a symmetric key',
      (state: { jwks: string }) => (state.jwks = '{"keys":[{"kty":"oct","k":"AA","kid":"k1"}]}'),
    ],
    [
      'another issuer',
      (state: { configuration: object }) => (state.configuration = { issuer: 'https://evil' }),
    ],
    [
      'a jwks_uri without TLS',
      (state: { configuration: object }) => (state.configuration = { jwks_uri: 'ftp://x/' }),
    ],
    [
      'a jwks_uri inside',
      (state: { configuration: object }) => (state.configuration = { jwks_uri: 'https://10.0.0.1/' }),
    ],
    [
      'a jwks_uri of metadata',
      (state: { configuration: object }) => (state.configuration = { jwks_uri: 'https://169.254.169.254/' }),
    ],
    [
      'a jwks_uri that is null',
      (state: { configuration: object }) => (state.configuration = { jwks_uri: null }),
    ],
  ])('%s as the first answer: no token is accepted', async (_, change) => {
    const { state, ask, endpoint } = await liveIssuer()
    change(state)
    for (let at = 0; at < 5; at++) await expect(ask()).rejects.toThrow(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
    expect(endpoint.requests.length).toBeLessThanOrEqual(2)
  })

  it.each([null, ''])('a jwks_uri that is %j is named', async (uri) => {
    const { state, ask } = await liveIssuer()
    state.configuration = { jwks_uri: uri }
    await expect(ask()).rejects.toThrow('has no jwks_uri')
  })

  it('a private key in the set ends the trust in the keys that were there', async () => {
    const { state, ask, clock } = await liveIssuer()
    await ask()
    state.jwks = JSON.stringify({ keys: [{ ...key.jwk, d: 'AA' }] })
    clock.advance(300_000)
    await expect(ask()).rejects.toThrow(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
  })

  it('two keys with one kid verify nothing; the same key twice is one', async () => {
    const twice = authenticator({ jwks: jwkSet(key, key) })
    expect(await idOf(twice, good)).toBe('spiffe://example.org/user/alice')
    const two = authenticator({ jwks: jwkSet(key, tokenKey('k1'), key) })
    await expect(idOf(two, good)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('a key for encryption, and one of another algorithm, verify nothing', async () => {
    for (const change of [{ use: 'enc' }, { key_ops: ['sign'] }, { alg: 'ES384' }, { kid: 1 }]) {
      const oidc = authenticator({ jwks: JSON.stringify({ keys: [{ ...key.jwk, ...change }] }) })
      await expect(idOf(oidc, good)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    }
  })

  it('is closed by its owner', async () => {
    const { oidc, ask } = await liveIssuer()
    await ask()
    await oidc[Symbol.asyncDispose]()
    await expect(ask()).rejects.toThrow(code('ERR_CLOSED'))
  })
})

describe('recipes', () => {
  const rsa = tokenKey('k1', 'RS256')
  const who = { trustDomain: 'example.org', audience: 'spiffe-pki' }
  const accept = async (recipe: OidcIssuer, claims: object): Promise<string> => {
    const oidc = new OidcAuthenticator({
      clock: new FakeClock(),
      issuers: [{ ...recipe, jwks: jwkSet(rsa) }],
    })
    return idOf(oidc, { aud: 'spiffe-pki', nbf: testNow - 300, ...times, ...claims }, rsa)
  }

  const github = {
    iss: 'https://token.actions.githubusercontent.com',
    jti: 'example-id',
    sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
    ref: 'refs/heads/main',
    ref_type: 'branch',
    ref_protected: 'true',
    sha: 'c040cae0f0dc81641728557b80f09cfa23b83fe5',
    repository: 'octo-org/octo-repo',
    repository_id: '74',
    repository_owner: 'octo-org',
    repository_owner_id: '65',
    repository_visibility: 'private',
    actor: 'octocat',
    actor_id: '12',
    run_id: '22259804324',
    run_number: '10',
    run_attempt: '2',
    event_name: 'workflow_dispatch',
    head_ref: '',
    base_ref: '',
    workflow: '.github/workflows/ci.yml',
    workflow_ref: 'octo-org/octo-repo/.github/workflows/ci.yml@refs/heads/main',
    job_workflow_ref: 'octo-org/shared/.github/workflows/oidc.yml@refs/heads/main',
    runner_environment: 'github-hosted',
  }

  it('GitHub Actions', async () => {
    const recipe = oidcRecipes.gitHubActions({ ...who, owners: ['octo-org'] })
    expect(await accept(recipe, github)).toBe('spiffe://example.org/github/octo-org/octo-repo')
    for (const claims of [
      { repository_owner: 'evil-org', repository: 'evil-org/octo-repo' },
      { repository: 'octo-org' },
      { aud: 'https://github.com/octo-org' },
      { iat: testNow - 3_700 },
    ])
      await expect(accept(recipe, { ...github, ...claims })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    const main = { ...recipe, requiredClaims: { ...recipe.requiredClaims, ref: 'refs/heads/main' } }
    expect(await accept(main, github)).toBe('spiffe://example.org/github/octo-org/octo-repo')
    await expect(accept(main, { ...github, ref: 'refs/heads/x' })).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('GitLab CI', async () => {
    const gitlab = {
      iss: 'https://gitlab.com',
      namespace_id: '72',
      namespace_path: 'my-group/sub-group',
      project_id: '20',
      project_path: 'my-group/sub-group/my-project',
      user_id: '1',
      user_login: 'sample-user',
      pipeline_id: '574',
      pipeline_source: 'push',
      job_id: '302',
      ref: 'feature-branch-1',
      ref_type: 'branch',
      ref_path: 'refs/heads/feature-branch-1',
      ref_protected: 'false',
      runner_environment: 'self-hosted',
      jti: '235b3a54-b797-45c7-ae9a-f72d7bc6ef5b',
      sub: 'project_path:my-group/sub-group/my-project:ref_type:branch:ref:feature-branch-1',
    }
    const recipe = oidcRecipes.gitLabCi({ ...who, namespaces: ['my-group/sub-group'] })
    expect(await accept(recipe, gitlab)).toBe('spiffe://example.org/gitlab/project/20')
    await expect(accept(recipe, { ...gitlab, namespace_path: 'my-group' })).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
    const own = oidcRecipes.gitLabCi({ ...who, namespaces: ['g'], url: 'https://git.example' })
    expect(own.issuer).toBe('https://git.example')
  })

  it('Google Cloud', async () => {
    const google = {
      iss: 'https://accounts.google.com',
      azp: '112179062720391305885',
      sub: '112179062720391305885',
      email: '1234-compute@developer.gserviceaccount.com',
      email_verified: true,
      google: {
        compute_engine: {
          project_id: 'my-project',
          project_number: 739419398126,
          zone: 'us-west1-a',
          instance_id: '152986662232938449',
          instance_name: 'example',
          instance_creation_timestamp: 1496952205,
        },
      },
    }
    const recipe = oidcRecipes.googleCloud({ ...who, projects: ['my-project'] })
    expect(await accept(recipe, google)).toBe('spiffe://example.org/gcp/my-project/152986662232938449')
    await expect(accept(recipe, { ...google, google: undefined })).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('AWS STS', async () => {
    const issuer = 'https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws'
    const aws = {
      iss: issuer,
      sub: 'arn:aws:iam::123456789012:role/DataProcessingRole',
      jti: 'xyz123def456ghi789jkl012mno345pq',
      'https://sts.amazonaws.com/': {
        aws_account: '123456789012',
        source_region: 'us-east-1',
        principal_id: 'arn:aws:iam::123456789012:role/DataProcessingRole',
        org_id: 'o-abc1234567',
      },
    }
    const recipe = oidcRecipes.awsSts({ ...who, issuer, accounts: ['123456789012'] })
    expect(await accept(recipe, aws)).toBe('spiffe://example.org/aws/123456789012/DataProcessingRole')
    for (const claims of [
      { 'https://sts.amazonaws.com/': { aws_account: '210987654321' } },
      { 'https://sts.amazonaws.com/': null },
      { sub: 'arn:aws:iam::123456789012:user/alice' },
      { sub: 'arn:aws:iam::123456789012:role/path/Role' },
    ])
      await expect(accept(recipe, { ...aws, ...claims })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('Azure', async () => {
    const tenant = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490'
    const azure = {
      iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
      azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      azpacr: '2',
      idtyp: 'app',
      oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      sub: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      tid: tenant,
      ver: '2.0',
      xms_mirid:
        '/subscriptions/x/resourcegroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z',
    }
    const recipe = oidcRecipes.azure({ ...who, tenant })
    expect(await accept(recipe, azure)).toBe(`spiffe://example.org/azure/${tenant}/${azure.oid}`)
    for (const claims of [{ idtyp: 'user' }, { idtyp: undefined }, { tid: 'other' }])
      await expect(accept(recipe, { ...azure, ...claims })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('name whom to accept', () => {
    expect(() => oidcRecipes.gitHubActions({ ...who, owners: [] })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => oidcRecipes.gitHubActions({ ...who } as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => oidcRecipes.gitLabCi({ ...who, namespaces: [''] })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => oidcRecipes.azure({ ...who, tenant: '' })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
