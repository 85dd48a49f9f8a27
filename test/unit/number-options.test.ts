// Every option that is a number: what is no such number is the caller's mistake and said so, before anything
// is done with it.

import { describe, expect, it } from 'vitest'
import {
  certificateServiceHandlers,
  createCertificateClient,
  createCertificateServer,
} from '../../src/adapters/grpc/index.ts'
import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import { CertificateWorkerPool } from '../../src/adapters/workers/index.ts'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  workloadProfile,
} from '../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../src/ca/records/memory/memory-certificate-store.ts'
import { checkCounts, checkMeasures, isCount, isMeasure, requireCount } from '../../src/internal/numbers.ts'
import { FailoverKeyManager, MemoryKeyManager, SoftwareSigner } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import {
  TrustBundle,
  X509SvidValidator,
  formatBundleMap,
  formatSpiffeBundle,
  issueJwtSvid,
  parseBundleMap,
  parseSpiffeBundle,
  verifyJwtSvid,
} from '../../src/svid/index.ts'
import {
  createCrlChecker,
  createOcspChecker,
  createPathValidator,
  validationProfiles,
  verifyPath,
} from '../../src/validation/index.ts'
import { Budget, defaultBudget } from '../../src/validation/budget.ts'
import { code } from '../support/codes.ts'
import { callerOf, newRequest, testPki } from '../support/pki.ts'

interface Range {
  readonly least: number
  /** Infinity where it is a value itself, which says that there is no limit. */
  readonly most?: number
  readonly code?: string
}

/** What is done with the value of one option; a good one may fail later, for another reason. */
type Use = (value: never) => unknown
type Row = readonly [option: string, range: Range, use: Use]

const pki = await testPki()
const { root, signer } = pki
const parent = { certificate: root, signer }
const { publicKey } = await SoftwareSigner.generate('P-256')
const { request: csr } = await newRequest()
const { certificate: leaf } = await pki.issuance.issue({ csr: (await newRequest()).request }, callerOf())
const rsa = (await SoftwareSigner.generate('RSA-2048')).publicKey
const bundle = new TrustBundle('example.org', { x509Authorities: [root] })
const document = JSON.stringify({ keys: [] })
const service = {
  issuance: pki.issuance,
  authenticator: { name: 'none', authenticate: () => Promise.resolve(callerOf()) },
}
const server = { ...service, tls: { certificateChain: 'x', privateKey: 'x', clientRoots: 'x' } }
const hsm = { module: '/nowhere.so', token: { label: 'x' }, pin: () => '1' }
const client = { address: 'localhost:1', tls: () => ({ roots: '' }) }
const subject = 'CN=ca'
const ca = { trustDomain: 'example.org', certificate: root, signer } as const
const content = { subjectAltName: [{ type: 'uri', value: 'spiffe://example.org/x' }] } as const
const token = { id: 'spiffe://example.org/x', audience: 'a', keyId: 'k' } as const
const startAndClose = async (options: object): Promise<void> =>
  (await createCertificateServer({ ...server, ...options })).close()
const openAndClose = async (options: object): Promise<void> =>
  (await createCertificateClient({ ...client, ...options }))[Symbol.asyncDispose]()
const pool = async (options: object): Promise<void> =>
  new CertificateWorkerPool({
    signer,
    workers: 1,
    workerModule: new URL('data:text/javascript,'),
    ...options,
  })[Symbol.asyncDispose]()

