// Every option of an adapter's functions with values of wrong types: each is refused by a PkiError, or taken
// where it has a meaning, which a guard, a host or a hook never has.

import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import * as files from '../../../src/adapters/files/index.ts'
import * as cas from '../../../src/adapters/google-cas/index.ts'
import * as grpc from '../../../src/adapters/grpc/index.ts'
import * as sds from '../../../src/adapters/grpc/sds/index.ts'
import * as workloadApi from '../../../src/adapters/grpc/workload-api/index.ts'
import * as http from '../../../src/adapters/http/index.ts'
import * as pkcs11 from '../../../src/adapters/pkcs11/index.ts'
import * as policyFile from '../../../src/adapters/policy-file/index.ts'
import * as prometheus from '../../../src/adapters/prometheus/index.ts'
import * as sqlite from '../../../src/adapters/sqlite/index.ts'
import * as tls from '../../../src/adapters/tls/index.ts'
import * as vault from '../../../src/adapters/vault/index.ts'
import * as workers from '../../../src/adapters/workers/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { Authorizer } from '../../../src/policy/index.ts'
import { createGuardedFetcher } from '../../../src/runtime/index.ts'
import { match } from '../../../src/spiffe/index.ts'
import { openMesh } from '../../support/mesh.ts'
import { temporaryFolders } from '../../support/temporary.ts'

type Options = Readonly<Record<string, unknown>>
type Call = (options: never) => unknown
/** A function, its options with a good value each, and the options whose wrong values must all be refused. */
type Row = readonly [name: string, call: Call, options: () => Options, strict: readonly string[]]

await using mesh = await openMesh()
await using identity = tls.createTlsIdentity({ source: mesh.sources[0]! })
const signer = await SoftwareSigner.generate('P-256')
const id = 'spiffe://example.org/x'
const authorize = match.id(id)
const authenticator = { name: 'none', authenticate: () => Promise.resolve(undefined) }
const workload = { namespace: 'a', labels: {} }
const authorizer = new Authorizer([], { trustDomain: 'example.org', workload })
const root = mesh.authority.roots[0]!.toPem()
const directory = temporaryFolders('option-types-')
const guard = {
  ...{ authorizer, authenticator, peerIdOf: () => undefined, tokensAsPrincipals: true },
  destination: id,
}

