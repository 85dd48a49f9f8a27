// The suites of the contracts: what this package has of each passes, what breaks one fails, and none is
// missing.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { publicNames } from '../../../scripts/public-names.ts'
import { createTileDirectory } from '../../../src/adapters/files/index.ts'
import { ApiKeyAuthenticator } from '../../../src/auth/index.ts'
import type { Authenticator } from '../../../src/auth/index.ts'
import { createLocalUpstream, createMemoryStorage } from '../../../src/ca/index.ts'
import type { CaStorage, CertificateStore, UpstreamAuthority } from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { Authorizer, callerIdentityPolicy, createIdentityProvider } from '../../../src/policy/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { localCaClient } from '../../../src/secrets/index.ts'
import type { CaClient, Secret, SecretSource } from '../../../src/secrets/index.ts'
import { TrustBundleSet } from '../../../src/svid/index.ts'
import { FakeClock, contracts } from '../../../src/testing/index.ts'
import type { ContractCase } from '../../../src/testing/index.ts'
import { createCrlChecker } from '../../../src/validation/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { deferred } from '../../support/deferred.ts'
import { alice, bearerTokens, orderPolicies, shop } from '../../support/bearer.ts'
import { failingCases, itKeeps } from '../../support/contract.ts'
import { testRotation } from '../../support/rotation.ts'
import type { TestRotation } from '../../support/rotation.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'

const pki = await testPki()
const key = ApiKeyAuthenticator.generateKey()
const apiKeys = new ApiKeyAuthenticator({
  keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(key), identities: [workloadId] }],
})
const headerOf = (value: string) => ({
  header: (name: string): readonly string[] => (name === 'x-api-key' ? [value] : []),
})
const credentials = {
  valid: headerOf(key),
  invalid: [headerOf('another'), headerOf('')],
  identities: [workloadId.toString()],
}
const holder = {
  token: 'alice',
  spiffeId: alice.toString(),
  invalid: ['eve'],
  allowed: ['/orders/1', 'GET'],
  refused: ['/orders/1', 'PUT'],
} as const
const request = { csr: (await newRequest()).request, ttlSeconds: undefined }
const policy = callerIdentityPolicy({ trustDomain: 'example.org' })
const decided = {
  allowed: [request, callerOf()],
  refused: [request, callerOf('spiffe://other.example/api')],
} as const
const good = await pki.issuance.issue({ csr: (await newRequest()).request }, callerOf())
const bad = await pki.issuance.issue({ csr: (await newRequest()).request }, callerOf())
await pki.issuance.revoke(bad.certificate.serialNumber, 'keyCompromise', callerOf())
const list = await pki.authority.issueCrl()
const paths = {
  good: { leaf: good.certificate, anchors: [pki.root] },
  revoked: { leaf: bad.certificate, anchors: [pki.root] },
}
const advance = (clock: unknown, ms: number): void => (clock as FakeClock).advance(ms)

function openLogger() {
  const lines: string[] = []
  const line = (fields: object, message: string): void => void lines.push(JSON.stringify(fields) + message)
  return { logger: { debug: line, info: line, warn: line, error: line }, lines: () => lines }
}

function openMetrics() {
  const values = new Map<string, number>()
  const id = (name: string, labels: object = {}): string => name + JSON.stringify(labels)
  return {
    metrics: {
      count: (name: string, labels?: object, by = 1) =>
        void values.set(id(name, labels), (values.get(id(name, labels)) ?? 0) + by),
      gauge: (name: string, value: number, labels?: object) => void values.set(id(name, labels), value),
      observe: () => undefined,
    },
    value: (name: string, labels: object) => values.get(id(name, labels)),
  }
}

/** One certificate under one name, kept in memory. */
class OneSecret implements SecretSource {
  #secret: Secret = { ...secret }
  #changed = deferred()

  async get(name: string, signal?: AbortSignal): Promise<Secret> {
    if (signal?.aborted === true) throw new PkiError('ERR_ABORTED', 'the call was aborted')
    if (name !== 'default') throw new PkiError('ERR_SECRET_UNKNOWN', `there is no secret ${name}`)
    return this.#secret
  }

