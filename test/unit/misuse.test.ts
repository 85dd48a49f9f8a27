// A call that means nothing is the caller's mistake and says so: ERR_INVALID_ARGUMENT with what is wanted,
// never a TypeError from inside.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import {
  certificateServiceHandlers,
  createCertificateClient,
  createCertificateServer,
} from '../../src/adapters/grpc/index.ts'
import { Pkcs11KeyManager, Pkcs11Module } from '../../src/adapters/pkcs11/index.ts'
import { CertificateWorkerPool } from '../../src/adapters/workers/index.ts'
import {
  ApiKeyAuthenticator,
  ClientCertificateAuthenticator,
  CompositeAuthenticator,
  requireCaller,
} from '../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRevocationLookup,
  createRootCertificate,
  parsePluggedInMaterial,
} from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import {
  FailoverKeyManager,
  SoftwareSigner,
  bridgeToWebCrypto,
  exportPrivateKey,
  importPrivateKey,
  sealKeyBackup,
} from '../../src/keys/index.ts'
import { decryptPkcs8, encryptPkcs8, keyAlgorithmOf } from '../../src/keys/internal.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { localCaClient } from '../../src/secrets/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import {
  TrustBundle,
  TrustBundleSet,
  X509Svid,
  X509SvidValidator,
  parseSpiffeBundle,
  verifyJwtSvid,
} from '../../src/svid/index.ts'
import {
  combineRevocationCheckers,
  createCrlChecker,
  createOcspChecker,
  createPathValidator,
  verifyPathOrThrow,
  verifyPath,
} from '../../src/validation/index.ts'
import {
  Certificate,
  CertificateRequest,
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  Crl,
  buildCertificate,
  buildCertificateRequest,
  buildOcspResponse,
  buildCrl,
  generalName,
  parseSerialNumber,
} from '../../src/x509/index.ts'
import { serialNumberBytes } from '../../src/x509/internal.ts'