const counts: readonly Row[] = [
  ...['maxConnections', 'maxStreams', 'maxMessageBytes', 'maxSessionMemoryMb'].map((name): Row => [
    `createCertificateServer ${name}`,
    { least: 1, most: 2 ** 32 - 1 },
    (value) => startAndClose({ [name]: value }),
  ]),
  ['createCertificateServer port', { least: 0, most: 65_535 }, (port) => startAndClose({ port })],
  [
    'createCertificateServer maxInFlight',
    { least: 0 },
    (maxInFlight) => certificateServiceHandlers({ ...service, maxInFlight }),
  ],
  [
    'createCertificateClient retry.attempts',
    { least: 1 },
    (attempts) => openAndClose({ retry: { attempts } }),
  ],
  ...['maxSessions', 'maxFailures'].map((name): Row => [
    `Pkcs11KeyManager.open ${name}`,
    { least: 1 },
    (value) => Pkcs11KeyManager.open({ ...hsm, [name]: value }),
  ]),
  [
    'Pkcs11KeyManager.open maxWaiting',
    { least: 0 },
    (maxWaiting) => Pkcs11KeyManager.open({ ...hsm, maxWaiting }),
  ],
  [
    'new CertificateWorkerPool workers',
    { least: 1, most: 1024 },
    (workers) => (workers === 1024 ? undefined : pool({ workers })),
  ],
  ['new CertificateWorkerPool batchSize', { least: 1, most: 1024 }, (batchSize) => pool({ batchSize })],
  [
    'createRootCertificate ttlSeconds',
    { least: 1 },
    (ttlSeconds) => createRootCertificate(signer, { subject, ttlSeconds }),
  ],
  [
    'createRootCertificate pathLength',
    { least: 0, most: 255 },
    (pathLength) => createRootCertificate(signer, { subject, pathLength }),
  ],
  [
    'createIntermediateCertificate ttlSeconds',
    { least: 1 },
    (ttlSeconds) => createIntermediateCertificate(parent, publicKey, { subject, ttlSeconds }),
  ],
  [
    'createIntermediateCertificate pathLength',
    { least: 0, most: 255 },
    (pathLength) => createIntermediateCertificate(parent, publicKey, { subject, pathLength }),
  ],
  [
    'createCrossCertificate ttlSeconds',
    { least: 1 },
    (ttlSeconds) => createCrossCertificate(parent, root, { pathLength: 0, ttlSeconds }),
  ],
  [
    'createCertificateAuthority crlTtlSeconds',
    { least: 1 },
    (crlTtlSeconds) => createCertificateAuthority({ ...ca, crlTtlSeconds }),
  ],
  [
    'createCertificateAuthority profile.maxTtlSeconds',
    { least: 1 },
    (maxTtlSeconds) =>
      createCertificateAuthority({
        ...ca,
        profile: { ...workloadProfile, defaultTtlSeconds: 1, maxTtlSeconds },
      }),
  ],
  [
    'createCertificateAuthority profile.defaultTtlSeconds',
    { least: 1, most: 100 },
    (defaultTtlSeconds) =>
      createCertificateAuthority({
        ...ca,
        profile: { ...workloadProfile, defaultTtlSeconds, maxTtlSeconds: 100 },
      }),
  ],
  [
    'createCertificateAuthority profile.backdateSeconds',
    { least: 0 },
    (backdateSeconds) =>
      createCertificateAuthority({ ...ca, profile: { ...workloadProfile, backdateSeconds } }),
  ],
  [
    'createCertificateAuthority profile.maxNames',
    { least: 1, most: Infinity },
    (maxNames) => createCertificateAuthority({ ...ca, profile: { ...workloadProfile, maxNames } }),
  ],
  [
    'authority.prepare maxTtlSeconds',
    { least: 1 },
    (maxTtlSeconds) => pki.authority.prepare(csr, { ...content, maxTtlSeconds }),
  ],
  [
    'authority.prepare ttlSeconds',
    { least: 1, most: workloadProfile.maxTtlSeconds, code: 'ERR_TTL' },
    (ttlSeconds) => pki.authority.prepare(csr, { ...content, ttlSeconds }),
  ],
  [
    'new MemoryCertificateStore maxRecords',
    { least: 1, most: Infinity },
    (maxRecords) => new MemoryCertificateStore({ maxRecords }),
  ],
  [
    'callerIdentityPolicy maxTtlSeconds',
    { least: 1 },
    (maxTtlSeconds) => callerIdentityPolicy({ trustDomain: 'example.org', maxTtlSeconds }),
  ],
  [
    'new TrustBundle refreshHintSeconds',
    { least: 0 },
    (refreshHintSeconds) => new TrustBundle('example.org', { refreshHintSeconds }),
  ],
  [
    'parseSpiffeBundle maxBytes',
    { least: 0, most: Infinity },
    (maxBytes) => parseSpiffeBundle(document, { trustDomain: 'example.org', maxBytes }),
  ],
  [
    'parseSpiffeBundle maxKeys',
    { least: 0, most: Infinity },
    (maxKeys) => parseSpiffeBundle(document, { trustDomain: 'example.org', maxKeys }),
  ],
  ...['maxBytes', 'maxTrustDomains', 'maxKeys'].map((name): Row => [
    `parseBundleMap ${name}`,
    { least: 0, most: Infinity },
    (value) => parseBundleMap('{"trust_domains":{}}', { [name]: value }),
  ]),
  ['formatSpiffeBundle indent', { least: 0, most: 100 }, (indent) => formatSpiffeBundle(bundle, { indent })],
  ['formatBundleMap indent', { least: 0, most: 100 }, (indent) => formatBundleMap([bundle], { indent })],
  [
    'issueJwtSvid ttlSeconds',
    { least: 1, most: 86_400, code: 'ERR_TTL' },
    (ttlSeconds) => issueJwtSvid({ ...token, ttlSeconds }, signer),
  ],
  ...Object.keys(defaultBudget).map((name): Row => [
    `new Budget ${name}`,
    { least: 0, most: Infinity },
    (value) => new Budget({ [name]: value }),
  ]),
  [
    'verifyPath budget',
    { least: 0, most: Infinity },
    (signatureChecks) =>
      verifyPath(root, { anchors: [root], budget: { maxSignatureChecks: signatureChecks } }),
  ],
  [
    'verifyPath maxDepth',
    { least: 0, most: Infinity },
    (maxDepth) => verifyPath(root, { anchors: [root], maxDepth }),
  ],
  [
    'createPathValidator maxDepth',
    { least: 0, most: Infinity },
    (maxDepth) => createPathValidator({ anchors: [root], maxDepth }),
  ],
  [
    'createPathValidator maxRememberedIssuers',
    { least: 0, most: Infinity },
    (maxRememberedIssuers) => createPathValidator({ anchors: [root], maxRememberedIssuers }),
  ],
  [
    'X509SvidValidator.verify maxDepth',
    { least: 0, most: Infinity },
    (maxDepth) => new X509SvidValidator({ bundles: bundle }).verify([leaf], { maxDepth }),
  ],
  ...(['minRsaBits', 'maxRsaBits'] as const).map((name): Row => [
    `a validation profile's ${name}`,
    { least: 0, most: Infinity },
    (value) =>
      createPathValidator({ anchors: [root], profile: { ...validationProfiles.rfc5280, [name]: value } }),
  ]),
  [
    'checkStrength minRsaBits',
    { least: 0 },
    (minRsaBits) => rsa.checkStrength({ minRsaBits, maxRsaBits: Infinity }),
  ],
  [
    'checkStrength maxRsaBits',
    { least: 2048, most: Infinity },
    (maxRsaBits) => rsa.checkStrength({ maxRsaBits }),
  ],
]

