// Every public function that takes options, found in the source, refuses an unknown key, so that a misspelt
// option is not silently the default.

import { describe, expect, it } from 'vitest'
import * as auth from '../../src/auth/index.ts'
import * as ca from '../../src/ca/index.ts'
import * as federation from '../../src/federation/index.ts'
import * as issuance from '../../src/issuance/index.ts'
import * as keys from '../../src/keys/index.ts'
import * as policy from '../../src/policy/index.ts'
import * as runtime from '../../src/runtime/index.ts'
import * as secrets from '../../src/secrets/index.ts'
import * as spiffe from '../../src/spiffe/index.ts'
import * as svid from '../../src/svid/index.ts'
import * as validation from '../../src/validation/index.ts'
import { contracts } from '../../src/testing/index.ts'
import * as x509 from '../../src/x509/index.ts'
import { newRequest } from '../support/pki.ts'
import '../support/cheap-scrypt.ts'
import { makeAuthority, makeChain, makeList } from './validation/test-pki.ts'

const layers = {
  x509,
  spiffe,
  keys,
  validation,
  svid,
  auth,
  ca,
  federation,
  policy,
  issuance,
  secrets,
  runtime,
}

const { root, ca: issuer, leaf } = await makeChain()
const { signer } = await makeAuthority('signer')
const software = await keys.SoftwareSigner.generate('P-256')
const { request } = await newRequest()
const list = await makeList(issuer)
const bundle = new svid.TrustBundle('example.org', { x509Authorities: [root.certificate] })
const ocspRequest = x509.OcspRequest.of([x509.OcspCertificateId.of(leaf, issuer.certificate)])
const ocspRefusal = x509.OcspResponse.refusal('tryLater')
const validator = validation.createPathValidator({ anchors: [root.certificate] })
const svidValidator = new svid.X509SvidValidator({ bundles: bundle })
const window = { notBefore: new Date(0), notAfter: new Date(1e12) }
const seal = { keyId: 'k', algorithm: 'P-256', created: new Date(0) } as const
const passphrase = 'a passphrase of some length'
const backup = await keys.sealKeyBackup(software.privateKey(), seal, { passphrase })

const recipe = { trustDomain: 'a.org', audience: 'a' }

/** Calls the function with `extra` in its options; everything else is in order. */
type Call = (extra: object) => unknown

