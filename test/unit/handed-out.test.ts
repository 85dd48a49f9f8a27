// What the package hands out does not share state with it: arrays and plain objects are frozen, all the way
// down, and dates and octets that are kept are copies.

import { describe, expect, it } from 'vitest'
import {
  ApiKeyAuthenticator,
  JoinTokenAuthenticator,
  createMemoryOneTimeStore,
} from '../../src/auth/index.ts'
import type { AuthenticationRequest } from '../../src/auth/index.ts'
import { planRotation, spireProfile, workloadProfile } from '../../src/ca/index.ts'
import { TrustDomainRegistry } from '../../src/federation/index.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../src/keys/index.ts'
import { callerIdentityPolicy, createRulePolicy } from '../../src/policy/index.ts'
import { metricNames } from '../../src/runtime/index.ts'
import { SpiffeId, TrustDomainAliases, istio, match } from '../../src/spiffe/index.ts'
import {
  JwtSvid,
  TrustBundleSet,
  X509Svid,
  X509SvidValidator,
  formatSpiffeBundle,
  issueJwtSvid,
  parseSpiffeBundle,
} from '../../src/svid/index.ts'
import { contracts } from '../../src/testing/index.ts'
import { validationProfiles, verifyPath } from '../../src/validation/index.ts'
import {
  Certificate,
  OcspCertificateId,
  OcspRequest,
  extensionOids,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import { callerOf, newRequest, testPki } from '../support/pki.ts'

const pki = await testPki()
const { issuance, authority, root } = pki
const { request: csr } = await newRequest()
const caller = callerOf()
const trustDomain = 'example.org'
const issued = await issuance.issue({ csr }, caller)
const store = authority.storage
const { items } = await store.certificates.query({})
const bundle = authority.trustBundle()
const ocsp = OcspRequest.of([OcspCertificateId.of(issued.certificate, root)])
const asked = { csr, ttlSeconds: undefined }
const with_ = (header: string, value: string): AuthenticationRequest => ({
  transport: 'test',
  header: (name) => (name === header ? [value] : []),
  peer: undefined,
  tls: undefined,
  signal: new AbortController().signal,
})
const apiKey = ApiKeyAuthenticator.generateKey()
const apiKeys = new ApiKeyAuthenticator({
  keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(apiKey), identities: ['spiffe://example.org/ci'] }],
})

const handedOut: Readonly<Record<string, () => unknown>> = {
  'a certificate and its chain': () => issued,
  'a plan': () => issuance.plan({ csr }, caller),
  'the status of a certificate': () => issuance.status(issued.certificate.serialNumber),
  'an authority': () => authority,
  'a prepared certificate': () =>
    authority.prepare(csr, { subjectAltName: [generalName.uri('spiffe://example.org/a')] }),
  'a list': () => authority.issueCrl(),
  'an answer of OCSP': () => authority.answerOcsp(ocsp.der),
  'a parsed certificate': () => Certificate.parse(issued.certificate.der),
  'an accepted path': () => verifyPath(issued.certificate, { anchors: [root] }),
  'a rejected path': () => verifyPath(issued.certificate, { anchors: [root], time: new Date(0) }),
  'an accepted SVID': () => new X509SvidValidator({ bundles: bundle }).verify([issued.certificate]),
  'an X.509-SVID': () => new X509Svid([issued.certificate]),
  'a JWT-SVID': async () => {
    const signer = await SoftwareSigner.generate('P-256')
    const fields = {
      id: 'spiffe://example.org/a',
      audience: ['x', 'y'],
      keyId: 'k',
      claims: { a: { b: [1] } },
    }
    return JwtSvid.parseUnverified((await issueJwtSvid(fields, signer)).token)
  },
  'a trust bundle': () => parseSpiffeBundle(formatSpiffeBundle(bundle), { trustDomain }),
  'a set of bundles': () => new TrustBundleSet([bundle]),
  'records of a store': () => store.certificates.query({}),
  'aliases of a trust domain': () => new TrustDomainAliases(trustDomain, ['old.example']),
  'a SPIFFE ID': () => SpiffeId.parse('spiffe://example.org/a/b'),
  'a registry': () => new TrustDomainRegistry({ own: { trustDomain, bundle } }).list(),
  'a plan of rotation': () => planRotation({ caTtlSeconds: 864_000, leafTtlSeconds: 3600 }),
  'a decision by identity': () => callerIdentityPolicy({ trustDomain }).decide(asked, caller),
  'a decision by rules': () =>
    createRulePolicy({ trustDomain, rules: [{ name: 'all', identity: '/**' }] }).decide(asked, caller),
  'the holder of an API key': () => apiKeys.authenticate(with_('x-api-key', apiKey)),
  'the holder of a join token': async () => {
    const joining = new JoinTokenAuthenticator({ store: createMemoryOneTimeStore() })
    const token = await joining.createToken({ identities: ['spiffe://example.org/a'], ttlSeconds: 60 })
    return joining.authenticate(with_('x-join-token', token))
  },
  constants: () =>
    Object.freeze({
      ...{ extensionOids, generalName, istio, keyPurposeOids, match, metricNames, contracts },
      ...{ spireProfile, validationProfiles, workloadProfile },
    }),
}