const measures: readonly Row[] = [
  [
    'createCertificateServer maxConnectionAgeSeconds',
    { least: 0.001, most: 1_000_000 },
    (maxConnectionAgeSeconds) => startAndClose({ maxConnectionAgeSeconds }),
  ],
  [
    'certificateServiceHandlers timeoutMs',
    { least: 1 },
    (timeoutMs) => certificateServiceHandlers({ ...service, timeoutMs }),
  ],
  ['createCertificateClient timeoutMs', { least: 1 }, (timeoutMs) => openAndClose({ timeoutMs })],
  [
    'createCertificateClient retry.initialDelayMs',
    { least: 0 },
    (initialDelayMs) => openAndClose({ retry: { initialDelayMs } }),
  ],
  [
    'createCertificateClient retry.jitter',
    { least: 0, most: 1 },
    (jitter) => openAndClose({ retry: { jitter } }),
  ],
  [
    'Pkcs11KeyManager.open timeoutMs',
    { least: 1 },
    (timeoutMs) => Pkcs11KeyManager.open({ ...hsm, timeoutMs }),
  ],
  [
    'createCertificateAuthority profile.issuerDivisor',
    { least: 1 },
    (issuerDivisor) => createCertificateAuthority({ ...ca, profile: { ...workloadProfile, issuerDivisor } }),
  ],
  [
    'new FailoverKeyManager retryAfterMs',
    { least: 0 },
    (retryAfterMs) => new FailoverKeyManager({ managers: [new MemoryKeyManager()], retryAfterMs }),
  ],
  [
    'verifyJwtSvid clockSkewSeconds',
    { least: 0, most: 300 },
    (clockSkewSeconds) => verifyJwtSvid('x', { bundles: bundle, audience: 'a', clockSkewSeconds }),
  ],
  [
    'createCrlChecker maxAgeSeconds',
    { least: 0, most: Infinity },
    (maxAgeSeconds) => createCrlChecker({ lists: [], mode: 'hard-fail', maxAgeSeconds }),
  ],
  [
    'createOcspChecker maxAgeSeconds',
    { least: 0, most: Infinity },
    (maxAgeSeconds) => createOcspChecker({ responses: [], mode: 'hard-fail', maxAgeSeconds }),
  ],
  [
    'createOcspChecker clockSkewSeconds',
    { least: 0 },
    (clockSkewSeconds) => createOcspChecker({ responses: [], mode: 'hard-fail', clockSkewSeconds }),
  ],
]