  async *watch(name: string, signal: AbortSignal): AsyncIterable<Secret | undefined> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    while (!signal.aborted) {
      const next = this.#changed
      yield name === 'default' ? this.#secret : undefined
      await Promise.race([next.promise, aborted])
    }
  }

  change(): void {
    this.#secret = { ...secret }
    this.#changed.resolve()
    this.#changed = deferred()
  }
}

const secret: Secret = {
  type: 'certificate',
  name: 'default',
  id: workloadId,
  certificates: [good.certificate],
  privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
}
const signer = await SoftwareSigner.generate('P-256')
const upstreamCa = { certificate: pki.root, signer: pki.signer }
const tiles = mkdtempSync(join(tmpdir(), 'tiles-'))

const kept: Readonly<Record<string, readonly ContractCase[]>> = {
  'Authenticator: API keys': contracts.Authenticator({ open: () => apiKeys, ...credentials }),
  'BundleSource: a CA': contracts.BundleSource({ open: () => pki.authority, trustDomain: 'example.org' }),
  'BundleSource: a set': contracts.BundleSource({
    open: () => new TrustBundleSet([pki.authority.trustBundle()]),
    trustDomain: 'example.org',
  }),
  'CaClient: local': contracts.CaClient({ open: () => localCaClient(pki.issuance, callerOf()) }),
  'Clock: fake': contracts.Clock({ open: () => new FakeClock(), advance }),
  'Clock: the platform': contracts.Clock({ open: () => systemClock }),
  'CrlStore: memory': contracts.CrlStore({ open: async () => createMemoryStorage() }),
  'IdentityProvider: tokens and policies': contracts.IdentityProvider({
    open: () =>
      createIdentityProvider({
        authorizer: new Authorizer(orderPolicies, shop),
        authenticator: bearerTokens,
      }),
    ...holder,
  }),
  'IssuancePolicy: caller identity': contracts.IssuancePolicy({ open: () => policy, ...decided }),
  Logger: contracts.Logger({ open: openLogger }),
  Metrics: contracts.Metrics({ open: openMetrics }),
  'RevocationChecker: CRLs': contracts.RevocationChecker({
    open: () => createCrlChecker({ lists: [list], mode: 'hard-fail' }),
    ...paths,
  }),
  'Signer: software': contracts.Signer({ open: () => signer }),
  'SecretSource: in memory': contracts.SecretSource({
    open: () => new OneSecret(),
    name: 'default',
    change: (source) => void (source instanceof OneSecret && source.change()),
  }),
  'Signer: RSA': contracts.Signer({ open: () => SoftwareSigner.generate('RSA-2048') }),
  'TileStore: a directory': contracts.TileStore({ open: () => createTileDirectory(tiles) }),
  'UpstreamAuthority: a CA in this process': contracts.UpstreamAuthority({
    open: () => createLocalUpstream({ trustDomain: 'example.org', ca: upstreamCa }),
    trustDomain: 'example.org',
  }),
}

describe.each(Object.entries(kept))('%s', (_name, cases) => {
  itKeeps(cases)
})

/** A CA with a second authority beside the first. */
const rotation = async (): Promise<TestRotation> => {
  const test = await testRotation()
  await test.rotating.prepareNext()
  await test.rotating.publish()
  test.clock.advance(17 * 60_000)
  return test
}
const [tainted, rooted] = [await rotation(), await testRotation()]
const taintableService = createIssuanceService({
  authority: tainted.rotating.authority,
  clock: tainted.clock,
  pruneIntervalSeconds: Infinity,
})
const taintable = localCaClient(taintableService, callerOf(), tainted.rotating)
const taint = async (): Promise<Certificate> => {
  const { certificate } = tainted.rotating.authority
  await tainted.rotating.taint('ca-1')
  return certificate
}
const changeRoots = async (): Promise<void> => {
  await rooted.rotating.prepareNext()
  await rooted.rotating.publish()
}
const upstream = rooted.rotating.asUpstream()
/** Their clock is not that of the other cases. */
const watching = (cases: readonly ContractCase[]): readonly ContractCase[] =>
  cases.filter(({ name }) => /^(?:onTaint|watchRoots)/.test(name))