/** The places of arrays and plain objects that are not frozen, getters of classes included. */
function unfrozen(value: unknown, place: string, seen: Set<unknown> = new Set()): readonly string[] {
  if (typeof value !== 'object' || value === null || seen.has(value)) return []
  if (ArrayBuffer.isView(value) || value instanceof Date) return []
  seen.add(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === null || Array.isArray(value)
  const isOurs = isPlain || !/^(?:Map|Set|Promise|.*KeyObject|X509Certificate)$/.test(value.constructor.name)
  if (!isOurs) return []
  const keys = new Set([...Object.keys(value), ...(isPlain ? [] : gettersOf(prototype))])
  const inside = [...keys].flatMap((key) =>
    unfrozen((value as Readonly<Record<string, unknown>>)[key], `${place}.${key}`, seen),
  )
  return isPlain && !Object.isFrozen(value) ? [place, ...inside] : inside
}

function gettersOf(prototype: unknown): readonly string[] {
  const getters: string[] = []
  for (let of = prototype; of !== Object.prototype; of = Object.getPrototypeOf(of))
    for (const [key, { get }] of Object.entries(Object.getOwnPropertyDescriptors(of)))
      if (get) getters.push(key)
  return getters
}

describe('what is handed out', () => {
  it.each(Object.entries(handedOut))('%s is frozen', async (_name, make) => {
    const value: unknown = await make()
    expect(value).toBeDefined()
    expect(unfrozen(value, 'it')).toEqual([])
  })

  it('has dates of its own', async () => {
    const manager = new MemoryKeyManager()
    await manager.generateKey('a', 'P-256')
    const list = await authority.issueCrl()
    const dates: readonly (() => Promise<Date | undefined>)[] = [
      async () => list.thisUpdate,
      async () => list.nextUpdate,
      async () => issued.certificate.notAfter,
      async () => (await manager.listKeys())[0]?.created,
      async () => (await store.certificates.find(items[0]!))?.notAfter,
      async () => (await issuance.status(issued.certificate.serialNumber))?.notAfter,
    ]
    for (const read of dates) {
      const before = (await read())!.getTime()
      ;(await read())!.setTime(5)
      expect((await read())!.getTime()).toBe(before)
    }
  })

  it('has octets of its own where answers are kept', async () => {
    const kept = Uint8Array.from((await authority.answerOcsp(ocsp.der)).response)
    for (let i = 0; i < 3; i++) {
      const { response } = await authority.answerOcsp(ocsp.der)
      expect(response).toEqual(kept)
      response.fill(0)
    }
  })
})

it('an identity added to the holder of an API key is not that of the next request', async () => {
  const request = with_('x-api-key', apiKey)
  const first = await apiKeys.authenticate(request)
  expect(() => (first!.identities as SpiffeId[]).push(SpiffeId.parse('spiffe://example.org/admin'))).toThrow()
  expect((await apiKeys.authenticate(request))!.identities.map(String)).toEqual(['spiffe://example.org/ci'])
})