/** What is none, of either kind. */
function noneOf({ least, most }: Range): unknown[] {
  const tooMany = most === Infinity ? [] : most === undefined ? [Infinity, 2 ** 53] : [Infinity, most + 1]
  return [
    Number.NaN,
    -1,
    -0.5,
    least - 1,
    String(Math.max(1, least)),
    '',
    true,
    [Math.max(1, least)],
    1n,
    -Infinity,
    ...tooMany,
  ]
}

async function outcome(use: Use, value: unknown): Promise<unknown> {
  try {
    await use(value as never)
    return 'taken'
  } catch (error) {
    return (error as { code?: string }).code ?? error
  }
}

describe.each([
  ['a count', counts, (least: number) => [least + 0.5]],
  ['a measure', measures, () => []],
] as const)('%s', (_kind, rows, fractions) => {
  it.each(rows)('%s', async (_option, range, use) => {
    const wanted = range.code ?? 'ERR_INVALID_ARGUMENT'
    for (const value of [...noneOf(range), ...fractions(range.least)]) {
      expect([value, await outcome(use, value)]).toEqual([value, wanted])
    }
    const good = [range.least, ...(range.most === undefined ? [range.least + 1] : [range.most])]
    for (const value of good) expect([value, await outcome(use, value)]).not.toEqual([value, wanted])
  })
})

describe('a measure that is a fraction', () => {
  it.each(measures)('%s', async (_option, { least, most = least + 1 }, use) => {
    expect(await outcome(use, least + Math.min(1, most - least) / 2)).not.toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('counts and measures', () => {
  it.each<[unknown, number, number | undefined, boolean, boolean]>([
    [0, 0, undefined, true, true],
    [1, 1, 1, true, true],
    [2 ** 53 - 1, 0, undefined, true, true],
    [2 ** 53, 0, undefined, false, false],
    [2 ** 53, 0, Infinity, false, true],
    [Infinity, 0, Infinity, true, true],
    [Infinity, 0, undefined, false, false],
    [1.5, 0, undefined, false, true],
    [1.5, 0, Infinity, false, true],
    [-1, 0, undefined, false, false],
    [2, 0, 1, false, false],
    [Number.NaN, 0, undefined, false, false],
    ['1', 0, undefined, false, false],
    [null, 0, undefined, false, false],
    [undefined, 0, undefined, false, false],
    [1n, 0, undefined, false, false],
    [{ valueOf: () => 1 }, 0, undefined, false, false],
  ])('%o from %d to %s', (value, least, most, count, measure) => {
    expect([isCount(value, least, most), isMeasure(value, least, most)]).toEqual([count, measure])
  })

  it('may be left out, but for those that are required', () => {
    expect(() => checkCounts({ a: undefined, b: 1 }, 1)).not.toThrow()
    expect(() => checkMeasures({ a: undefined, b: 0.5 }, 0, 1)).not.toThrow()
    expect(requireCount('a', 3, 1)).toBe(3)
    expect(() => requireCount('a', undefined, 1)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('are refused whatever they are instead', () => {
    for (const value of [Symbol('a'), Object.create(null), () => 1, 'x'.repeat(1e6), [Number.NaN]])
      expect(() => checkCounts({ value }, 0)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