describe('a CA that rotates', () => {
  itKeeps([
    ...watching(contracts.CaClient({ open: () => taintable, taint })),
    ...watching(
      contracts.UpstreamAuthority({ open: () => upstream, trustDomain: 'example.org', changeRoots }),
    ),
  ])
})

it('a client that tells of no taint, of another, or without an end, fails its case', async () => {
  const noop = (): void => undefined
  const clients: CaClient[] = [
    { issue: async () => good },
    { issue: async () => good, onTaint: () => undefined as unknown as () => void },
    { issue: async () => good, onTaint: (listener) => (listener(pki.root), noop) },
  ]
  for (const client of clients) {
    const cases = watching(contracts.CaClient({ open: () => client, taint: () => pki.root }))
    expect(await failingCases(cases)).toHaveLength(1)
  }
})

it('an upstream that tells of no change, or of one that is none, fails its case', async () => {
  const noop = (): void => undefined
  const local = createLocalUpstream({ trustDomain: 'example.org', ca: upstreamCa })
  let heard = noop
  const upstreams: UpstreamAuthority[] = [
    local,
    { ...local, watchRoots: () => undefined as unknown as () => void },
    { ...local, watchRoots: (listener) => (listener(), noop) },
    { ...local, watchRoots: (listener) => ((heard = both(heard, listener)), noop) },
  ]
  for (const one of upstreams) {
    const given = { open: () => one, trustDomain: 'example.org', changeRoots: () => heard() }
    expect(await failingCases(watching(contracts.UpstreamAuthority(given)))).toHaveLength(1)
  }
})

function both(first: () => void, second: () => void): () => void {
  return () => {
    first()
    second()
  }
}

const everybody: Authenticator = { name: 'all', authenticate: async () => callerOf() }
const isDeaf = { check: () => undefined }
const broken: Readonly<Record<string, readonly ContractCase[]>> = {
  Authenticator: contracts.Authenticator({ open: () => everybody, ...credentials }),
  BundleSource: contracts.BundleSource({
    open: () => ({ bundleFor: () => pki.authority.trustBundle() }),
    trustDomain: 'example.org',
  }),
  CaClient: contracts.CaClient({ open: () => ({ issue: async () => good }) }),
  Clock: contracts.Clock({
    open: () => ({
      now: () => 0,
      monotonic: () => 0,
      schedule(callback) {
        callback()
        return () => undefined
      },
    }),
    advance: () => undefined,
  }),
  IdentityProvider: contracts.IdentityProvider({
    open: () => ({
      validateIdentity: async () => callerOf(),
      spiffeIdOf: () => workloadId,
      isAuthorized: async () => ({ allowed: false }) as never,
    }),
    ...holder,
  }),
  IssuancePolicy: contracts.IssuancePolicy({
    open: () => ({ decide: () => ({ allowed: false, rule: '', code: 'ERR_LINT', reason: '' }) }),
    ...decided,
  }),
  Logger: contracts.Logger({ open: () => ({ ...openLogger(), lines: () => [] }) }),
  Metrics: contracts.Metrics({ open: () => ({ ...openMetrics(), value: () => 1 }) }),
  RevocationChecker: contracts.RevocationChecker({ open: () => isDeaf, ...paths }),
  SecretSource: contracts.SecretSource({
    open: () => ({ get: () => Promise.reject(new Error('none')), async *watch() {} }),
    name: 'default',
    change: () => undefined,
  }),
  Signer: contracts.Signer({
    open: () => ({
      id: 'a',
      publicKey: signer.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: () => new Uint8Array(64),
    }),
  }),
  UpstreamAuthority: contracts.UpstreamAuthority({
    open: () => ({
      name: 'broken',
      roots: async () => [pki.root],
      issueIntermediate: async () => ({ certificate: pki.root, chain: [], roots: [pki.root] }),
    }),
    trustDomain: 'example.org',
  }),
  TileStore: contracts.TileStore({
    open: () => ({ read: async () => new Uint8Array(1), write: async () => undefined }),
  }),
}