const rows: readonly Row[] = [
  [
    'createTlsIdentity',
    (options) => tls.createTlsIdentity(options),
    () => ({ source: mesh.sources[0], revocation: { check: () => undefined }, minVersion: 'TLSv1.3' }),
    ['source', 'revocation', 'minVersion', 'clock', 'logger'],
  ],
  [
    'secureClient',
    (options) => identity.secureClient(new PassThrough(), options),
    () => ({ id, alpn: ['h2'], servername: 'a' }),
    ['alpn', 'servername'],
  ],
  [
    'secureServer',
    (options) => identity.secureServer(options, () => undefined),
    () => ({ authorize, alpn: ['h2'] }),
    ['alpn'],
  ],
  [
    'connectTls',
    (options) => tls.connectTls(identity, options).on('error', () => undefined),
    () => ({ id, host: '127.0.0.1', port: 1, alpn: ['h2'] }),
    ['host', 'port', 'alpn'],
  ],
  ['httpsAgent', (options) => tls.httpsAgent(identity, options), () => ({ id, maxSessions: 4 }), []],
  [
    'createHttpHandler',
    (options) => http.createHttpHandler(options),
    () => ({
      authority: mesh.authority,
      bundles: mesh.bundles,
      oidcIssuer: 'https://a',
      tiles: { read: () => undefined },
    }),
    ['authority', 'bundles', 'oidcIssuer', 'tiles', 'readiness', 'clock'],
  ],
  [
    'httpAuthorization',
    (options) => http.httpAuthorization(options),
    () => ({ ...guard, remoteIpOf: () => undefined }),
    ['authorizer', 'authenticator', 'peerIdOf', 'tokensAsPrincipals', 'remoteIpOf', 'destination'],
  ],
  [
    'authorizationInterceptor',
    (options) => grpc.authorizationInterceptor(options),
    () => ({ ...guard, grpc: undefined }),
    ['authorizer', 'authenticator', 'peerIdOf', 'tokensAsPrincipals', 'grpc', 'destination'],
  ],
  [
    'certificateServiceHandlers',
    (options) => grpc.certificateServiceHandlers(options),
    () => ({ issuance: mesh.issuance, authenticator, impersonation: { authorize: () => true }, signers: {} }),
    ['issuance', 'authenticator', 'impersonation', 'tlsPeerOf'],
  ],
  [
    'createCertificateServer',
    (options) => grpc.createCertificateServer(options),
    () => ({ issuance: mesh.issuance, authenticator, tls: {}, host: '127.0.0.1' }),
    ['host'],
  ],
  [
    'createCertificateClient',
    (options) => grpc.createCertificateClient(options),
    () => ({
      ...{ address: 'localhost:1', tls: () => ({ roots: root }), serverName: 'a', token: () => 't' },
      ...{ headers: { a: 'b' }, verify: () => ({ ok: true }), retry: { attempts: 1 } },
    }),
    ['address', 'tls', 'serverName', 'token', 'verify'],
  ],
  [
    'createIstioSigner',
    (options) => grpc.createIstioSigner(options),
    () => ({ client: { createCertificate: () => undefined }, roots: [root], impersonate: false }),
    ['client', 'impersonate'],
  ],
  [
    'listenGrpc',
    (options) => grpc.listenGrpc({} as never, identity, options),
    () => ({ authorize, host: '127.0.0.1' }),
    ['host', 'port'],
  ],
  [
    'createSdsServer',
    (options) => sds.createSdsServer(options),
    () => ({ address: `unix:${directory()}/s`, secrets: mesh.secrets, crlScope: 'chain' }),
    ['secrets', 'crlScope'],
  ],
  [
    'createWorkloadApiServer',
    (options) => workloadApi.createWorkloadApiServer(options),
    () => ({ address: `unix:${directory()}/s`, workload: mesh.secrets }),
    ['workload'],
  ],
  [
    'createVaultClient',
    (options) => vault.createVaultClient(options),
    () => ({
      address: 'https://127.0.0.1:1',
      auth: { token: () => 't' },
      namespace: 'n',
      caCertificates: root,
    }),
    ['auth', 'namespace', 'caCertificates', 'fetcher'],
  ],
  [
    'createGuardedFetcher',
    (options) => createGuardedFetcher(options),
    () => ({ caCertificates: root, bearerToken: () => 't', dangerouslyAllowHttp: false }),
    ['caCertificates', 'bearerToken', 'dangerouslyAllowHttp', 'resolve'],
  ],
  [
    'createCasSigner',
    (options) => cas.createCasSigner(options),
    () => ({
      pool: 'projects/p/locations/l/caPools/c',
      accessToken: () => 't',
      endpoint: 'https://127.0.0.1',
    }),
    ['pool', 'accessToken', 'endpoint'],
  ],
  [
    'createSqliteStorage',
    (options) => sqlite.createSqliteStorage(options),
    () => ({ path: '', owner: 'a' }),
    ['path', 'owner'],
  ],
  [
    'createPrometheusMetrics',
    (options) => prometheus.createPrometheusMetrics(options),
    () => ({ maxLabelSets: 3, maxLabelLength: 5 }),
    [],
  ],
  [
    'Authorizer',
    (options) => new Authorizer([], options),
    () => ({
      workload,
      trustDomain: 'example.org',
      rootNamespace: 'istio-system',
      pathNormalization: 'base',
    }),
    ['workload', 'rootNamespace', 'pathNormalization'],
  ],
  [
    'openAuthorizationFile',
    (options) => policyFile.openAuthorizationFile('/nowhere', options),
    () => ({ workload, trustDomain: 'example.org', aliases: [], pollMs: 5 }),
    [],
  ],
  [
    'createFileSink',
    (options) => files.createFileSink(options),
    () => ({ source: mesh.sources[0], directory: directory(), mode: 0o600, onWritten: () => undefined }),
    ['source', 'mode', 'onWritten'],
  ],
  [
    'createFileSource',
    (options) => files.createFileSource(options),
    () => ({ directory: directory(), id, allowedDirectories: ['/tmp'] }),
    ['allowedDirectories', 'id'],
  ],
  [
    'watchPluggedInMaterial',
    (options) => files.watchPluggedInMaterial(directory(), options),
    () => ({ authority: mesh.authority }),
    ['authority', 'clock'],
  ],
  [
    'Pkcs11KeyManager.open',
    (options) => pkcs11.Pkcs11KeyManager.open(options),
    () => ({ module: '/nowhere.so', token: { label: 'a' }, pin: () => '1' }),
    ['token', 'useFinalPinTry', 'checkSignatures', 'maxFailures'],
  ],
  [
    'CertificateWorkerPool',
    (options) => new workers.CertificateWorkerPool(options),
    () => ({ signer, workers: 1 }),
    ['signer', 'mainThreadHelps'],
  ],
]

/** None of them has a meaning for a strict option; a function and `true` have one for hooks and flags. */
const values: Readonly<Record<string, unknown>> = {
  null: null,
  NaN: Number.NaN,
  '-1': -1,
  Infinity: Infinity,
  "''": '',
  'a Map': new Map([['a', 1]]),
  'a Set': new Set([1]),
  'a Date': new Date(0),
  'an array': [null],
  'a symbol': Symbol('s'),
  'a promise': Promise.resolve(1),
  'no octets': new Uint8Array(0),
}

/** The value by which a call is refused, or undefined; what it opened is closed. */
async function refusalOf(call: Call, options: Options): Promise<unknown> {
  try {
    const opened = Object(await call(options as never)) as Partial<AsyncDisposable> & {
      destroy?: () => void
      close?: () => void
    }
    await opened[Symbol.asyncDispose]?.()
    opened.destroy?.()
    return undefined
  } catch (error) {
    return error
  }
}

describe.each(rows)('%s', (_name, call, options, strict) => {
  const names = [...new Set([...Object.keys(options()), ...strict])]

  it.each(names)('refuses values of other types for %s by a PkiError', async (option) => {
    const taken: string[] = []
    const foreign: string[] = []
    for (const [what, value] of Object.entries(values)) {
      const refusal = await refusalOf(call, { ...options(), [option]: value })
      if (refusal === undefined && strict.includes(option)) taken.push(what)
      if (refusal !== undefined && !(refusal instanceof PkiError)) foreign.push(`${what}: ${String(refusal)}`)
      if (refusal instanceof PkiError && strict.includes(option)) expect(refusal.code).toMatch(/INVALID/)
    }
    expect({ taken, foreign }).toEqual({ taken: [], foreign: [] })
  })
})