const table: Readonly<Record<string, Call>> = {
  'x509.Certificate.parse': (extra) => x509.Certificate.parse(leaf.der, extra),
  'x509.Certificate.from': (extra) => x509.Certificate.from(leaf.der, extra),
  'x509.Certificate.fromPem': (extra) => x509.Certificate.fromPem(leaf.toPem(), extra),
  'x509.Certificate.listFromPem': (extra) => x509.Certificate.listFromPem(leaf.toPem(), extra),
  'x509.CertificateRequest.parse': (extra) => x509.CertificateRequest.parse(request.der, extra),
  'x509.CertificateRequest.from': (extra) => x509.CertificateRequest.from(request.der, extra),
  'x509.CertificateRequest.fromPem': (extra) => x509.CertificateRequest.fromPem(request.toPem(), extra),
  'x509.Crl.parse': (extra) => x509.Crl.parse(list.der, extra),
  'x509.Crl.from': (extra) => x509.Crl.from(list.der, extra),
  'x509.Crl.fromPem': (extra) => x509.Crl.fromPem(list.toPem(), extra),
  'x509.Crl.listFromPem': (extra) => x509.Crl.listFromPem(list.toPem(), extra),
  'x509.OcspRequest.parse': (extra) => x509.OcspRequest.parse(ocspRequest.der, extra),
  'x509.OcspResponse.parse': (extra) => x509.OcspResponse.parse(ocspRefusal.der, extra),
  'x509.OcspResponse.from': (extra) => x509.OcspResponse.from(ocspRefusal.der, extra),
  'x509.PublicKey#checkStrength': (extra) => leaf.publicKey.checkStrength(extra),
  'x509.OcspRequest.of': (extra) =>
    x509.OcspRequest.of([x509.OcspCertificateId.of(leaf, issuer.certificate)], extra),
  'x509.buildCertificate': (extra) =>
    x509.buildCertificate({ issuer: 'CN=a', publicKey: signer.publicKey, ...window, ...extra }, signer),
  'x509.buildCertificateRequest': (extra) => x509.buildCertificateRequest(extra, signer),
  'x509.buildCrl': (extra) =>
    x509.buildCrl(
      {
        issuer: 'CN=a',
        thisUpdate: new Date(0),
        nextUpdate: new Date(1e12),
        crlNumber: 1,
        authorityKeyIdentifier: Uint8Array.of(1),
        entries: [],
        ...extra,
      },
      signer,
    ),
  'x509.buildOcspResponse': (extra) =>
    x509.buildOcspResponse(
      {
        producedAt: new Date(0),
        responses: [
          {
            certificateId: x509.OcspCertificateId.of(leaf, issuer.certificate),
            certificateStatus: { status: 'good' },
            thisUpdate: new Date(0),
          },
        ],
        ...extra,
      },
      signer,
    ),
  'keys.SoftwareSigner': (extra) => new keys.SoftwareSigner(software.privateKey(), extra),
  'keys.SoftwareSigner.generate': (extra) => keys.SoftwareSigner.generate('P-256', extra),
  'keys.MemoryKeyManager': (extra) => new keys.MemoryKeyManager(extra),
  'keys.FailoverKeyManager': (extra) =>
    new keys.FailoverKeyManager({ managers: [new keys.MemoryKeyManager()], ...extra }),
  'keys.MemoryKeyManager#backupKey': async (extra) => {
    const manager = new keys.MemoryKeyManager()
    await manager.generateKey('k', 'P-256')
    return manager.backupKey('k', { passphrase, ...extra })
  },
  'keys.FailoverKeyManager#backupKey': async (extra) => {
    const manager = new keys.FailoverKeyManager({ managers: [new keys.MemoryKeyManager()] })
    await manager.generateKey('k', 'P-256')
    return manager.backupKey('k', { passphrase, ...extra })
  },
  'keys.bridgeToWebCrypto': (extra) => keys.bridgeToWebCrypto(software, extra),
  'keys.importPrivateKey': (extra) =>
    keys.importPrivateKey(keys.exportPrivateKey(software.privateKey()), extra),
  'keys.exportPrivateKey': (extra) => keys.exportPrivateKey(software.privateKey(), extra),
  'validation.createPathValidator': (extra) =>
    validation.createPathValidator({ anchors: [root.certificate], ...extra }),
  'validation.PathValidator#verify': (extra) => validator.verify(leaf, extra),
  'validation.PathValidator#verifyOrThrow': (extra) => validator.verifyOrThrow(leaf, extra),
  'validation.verifyPath': (extra) => validation.verifyPath(leaf, { anchors: [root.certificate], ...extra }),
  'validation.verifyPathOrThrow': (extra) =>
    validation.verifyPathOrThrow(leaf, { anchors: [root.certificate], ...extra }),
  'validation.createCrlChecker': (extra) => validation.createCrlChecker({ lists: [], mode: 'off', ...extra }),
  'validation.createOcspChecker': (extra) =>
    validation.createOcspChecker({ responses: [], mode: 'off', ...extra }),
  'validation.combineRevocationCheckers': (extra) =>
    validation.combineRevocationCheckers([validation.createCrlChecker({ lists: [], mode: 'off' })], extra),
  'svid.TrustBundle': (extra) => new svid.TrustBundle('a.org', extra),
  'svid.TrustBundle.fromPem': (extra) =>
    svid.TrustBundle.fromPem(leaf.toPem(), { trustDomain: 'a.org', ...extra }),
  'svid.TrustBundle.fromDer': (extra) =>
    svid.TrustBundle.fromDer(leaf.der, { trustDomain: 'a.org', ...extra }),
  'svid.TrustBundle#with': (extra) => bundle.with(extra),
  'svid.X509SvidValidator': (extra) => new svid.X509SvidValidator({ bundles: bundle, ...extra }),
  'svid.X509SvidValidator#verify': (extra) => svidValidator.verify([leaf], extra),
  'svid.X509SvidValidator#verifyOrThrow': (extra) => svidValidator.verifyOrThrow([leaf], extra),
  'svid.verifyX509Svid': (extra) => svid.verifyX509Svid([leaf], { bundles: bundle, ...extra }),
  'svid.verifyJwtSvid': (extra) => svid.verifyJwtSvid('token', { bundles: bundle, audience: 'a', ...extra }),
  'svid.issueJwtSvid': (extra) =>
    svid.issueJwtSvid({ id: 'spiffe://a.org/b', audience: 'a', keyId: 'k', ...extra }, signer),
  'svid.parseSpiffeBundle': (extra) =>
    svid.parseSpiffeBundle('{"keys":[]}', { trustDomain: 'a.org', ...extra }),
  'svid.formatSpiffeBundle': (extra) => svid.formatSpiffeBundle(bundle, extra),
  'svid.parseBundleMap': (extra) => svid.parseBundleMap('{"trust_domains":{}}', extra),
  'svid.formatBundleMap': (extra) => svid.formatBundleMap([bundle], extra),
  'keys.sealKeyBackup': (extra) =>
    keys.sealKeyBackup(software.privateKey(), { ...seal, ...extra }, { passphrase }),
  'keys.openKeyBackup': (extra) => keys.openKeyBackup(backup, { passphrase, ...extra }),
  'keys.MemoryKeyManager#restoreKey': (extra) =>
    new keys.MemoryKeyManager().restoreKey(backup, { passphrase, ...extra }),
  'keys.FailoverKeyManager#restoreKey': (extra) =>
    new keys.FailoverKeyManager({ managers: [new keys.MemoryKeyManager()] }).restoreKey(backup, {
      passphrase,
      ...extra,
    }),
  'keys.FailoverKeyManager#replicateKey': async (extra) => {
    const managers = [new keys.MemoryKeyManager(), new keys.MemoryKeyManager()]
    const manager = new keys.FailoverKeyManager({ managers })
    await manager.generateKey('k', 'P-256')
    return manager.replicateKey('k', { passphrase, ...extra })
  },
  'validation.PathValidator': (extra) =>
    new validation.PathValidator({ anchors: [root.certificate], ...extra }),
  'auth.ApiKeyAuthenticator': (extra) => new auth.ApiKeyAuthenticator({ keys: [], ...extra }),
  'auth.CompositeAuthenticator': (extra) =>
    new auth.CompositeAuthenticator({
      authenticators: [new auth.ApiKeyAuthenticator({ keys: [] })],
      ...extra,
    }),
  'auth.ClientCertificateAuthenticator': (extra) =>
    new auth.ClientCertificateAuthenticator({
      bundles: bundle,
      dangerouslyWithoutRevocation: true,
      ...extra,
    } as ConstructorParameters<typeof auth.ClientCertificateAuthenticator>[0]),
  'auth.X509SvidAuthenticator': (extra) => new auth.X509SvidAuthenticator(extra as never),
  'auth.XfccAuthenticator': (extra) => new auth.XfccAuthenticator(extra as never),
  'auth.OidcAuthenticator': (extra) => new auth.OidcAuthenticator(extra as never),
  'auth.KubernetesTokenAuthenticator': (extra) => new auth.KubernetesTokenAuthenticator(extra as never),
  'auth.TokenReviewAuthenticator': (extra) => new auth.TokenReviewAuthenticator(extra as never),
  'auth.JwtSvidAuthenticator': (extra) => new auth.JwtSvidAuthenticator(extra as never),
  'auth.JoinTokenAuthenticator': (extra) => new auth.JoinTokenAuthenticator(extra as never),
  'auth.createMemoryOneTimeStore': (extra) => auth.createMemoryOneTimeStore(extra),
  'auth.createNodeAuthorizer': (extra) => auth.createNodeAuthorizer(extra as never),
  'auth.allOf': (extra) => auth.allOf([], extra),
  'auth.withNonce': (extra) => auth.withNonce(new auth.ApiKeyAuthenticator({ keys: [] }), extra as never),
  'auth.createMemoryPodIndex': (extra) => auth.createMemoryPodIndex(extra),
  'ca.createRootCertificate': (extra) =>
    ca.createRootCertificate(software, { subject: 'CN=a', trustDomain: 'a.org', ...extra }),
  'ca.createIntermediateCertificate': (extra) =>
    ca.createIntermediateCertificate(
      { certificate: root.certificate, signer: root.signer },
      signer.publicKey,
      {
        subject: 'CN=a',
        trustDomain: 'a.org',
        ...extra,
      },
    ),
  'ca.createCrossCertificate': (extra) =>
    ca.createCrossCertificate(
      { certificate: root.certificate, signer: root.signer },
      issuer.certificate,
      extra,
    ),
  'ca.createCertificateAuthority': (extra) =>
    ca.createCertificateAuthority({
      trustDomain: 'a.org',
      certificate: root.certificate,
      signer: root.signer,
      ...extra,
    }),
  'ca.createRotatingAuthority': (extra) =>
    ca.createRotatingAuthority({
      trustDomain: 'a.org',
      storage: ca.createMemoryStorage(),
      keys: new keys.MemoryKeyManager(),
      automatic: false,
      ...extra,
    }),
  'ca.createRegistrationAuthority': (extra) =>
    ca.createRegistrationAuthority({
      trustDomain: 'a.org',
      signer: {
        name: 'a',
        roots: async () => [root.certificate],
        sign: () => Promise.reject(new Error('a')),
      },
      ...extra,
    }),
  'ca.planRotation': (extra) => ca.planRotation({ caTtlSeconds: 86_400, leafTtlSeconds: 60, ...extra }),
  'ca.createLocalUpstream': (extra) =>
    ca.createLocalUpstream({ trustDomain: 'a.org', directory: '/nowhere', ...extra }),
  'ca.createMemoryStorage': (extra) => ca.createMemoryStorage(extra),
  'ca.holdLease': (extra) => ca.holdLease({ leases: {} as never, name: 'x', ...extra }),
  'policy.callerIdentityPolicy': (extra) => policy.callerIdentityPolicy({ trustDomain: 'a.org', ...extra }),
  'policy.Authorizer': (extra) =>
    new policy.Authorizer([], { workload: { namespace: 'a', labels: {} }, trustDomain: 'a.org', ...extra }),
  'policy.createIdentityProvider': (extra) =>
    policy.createIdentityProvider({ authorizer: {}, authenticator: {}, ...extra } as never),
  'policy.withPolicyHooks': (extra) =>
    policy.withPolicyHooks({ decide: () => ({}) } as never, { hook: () => ({ allowed: true }), ...extra }),
  'policy.UsageWatch': (extra) => new policy.UsageWatch({ onAlert: () => undefined, ...extra }),
  'federation.TrustDomainRegistry': (extra) =>
    new federation.TrustDomainRegistry({ own: { trustDomain: 'a.org' }, ...extra }),
  'policy.createRulePolicy': (extra) => policy.createRulePolicy({} as never, extra),
  'policy.replayPolicy': (extra) => policy.replayPolicy({} as never, {} as never, extra).next(),
  'svid.createJwtVerifier': (extra) => svid.createJwtVerifier({ bundles: bundle, ...extra }),
  'secrets.createCertificateChecker': (extra) =>
    secrets.createCertificateChecker({
      sources: { default: { onChange: () => () => undefined, bundleFor: () => undefined } as never },
      ...extra,
    }),
  'secrets.createJwtSource': (extra) => secrets.createJwtSource({ fetchToken: async () => '', ...extra }),
  'secrets.createX509Sources': (extra) => secrets.createX509Sources({ caFor: () => ({}) as never, ...extra }),
  'secrets.createWorkloadSecrets': (extra) => secrets.createWorkloadSecrets(extra as never),
  'issuance.createIssuanceService': (extra) =>
    issuance.createIssuanceService({
      ...extra,
    } as Parameters<typeof issuance.createIssuanceService>[0]),
  'secrets.createX509Source': (extra) =>
    secrets.createX509Source({
      ca: {} as Parameters<typeof secrets.createX509Source>[0]['ca'],
      id: 'spiffe://a.org/b',
      ...extra,
    }),
  'runtime.createGuardedFetcher': (extra) => runtime.createGuardedFetcher(extra),
  'runtime.GuardedFetcher#fetch': (extra) =>
    runtime.createGuardedFetcher({}).fetch('https://127.0.0.1/', extra),
  'auth.oidcRecipes.gitHubActions': (extra) =>
    auth.oidcRecipes.gitHubActions({ ...recipe, owners: ['a'], ...extra }),
  'auth.oidcRecipes.gitLabCi': (extra) =>
    auth.oidcRecipes.gitLabCi({ ...recipe, namespaces: ['a'], ...extra }),
  'auth.oidcRecipes.googleCloud': (extra) =>
    auth.oidcRecipes.googleCloud({ ...recipe, projects: ['a'], ...extra }),
  'auth.oidcRecipes.awsSts': (extra) =>
    auth.oidcRecipes.awsSts({ ...recipe, issuer: 'https://a.example', accounts: ['1'], ...extra }),
  'auth.oidcRecipes.azure': (extra) => auth.oidcRecipes.azure({ ...recipe, tenant: 'a', ...extra }),
  'auth.JoinTokenAuthenticator#createToken': (extra) =>
    new auth.JoinTokenAuthenticator({ store: auth.createMemoryOneTimeStore() }).createToken({
      identities: ['spiffe://a.org/b'],
      ttlSeconds: 60,
      ...extra,
    }),
}