it.each(Object.entries(broken))('%s: an implementation that breaks it fails', async (_name, cases) => {
  expect(await failingCases(cases)).not.toEqual([])
})

/** A store whose writes ignore unknown options. */
const lenient = <Store extends object>(store: Store): Store =>
  new Proxy({} as Store, {
    get: (_empty, name) => {
      const method: unknown = Reflect.get(store, name, store)
      if (typeof method !== 'function') return method
      return (...given: unknown[]) => {
        const last = given.at(-1)
        if (typeof last === 'object' && last !== null && 'noSuchOption' in last) {
          const { noSuchOption: _ignored, ...known } = last
          given.splice(-1, 1, known)
        }
        return method.apply(store, given) as unknown
      }
    },
  })

it('CaStorage: a storage that ignores unknown options fails the case of each of its stores', async () => {
  const open = async (): Promise<CaStorage> => {
    const { certificates, authorities, crls, blocks, ...rest } = createMemoryStorage()
    const stores = { certificates: lenient(certificates), authorities: lenient(authorities) }
    return { ...rest, ...stores, crls: lenient(crls), blocks: blocks && lenient(blocks) }
  }
  expect(await failingCases(contracts.CaStorage({ open }))).toEqual([
    'refuses an unknown option of an intent or outcome',
    'refuses an unknown option of revoke and release',
    'refuses to prune by an invalid time or look-back, or an unknown option',
    'refuses an unknown option, and a list without expectedNumber',
    'refuses an unknown option',
    'block-list: refuses an unknown option',
  ])
})

it('CaStorage: a storage that takes any date fails the cases of its dates', async () => {
  const open = async (): Promise<CaStorage> => {
    const storage = createMemoryStorage()
    const { certificates } = storage
    const revoke: CertificateStore['revoke'] = (id, { reason, revokedAt }, options) => {
      const isValid = (revokedAt as unknown) instanceof Date && !Number.isNaN(revokedAt.getTime())
      return certificates.revoke(id, { reason, revokedAt: isValid ? revokedAt : new Date(0) }, options)
    }
    const taking = new Proxy(certificates, {
      get: (_store, name) => {
        const method: unknown = name === 'revoke' ? revoke : Reflect.get(certificates, name, certificates)
        return typeof method === 'function' ? (method.bind(certificates) as unknown) : method
      },
    })
    return { ...storage, certificates: taking }
  }
  const ofDates = contracts.CaStorage({ open }).filter(({ name }) => name.includes('invalid date'))
  expect(ofDates).toHaveLength(6)
  expect(await failingCases(ofDates)).toEqual([
    'refuses a revocation or a query with an invalid date or reason',
  ])
})

/** Interfaces with methods that this package implements and users call: not contracts. */
const ours = [
  'AuthenticationRequest',
  'RevocationQuery',
  'CertificateAuthority',
  'CaService',
  'CrlIssuer',
  'IssuanceService',
  'SqliteStorage',
  'TlsIdentity',
  'X509Source',
]

it('every public interface with methods has a suite, or is one that this package implements', () => {
  const names = new Set([...publicNames().values()].flat().map(({ name }) => name))
  const root = new URL('../../../src/', import.meta.url)
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const found = files.flatMap((file) => {
    const text = readFileSync(new URL(file, root), 'utf8')
    return [...text.matchAll(/^export interface (\w+)[^{]*\{\n(.*?)^\}/gms)]
      .filter(([, name = '', body = '']) => names.has(name) && /^ {2}\w+\??(<[^>]*>)?\(/m.test(body))
      .map(([, name = '']) => name)
  })
  expect(found.length).toBeGreaterThan(10)
  const known = new Set<string>([...Object.keys(contracts), ...ours])
  expect([...new Set(found)].filter((name) => !known.has(name))).toEqual([])
  expect(ours.filter((name) => !found.includes(name))).toEqual([])
})