/** As JavaScript calls it: whatever comes. */
type Untyped = (...args: unknown[]) => unknown
const made =
  (type: unknown): Untyped =>
  (...args) =>
    Reflect.construct(type as new () => unknown, args) as unknown
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const about = { keyId: 'ca', algorithm: 'P-256', created: new Date(0) }
const client = { address: 'localhost:1', tls: () => ({ roots: '' }) }
const service = { issuance: { issue: () => undefined }, authenticator: { authenticate: () => undefined } }
const hsm = { module: '/nowhere.so', token: { label: 'x' }, pin: () => '1' }
const signer = new SoftwareSigner(privateKey)
const root = await createRootCertificate(signer, { subject: 'CN=root' })
const fields = {
  issuer: 'CN=x',
  publicKey: signer.publicKey,
  notBefore: new Date(0),
  notAfter: new Date(1000),
}
const list = {
  issuer: 'CN=x',
  thisUpdate: new Date(0),
  nextUpdate: new Date(1000),
  crlNumber: 1,
  authorityKeyIdentifier: new Uint8Array(20),
  entries: [],
}
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer })
const issuance = createIssuanceService({ authority })
const caller = { identities: [SpiffeId.parse('spiffe://example.org/x')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, signer)
const validator = new X509SvidValidator({ bundles: new TrustBundle('example.org') })

const server = { ...service, tls: { certificateChain: 'x', privateKey: 'x', clientRoots: '' } }

const calls: readonly (readonly [string, Untyped, ...unknown[]])[] = [
  ['createIssuanceService()', createIssuanceService as Untyped],
  ['createIssuanceService({})', createIssuanceService as Untyped, {}],
  ['callerIdentityPolicy()', callerIdentityPolicy as Untyped],
  ['callerIdentityPolicy({})', callerIdentityPolicy as Untyped, {}],
  ['new X509SvidValidator()', made(X509SvidValidator)],
  ['new X509SvidValidator({})', made(X509SvidValidator), {}],
  ['validator.verify()', validator.verify.bind(validator) as Untyped],
  ['validator.verify(leaf)', validator.verify.bind(validator) as Untyped, '-----BEGIN CERTIFICATE-----'],
  ['new CompositeAuthenticator()', made(CompositeAuthenticator)],
  ['new CompositeAuthenticator({})', made(CompositeAuthenticator), {}],
  ['new ApiKeyAuthenticator()', made(ApiKeyAuthenticator)],
  ['new ApiKeyAuthenticator({})', made(ApiKeyAuthenticator), {}],
  ['new ClientCertificateAuthenticator()', made(ClientCertificateAuthenticator)],
  ['new ClientCertificateAuthenticator({})', made(ClientCertificateAuthenticator), {}],
  ['FileKeyManager.open()', FileKeyManager.open as Untyped],
  ['FileKeyManager.open without a directory', FileKeyManager.open as Untyped, { passphrase: () => 'x' }],
  ['FileKeyManager.open without a passphrase', FileKeyManager.open as Untyped, { directory: '/nowhere' }],
  ['Pkcs11KeyManager.open()', Pkcs11KeyManager.open as Untyped],
  [
    'Pkcs11KeyManager.open without a module',
    Pkcs11KeyManager.open as Untyped,
    { token: { label: 'x' }, pin: () => '1' },
  ],
  [
    'Pkcs11KeyManager.open without a token',
    Pkcs11KeyManager.open as Untyped,
    { module: '/nowhere.so', pin: () => '1' },
  ],
  [
    'Pkcs11KeyManager.open with a PIN that is no function',
    Pkcs11KeyManager.open as Untyped,
    { module: '/nowhere.so', token: { label: 'x' }, pin: '1' },
  ],
  ...(['maxSessions', 'maxWaiting', 'timeoutMs', 'maxFailures'] as const).map(
    (name) =>
      [
        `Pkcs11KeyManager.open with ${name} that is no number`,
        Pkcs11KeyManager.open as Untyped,
        { ...hsm, [name]: Number.NaN },
      ] as const,
  ),
  ['Pkcs11KeyManager.open without a session', Pkcs11KeyManager.open as Untyped, { ...hsm, maxSessions: 0 }],
  [
    'Pkcs11KeyManager.open with a word for checkSignatures that is none',
    Pkcs11KeyManager.open as Untyped,
    { ...hsm, checkSignatures: 'Always' },
  ],
  ['Pkcs11Module.load()', Pkcs11Module.load as Untyped],
  ['Pkcs11Module.load of nothing', Pkcs11Module.load as Untyped, ''],
  ['Pkcs11Module.load({})', Pkcs11Module.load as Untyped, {}],
  ['new CertificateWorkerPool()', made(CertificateWorkerPool)],
  ['new CertificateWorkerPool({})', made(CertificateWorkerPool), {}],
  ['createCertificateClient()', createCertificateClient as Untyped],
  ['createCertificateClient({})', createCertificateClient as Untyped, {}],
  ['createCertificateClient without roots', createCertificateClient as Untyped, { address: client.address }],
  ['createCertificateClient without an address', createCertificateClient as Untyped, { tls: client.tls }],
  [
    'createCertificateClient with no time',
    createCertificateClient as Untyped,
    { ...client, timeoutMs: Number.NaN },
  ],
  [
    'createCertificateClient without an end',
    createCertificateClient as Untyped,
    { ...client, retry: { attempts: Number.NaN } },
  ],
  [
    'createCertificateClient with a delay that is none',
    createCertificateClient as Untyped,
    { ...client, retry: { initialDelayMs: Number.NaN } },
  ],
  [
    'createCertificateClient with more jitter than delay',
    createCertificateClient as Untyped,
    { ...client, retry: { jitter: 2 } },
  ],
  ['certificateServiceHandlers()', certificateServiceHandlers as Untyped],
  ['certificateServiceHandlers({})', certificateServiceHandlers as Untyped, {}],
  [
    'certificateServiceHandlers without an authenticator',
    certificateServiceHandlers as Untyped,
    { issuance: service.issuance },
  ],
  [
    'certificateServiceHandlers with an impersonation that decides nothing',
    certificateServiceHandlers as Untyped,
    { ...service, impersonation: { authorise: () => undefined } },
  ],
  [
    'certificateServiceHandlers with a signer that issues nothing',
    certificateServiceHandlers as Untyped,
    { ...service, signers: { istio: {} } },
  ],
  [
    'certificateServiceHandlers without issuance',
    certificateServiceHandlers as Untyped,
    { authenticator: service.authenticator },
  ],
  [
    'certificateServiceHandlers with a limit that is none',
    certificateServiceHandlers as Untyped,
    { ...service, maxInFlight: Number.NaN },
  ],
  [
    'certificateServiceHandlers with a time that is none',
    certificateServiceHandlers as Untyped,
    { ...service, timeoutMs: '30' },
  ],
  [
    'createCertificateServer with a limit that is none',
    createCertificateServer as Untyped,
    { ...service, tls: { certificateChain: '' }, maxConnections: Number.NaN },
  ],
  [
    'createCertificateServer with an age that no timer takes',
    createCertificateServer as Untyped,
    { ...service, tls: { certificateChain: '' }, maxConnectionAgeSeconds: 2 ** 31 },
  ],
  ['createCertificateServer()', createCertificateServer as Untyped],
  [
    'createCertificateClient with an http URL',
    createCertificateClient as Untyped,
    { address: 'http://localhost:1', tls: () => ({ roots: '' }) },
  ],
  ['createCertificateServer({})', createCertificateServer as Untyped, {}],
  [
    'createCertificateServer without a private key',
    createCertificateServer as Untyped,
    { ...server, tls: { certificateChain: 'x', clientRoots: '' } },
  ],
  [
    'createCertificateServer without client roots',
    createCertificateServer as Untyped,
    { ...server, tls: { certificateChain: 'x', privateKey: 'x' } },
  ],
  ['createCertificateServer at port 65536', createCertificateServer as Untyped, { ...server, port: 65_536 }],
  ['createCertificateServer at port 1.5', createCertificateServer as Untyped, { ...server, port: 1.5 }],
  ['createCertificateServer at port -1', createCertificateServer as Untyped, { ...server, port: -1 }],
  [
    'createPathValidator with one anchor',
    createPathValidator as Untyped,
    { anchors: '-----BEGIN CERTIFICATE-----' },
  ],
  ['verifyPath(leaf)', verifyPath as Untyped, '-----BEGIN CERTIFICATE-----'],
  ['verifyPath(leaf, {})', verifyPath as Untyped, '-----BEGIN CERTIFICATE-----', {}],
  ...Object.entries({ Certificate, CertificateRequest, Crl }).flatMap(([name, type]) => [
    [`${name}.parse()`, type.parse as Untyped] as const,
    [`${name}.parse(text)`, type.parse as Untyped, '30'] as const,
    [`${name}.from()`, type.from as Untyped] as const,
    [`${name}.fromPem()`, type.fromPem as Untyped] as const,
    [`${name}.fromPem({})`, type.fromPem as Untyped, {}] as const,
  ]),
  ['Certificate.listFromPem()', Certificate.listFromPem as Untyped],
  ['Crl.listFromPem()', Crl.listFromPem as Untyped],
  ['OcspResponse.parse()', OcspResponse.parse as Untyped],
  ['OcspRequest.parse()', OcspRequest.parse as Untyped],
  ['OcspRequest.of()', OcspRequest.of as Untyped],
  ['DistinguishedName.parse()', DistinguishedName.parse as Untyped],
  ['DistinguishedName.of()', DistinguishedName.of as Untyped],
  ['DistinguishedName.of octets', DistinguishedName.of as Untyped, [['CN', new Uint8Array([5, 0])]]],
  ['parseSerialNumber()', parseSerialNumber as Untyped],
  ...Object.entries({
    buildCertificate,
    buildCertificateRequest,
    buildOcspResponse,
    buildCrl,
    createRootCertificate,
  }).map(([name, build]) => [`${name}()`, build as Untyped] as const),
  ...Object.entries({ buildCertificate, buildOcspResponse, buildCrl }).flatMap(([name, build]) => [
    [`${name}(undefined, signer)`, build as Untyped, undefined, signer] as const,
    [`${name}({}, signer)`, build as Untyped, {}, signer] as const,
  ]),
  ['createCertificateAuthority()', createCertificateAuthority as Untyped],
  [
    'createCertificateAuthority without a certificate',
    createCertificateAuthority as Untyped,
    { trustDomain: 'example.org', signer },
  ],
  [
    'createCertificateAuthority without a signer',
    createCertificateAuthority as Untyped,
    { trustDomain: 'example.org', certificate: root },
  ],
  [
    'createCertificateAuthority with one root that is no list',
    createCertificateAuthority as Untyped,
    { trustDomain: 'example.org', certificate: root, signer, roots: root },
  ],
  [
    'createCertificateAuthority with a chain that is no list',
    createCertificateAuthority as Untyped,
    { trustDomain: 'example.org', certificate: root, signer, chain: root.toPem() },
  ],
  ['OcspCertificateId.of()', OcspCertificateId.of as Untyped],
  ['OcspCertificateId.of without an issuer', OcspCertificateId.of as Untyped, root],
  [
    'buildCertificateRequest with a number as subject',
    buildCertificateRequest as Untyped,
    { subject: 5 },
    signer,
  ],
  [
    'buildCertificate with a number as subject',
    buildCertificate as Untyped,
    { ...fields, subject: 5 },
    signer,
  ],
  ['buildCertificate with a number as issuer', buildCertificate as Untyped, { ...fields, issuer: 5 }, signer],
  ['buildCertificate with a number as key', buildCertificate as Untyped, { ...fields, publicKey: 5 }, signer],
  ['issue()', issuance.issue.bind(issuance) as Untyped, undefined, caller],
  ['plan()', issuance.plan.bind(issuance) as Untyped, undefined, caller],
  ['issue without a request', issuance.issue.bind(issuance) as Untyped, {}, caller],
  ['prepare without content', authority.prepare.bind(authority) as Untyped, csr],
  [
    'prepare with names that are no list',
    authority.prepare.bind(authority) as Untyped,
    csr,
    { subjectAltName: 'x' },
  ],
  ['new X509Svid()', made(X509Svid)],
  ['new X509Svid(pem)', made(X509Svid), root.toPem()],
  [
    'new TrustBundle with one certificate that is no list',
    made(TrustBundle),
    'example.org',
    { x509Authorities: root },
  ],
  ['new TrustBundle with one key that is no list', made(TrustBundle), 'example.org', { jwtAuthorities: {} }],
  ['new TrustBundleSet of what are no bundles', made(TrustBundleSet), [5]],
  ['TrustBundleSet.set()', (bundle) => new TrustBundleSet().set(bundle as TrustBundle)],
  ['parseSpiffeBundle()', parseSpiffeBundle as Untyped],
  ['verifyJwtSvid()', verifyJwtSvid as Untyped],
  ['requireCaller()', requireCaller as Untyped],
  ['serialNumberBytes(number)', serialNumberBytes as Untyped, 5],
  [
    'buildCertificate with a number as serial number',
    buildCertificate as Untyped,
    { ...fields, serialNumber: 5 },
    signer,
  ],
  ...Object.entries({
    nothing: [null],
    'a number': [5],
    'a serial number that is one': [{ serialNumber: 5, revocationDate: new Date(0) }],
    'a date that is text': [{ serialNumber: '05', revocationDate: '2026' }],
  }).map(
    ([what, entries]) =>
      [`buildCrl with an entry that is ${what}`, buildCrl as Untyped, { ...list, entries }, signer] as const,
  ),
  [
    'buildCrl without a key identifier',
    buildCrl as Untyped,
    { ...list, authorityKeyIdentifier: undefined },
    signer,
  ],
  ['buildCrl with extensions that are none', buildCrl as Untyped, { ...list, other: [5] }, signer],
  [
    'buildCertificate with other extensions that are none',
    buildCertificate as Untyped,
    { ...fields, extensions: { other: [{ oid: '1.2.3' }] } },
    signer,
  ],
  ...Object.entries({
    'a number': 5,
    'a name that is none': { subjectAltNames: [generalName.dns('a')] },
    'names that are no list': { subjectAltName: generalName.dns('a') },
    'a name without a value': { subjectAltName: [{ type: 'dns' }] },
    'a purpose that is no list': { extendedKeyUsage: '1.3.6.1.5.5.7.3.1' },
    'a usage that is no list': { keyUsage: 5 },
    'true for the constraints of a CA': { basicConstraints: true },
    'an identifier as it is read': {
      authorityKeyIdentifier: { keyIdentifier: signer.publicKey.keyIdentifier },
    },
    'text for the identifier of a key': { subjectKeyIdentifier: 'aa' },
    'one place that is no list': { crlDistributionPoints: { fullName: [] } },
  }).map(
    ([what, extensions]) =>
      [
        `buildCertificateRequest with extensions that have ${what}`,
        buildCertificateRequest as Untyped,
        { extensions },
        signer,
      ] as const,
  ),
  ['createRootCertificate(signer)', createRootCertificate as Untyped, signer],
  ['createRootCertificate(signer, {})', createRootCertificate as Untyped, signer, {}],
  ['createIntermediateCertificate()', createIntermediateCertificate as Untyped],
  [
    'createIntermediateCertificate without a parent',
    createIntermediateCertificate as Untyped,
    undefined,
    signer.publicKey,
    { subject: 'CN=x' },
  ],
  ['createCrossCertificate()', createCrossCertificate as Untyped],
  ['parsePluggedInMaterial()', parsePluggedInMaterial as Untyped],
  ...Object.entries({ null: null, 'a number': 5, octets: Buffer.from('x') }).map(
    ([what, file]) =>
      [
        `parsePluggedInMaterial with a file that is ${what}`,
        parsePluggedInMaterial as Untyped,
        { 'ca-cert.pem': file },
      ] as const,
  ),
  ['createPathValidator()', createPathValidator as Untyped],
  ['createPathValidator({})', createPathValidator as Untyped, {}],
  ['verifyPath(leaf)', verifyPath as Untyped, ''],
  ['verifyPathOrThrow(leaf)', verifyPathOrThrow as Untyped, ''],
  ['createCrlChecker()', createCrlChecker as Untyped],
  ['createCrlChecker({})', createCrlChecker as Untyped, {}],
  ['createOcspChecker()', createOcspChecker as Untyped],
  ['createOcspChecker({})', createOcspChecker as Untyped, {}],
  ['combineRevocationCheckers()', combineRevocationCheckers as Untyped],
  ['importPrivateKey()', importPrivateKey as Untyped],
  [
    'importPrivateKey of an encrypted key with a number',
    importPrivateKey as Untyped,
    exportPrivateKey(privateKey, { passphrase: '1234' }),
    { passphrase: 1234 },
  ],
  ['exportPrivateKey()', exportPrivateKey as Untyped],
  ['exportPrivateKey(pem)', exportPrivateKey as Untyped, exportPrivateKey(privateKey)],
  ['exportPrivateKey with a number', exportPrivateKey as Untyped, privateKey, { passphrase: 1234 }],
  ['encryptPkcs8()', encryptPkcs8 as Untyped],
  ['encryptPkcs8(key)', encryptPkcs8 as Untyped, privateKey],
  ['encryptPkcs8 with a number', encryptPkcs8 as Untyped, privateKey, 1234],
  ['encryptPkcs8 with an empty passphrase', encryptPkcs8 as Untyped, privateKey, ''],
  ['decryptPkcs8()', decryptPkcs8 as Untyped],
  ['decryptPkcs8 with a number', decryptPkcs8 as Untyped, new Uint8Array(), 1234],
  ['new SoftwareSigner()', made(SoftwareSigner)],
  ['new SoftwareSigner({})', made(SoftwareSigner), {}],
  ['keyAlgorithmOf()', keyAlgorithmOf as Untyped],
  ['keyAlgorithmOf(key)', keyAlgorithmOf as Untyped, privateKey],
  ['sealKeyBackup()', sealKeyBackup as Untyped],
  ['sealKeyBackup(key)', sealKeyBackup as Untyped, privateKey],
  ['sealKeyBackup without a protection', sealKeyBackup as Untyped, privateKey, about],
  [
    'sealKeyBackup without an id',
    sealKeyBackup as Untyped,
    privateKey,
    { ...about, keyId: undefined },
    { passphrase: 'x' },
  ],
  [
    'sealKeyBackup without a time',
    sealKeyBackup as Untyped,
    privateKey,
    { ...about, created: '2026-01-01' },
    { passphrase: 'x' },
  ],
  ['new FailoverKeyManager()', made(FailoverKeyManager)],
  ['new FailoverKeyManager({})', made(FailoverKeyManager), {}],
  [
    'new FailoverKeyManager with a time that is none',
    made(FailoverKeyManager),
    { managers: [new FailoverKeyManager({ managers: [{} as never] })], retryAfterMs: Number.NaN },
  ],
  ['bridgeToWebCrypto()', bridgeToWebCrypto as Untyped],
  ['bridgeToWebCrypto({})', bridgeToWebCrypto as Untyped, {}],
]

describe('misuse', () => {
  it.each(calls.map(([name, call, ...args]) => [name, () => call(...args)] as const))(
    '%s',
    async (_name, call) => {
      await expect(Promise.resolve().then(call)).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    },
  )
})

describe('an object that is not what a function works with is refused when it is given', () => {
  it.each([
    ['localCaClient', (given: unknown) => localCaClient(given as never, {}), 'service'],
    ['createRevocationLookup', (given: unknown) => createRevocationLookup(given as never), 'store'],
  ])('%s', (name, call, what) => {
    for (const given of [undefined, null, {}, 'x', { issuer: () => undefined }])
      expect(() => call(given)).toThrow(`${name}: ${what} must be an object with`)
  })

  it('localCaClient refuses authorities that tell no events', () => {
    for (const given of [null, {}, 'x', { onEvent: true }])
      expect(() => localCaClient({ issue: () => undefined } as never, 'caller', given as never)).toThrow(
        'localCaClient: authorities must be an object with onEvent',
      )
  })

  it('a CertID has a hash that is supported', () => {
    expect(() => OcspCertificateId.of(root, root, 'md5' as never)).toThrow(
      'a CertID cannot have the hash "md5"; expected sha1, sha256, sha384, sha512',
    )
  })
})