/** What looks like options by its name, and is none. */
const notOptions: Readonly<Record<string, string>> = {
  'svid.JwtSvid': 'a constructor that is not public',
  'auth.authenticationError': 'the cause of an error',
  'secrets.renewalPointMs': 'numbers, all of them required',
  'ca.exportRecords': 'a query, which the store reads',
}

/** Parameters with these names, or taken apart, are options. */
const optionNames =
  /\b(?:options|given|givenOptions|fields|content|changes|limits|protection|policy|identity)\b|\{/

function parametersOf(callable: unknown, isClass: boolean): string {
  const source = Function.prototype.toString.call(callable)
  const at = isClass ? source.search(/\bconstructor\(/) : 0
  return at < 0 ? '' : (/\(((?:[^()]|\([^()]*\))*)\)/.exec(source.slice(at))?.[1] ?? '')
}

const isClass = (value: unknown): boolean => /^class\b/.test(Function.prototype.toString.call(value))

/** Everything public that has a parameter of that kind. */
function takersOfOptions(): string[] {
  const found: string[] = []
  const note = (name: string, callable: unknown, ofClass = false): void => {
    if (optionNames.test(parametersOf(callable, ofClass))) found.push(name)
  }
  for (const [layer, face] of Object.entries(layers))
    for (const [name, value] of Object.entries(face)) {
      if (typeof value !== 'function') continue
      note(`${layer}.${name}`, value, isClass(value))
      if (!isClass(value)) continue
      for (const [prefix, holder] of [
        ['.', value],
        ['#', (value as { readonly prototype: object }).prototype],
      ] as const)
        for (const [member, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(holder)))
          if (typeof method === 'function' && member !== 'constructor' && member !== 'prototype')
            note(`${layer}.${name}${prefix}${member}`, method)
    }
  return found
}

/** Options whose default grants more than what a caller may have meant, as in `{ id: config.peerId }`. */
const guards: Readonly<Record<string, readonly string[]>> = {
  'x509.PublicKey#checkStrength': ['minRsaBits'],
  'x509.buildCrl': ['deltaCrlIndicator', 'issuingDistributionPoint'],
  'validation.createPathValidator': ['peer', 'extendedKeyUsage', 'keyUsage', 'revocation', 'maxDepth'],
  'validation.PathValidator#verify': ['peer', 'extendedKeyUsage', 'keyUsage', 'revocation', 'checkIssuer'],
  'validation.createCrlChecker': ['maxAgeSeconds', 'clockSkewSeconds'],
  'validation.createOcspChecker': ['nonce', 'maxAgeSeconds', 'clockSkewSeconds'],
  'svid.X509SvidValidator': ['id', 'receipts', 'revocation', 'extendedKeyUsage', 'maxDepth'],
  'svid.X509SvidValidator#verify': ['id', 'revocation', 'extendedKeyUsage'],
  'svid.verifyJwtSvid': ['id', 'maxTtlSeconds', 'clockSkewSeconds'],
  'svid.createJwtVerifier': ['maxTtlSeconds', 'clockSkewSeconds'],
  'auth.ClientCertificateAuthenticator': ['revocation', 'id', 'maxDepth'],
  'auth.OidcAuthenticator': ['clockSkewSeconds', 'maxStaleSeconds'],
  'auth.KubernetesTokenAuthenticator': ['requirePod', 'maxTokenAgeSeconds', 'maxStaleSeconds'],
  'auth.ApiKeyAuthenticator': ['maxStaleSeconds'],
  'auth.JwtSvidAuthenticator': ['maxTtlSeconds', 'clockSkewSeconds'],
  'ca.createRootCertificate': ['trustDomain', 'pathLength', 'nameConstraints'],
  'ca.createIntermediateCertificate': ['trustDomain', 'pathLength', 'nameConstraints'],
  'ca.createLocalUpstream': ['maxTtlSeconds', 'pathLength', 'nameConstraints'],
  'policy.callerIdentityPolicy': ['maxTtlSeconds'],
  'issuance.createIssuanceService': ['policy', 'receipts', 'keyReuse'],
  'runtime.GuardedFetcher#fetch': ['contentTypes', 'maxBytes'],
  'auth.oidcRecipes.gitLabCi': ['url'],
  'secrets.createX509Source': ['bundles'],
  'secrets.createJwtSource': ['id', 'bundles', 'maxTtlSeconds'],
}

async function refusalOf(call: Call, extra: object): Promise<unknown> {
  try {
    await call(extra)
    return undefined
  } catch (error) {
    return error
  }
}

describe('options', () => {
  it.each(Object.entries(table))('%s refuses a key that it does not have', async (_name, call) => {
    // In order but for the key: a call that fails for another reason would show nothing.
    expect(await refusalOf(call, { noSuchOption: 1 })).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('noSuchOption'),
    })
  })

  it.each(Object.entries(guards).flatMap(([name, keys]) => keys.map((key) => [name, key] as const)))(
    '%s refuses undefined as %s',
    async (name, key) => {
      expect(await refusalOf(table[name]!, { [key]: undefined })).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(`the option ${key} is present but undefined`),
      })
    },
  )

  it.each(Object.entries(contracts))('contracts.%s refuses a key that it does not have', (_name, suite) => {
    expect(() => (suite as (given: object) => unknown)({ open: () => undefined, durabel: true })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('durabel') }),
    )
  })

  it('of trust domains refuse undefined as their policy', () => {
    const own = { trustDomain: 'a.org', policy: undefined as never }
    expect(() => new federation.TrustDomainRegistry({ own })).toThrow('policy')
    const registry = new federation.TrustDomainRegistry({ own: { trustDomain: 'a.org' } })
    const federated = { trustDomain: 'b.org', mode: 'mesh', policy: undefined as never } as const
    expect(() => registry.federate(federated as never)).toThrow('the option policy is present but undefined')
  })

  it.each<[string, object]>([
    ['an unknown limit', { budget: { signatureChecks: 1 } }],
    ['a limit that is undefined', { budget: { maxSignatureChecks: undefined } }],
    ['a limit that is no number', { budget: { maxCandidates: NaN } }],
    ['no object', { budget: 5 }],
    ['null', { budget: null }],
    ['a revocation checker that is none', { revocation: null }],
    ['a time that is none', { time: 0 }],
  ])('of validators are refused when the validator is made, and in each call: %s', (_what, given) => {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    for (const call of [
      () => validation.createPathValidator({ anchors: [root.certificate], ...given }),
      () => validator.verify(leaf, given),
      () => new svid.X509SvidValidator({ bundles: bundle, ...given }),
    ])
      expect(call).toThrow(refused)
  })

  it('are in the table wherever they are taken', () => {
    expect(
      takersOfOptions().filter((name) => !Object.hasOwn(table, name) && !Object.hasOwn(notOptions, name)),
    ).toEqual([])
  })
})
