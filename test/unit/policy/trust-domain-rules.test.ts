// The settings of a policy for the whole trust domain: names, keys, key usages, revocation.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../src/auth/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { createRulePolicy } from '../../../src/policy/index.ts'
import type { IssuanceDecision, PolicyDocument } from '../../../src/policy/index.ts'
import { buildCertificateRequest, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { CertificateRequest } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { isValid } from '../../support/json-schema.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'

const trustDomain = 'example.org'
const key = await SoftwareSigner.generate('P-256')
type Extensions = NonNullable<Parameters<typeof buildCertificateRequest>[0]['extensions']>
const asking = (extensions: Extensions): Promise<CertificateRequest> =>
  buildCertificateRequest({ extensions }, key)
const plain = await asking({})

const services = {
  name: 'services',
  identity: '/ns/{ns}/sa/{sa}',
  dnsNames: ['{sa}.example'],
  ipAddresses: ['10.1.0.0/16', 'fd00::/8'],
} as const
const decide = (
  rest: Partial<PolicyDocument>,
  { csr = plain, caller = callerOf() }: { csr?: CertificateRequest; caller?: Caller } = {},
): IssuanceDecision =>
  createRulePolicy({ trustDomain, rules: [services], ...rest }).decide(
    { csr, ttlSeconds: undefined },
    caller,
  ) as IssuanceDecision

describe('names', () => {
  const asked = async (...addresses: string[]): Promise<CertificateRequest> =>
    asking({ subjectAltName: [generalName.dns('api.example'), ...addresses.map((ip) => generalName.ip(ip))] })

  it('IP addresses are granted by the networks of a rule', async () => {
    for (const address of ['10.1.255.7', 'fd12::1'])
      expect(decide({}, { csr: await asked(address) })).toMatchObject({ allowed: true })
    for (const address of ['10.2.0.1', 'fe80::1'])
      expect(decide({}, { csr: await asked(address) })).toMatchObject({
        allowed: false,
        code: 'ERR_CSR_SAN_FOREIGN',
      })
    const denying = [services, { ...services, name: 'not', effect: 'deny', networks: ['192.0.2.1'] } as const]
    const others = [
      { name: 'other', identity: '/ns/prod/sa/api' },
      { ...services, identity: '/ns/x/sa/{sa}' },
    ]
    for (const rules of [others, [others[0]!, denying[1]!]])
      expect(decide({ rules }, { csr: await asked('10.1.0.1') }).allowed).toBe(false)
  })

  it('of a kind that the trust domain does not have are refused, or left out', async () => {
    const csr = await asked('10.1.0.1')
    expect(decide({ sanKinds: ['dns', 'ip'] }, { csr })).toMatchObject({ allowed: true })
    for (const sanKinds of [['dns'], ['ip'], []] as const)
      expect(decide({ sanKinds }, { csr })).toMatchObject({ allowed: false, code: 'ERR_CSR_SAN_FOREIGN' })
    expect(decide({ sanKinds: ['dns'], excess: 'trim' }, { csr })).toMatchObject({
      content: { subjectAltName: [{ type: 'uri' }, { type: 'dns', value: 'api.example' }] },
      trimmed: [expect.stringContaining('10.1.0.1')],
    })
  })
})

describe('keys', () => {
  const requestOf = async (algorithm: KeyAlgorithm): Promise<CertificateRequest> =>
    (await newRequest(algorithm)).request

  it('of another algorithm are refused', async () => {
    const [p256, ed25519] = [await requestOf('P-256'), await requestOf('Ed25519')]
    const keyAlgorithms = ['P-256', 'RSA']
    expect(decide({ keyAlgorithms }, { csr: p256 })).toMatchObject({ allowed: true })
    expect(decide({ keyAlgorithms }, { csr: ed25519 })).toMatchObject({
      allowed: false,
      rule: 'key-algorithms',
      code: 'ERR_POLICY_DENIED',
      reason: 'the key is Ed25519; allowed: P-256, RSA',
    })
    // What a trust domain does not accept is not trimmed: there is no other key.
    expect(decide({ keyAlgorithms, excess: 'trim' }, { csr: ed25519 })).toMatchObject({ allowed: false })
    expect(decide({ keyAlgorithms: [] }, { csr: p256 })).toMatchObject({ allowed: false })
  })

  it('of RSA have a minimum of bits', async () => {
    const [rsa, p256] = [await requestOf('RSA-2048'), await requestOf('P-256')]
    expect(decide({ minRsaBits: 2048 }, { csr: rsa })).toMatchObject({ allowed: true })
    expect(decide({ minRsaBits: 3072 }, { csr: rsa })).toMatchObject({
      rule: 'key-algorithms',
      reason: 'the RSA key has 2048 bits; the minimum is 3072',
    })
    expect(decide({ minRsaBits: 4096 }, { csr: p256 })).toMatchObject({ allowed: true })
  })
})

describe('key usages', () => {
  const { serverAuth, clientAuth, codeSigning } = keyPurposeOids
  const ours = { keyUsage: ['digitalSignature'], extendedKeyUsage: [serverAuth, clientAuth] } as const
  const more = {
    keyUsage: ['digitalSignature', 'keyAgreement'],
    extendedKeyUsage: [clientAuth, codeSigning, '1.2.3'],
  }
  const limits = { keyUsages: ['digitalSignature'], extendedKeyUsages: ['clientAuth', serverAuth] }

  it('that the trust domain does not have are refused by name', async () => {
    expect(decide(limits, { csr: await asking(ours as never) })).toMatchObject({ allowed: true, trimmed: [] })
    expect(decide(limits)).toMatchObject({ allowed: true })
    const csr = await asking(more as never)
    expect(decide({}, { csr })).toMatchObject({ allowed: true, trimmed: [] })
    expect(decide(limits, { csr })).toEqual({
      allowed: false,
      rule: 'key-usages',
      code: 'ERR_CSR_EXTENSION',
      reason:
        'the request asks for the key usage keyAgreement, the extended key usage codeSigning, ' +
        'the extended key usage 1.2.3',
    })
    expect(decide({ extendedKeyUsages: ['1.2.3', 'codeSigning', 'clientAuth'] }, { csr })).toMatchObject({
      allowed: true,
    })
  })

  it('are named up to 20', async () => {
    const extendedKeyUsage = Array.from({ length: 30 }, (_, i) => `1.2.3.${i}`)
    const decision = decide({ extendedKeyUsages: [] }, { csr: await asking({ extendedKeyUsage } as never) })
    if (decision.allowed) throw new Error('allowed')
    expect(decision.reason.match(/1\.2\.3\./g)).toHaveLength(20)
  })

  it('are left out where the policy says trim, and plan says so', async () => {
    const { authority } = await testPki()
    const policy = createRulePolicy({ trustDomain, rules: [services], excess: 'trim', ...limits })
    await using service = createIssuanceService({ authority, policy })
    const csr = await asking(more as never)
    const left = [
      'the key usage keyAgreement',
      'the extended key usage codeSigning',
      'the extended key usage 1.2.3',
    ]
    const trimmed = left.map((usage) => `${usage} is omitted`)
    expect(await service.plan({ csr }, callerOf())).toMatchObject({ rule: 'services', trimmed })
    const { certificate } = await service.issue({ csr }, callerOf())
    expect(certificate.extendedKeyUsage).toEqual([serverAuth, clientAuth])
    const strict = createRulePolicy({ trustDomain, rules: [services], ...limits })
    await using refusing = createIssuanceService({ authority, policy: strict })
    await expect(refusing.plan({ csr }, callerOf())).rejects.toEqual(code('ERR_CSR_EXTENSION'))
  })
})

describe('revocation', () => {
  const checked = { revocation: { clientCertificates: 'checked' } } as const
  const by = (credential: string, claims: Caller['claims']): { caller: Caller } => ({
    caller: { ...callerOf(), credential, claims },
  })

  it.each<[string, Caller['claims'], boolean]>([
    ['x509', { revocation: 'checked' }, true],
    ['x509', { revocation: 'unchecked' }, false],
    ['x509', {}, false],
    ['oidc', {}, true],
    ['x509+oidc', { 'client-certificate': { revocation: 'checked' }, oidc: {} }, true],
    ['oidc+x509', { 'x509-svid': { revocation: 'checked' }, oidc: {} }, true],
    // A token must not speak for the certificate beside it.
    [
      'x509+oidc',
      { 'client-certificate': {}, oidc: { revocation: 'checked' }, revocation: 'checked' },
      false,
    ],
    ['x509+oidc', { 'client-certificate': null }, false],
  ])('a caller by %s with the claims %j', (credential, claims, allowed) => {
    expect(decide(checked, by(credential, claims)).allowed).toBe(allowed)
    expect(decide({}, by(credential, claims)).allowed).toBe(true)
    expect(decide({ revocation: { clientCertificates: 'any' } }, by(credential, claims)).allowed).toBe(true)
  })

  it('a renewal revokes its predecessor where the policy says so, and can be repeated', async () => {
    const { authority } = await testPki()
    const policyOf = (onRenewal: 'keep' | 'revoke') =>
      createRulePolicy({ trustDomain, rules: [services], revocation: { onRenewal } })
    await using keeping = createIssuanceService({ authority, policy: policyOf('keep') })
    await using revoking = createIssuanceService({ authority, policy: policyOf('revoke') })
    const first = (await revoking.issue({ csr: plain }, callerOf())).certificate.serialNumber
    const second = (await keeping.renew(first, { csr: plain }, callerOf())).certificate.serialNumber
    expect(await keeping.status(first)).toMatchObject({ state: 'valid' })
    const third = (await revoking.renew(second, { csr: plain }, callerOf())).certificate.serialNumber
    expect(await revoking.status(second)).toMatchObject({
      state: 'revoked',
      revocation: { reason: 'superseded' },
    })
    expect(await revoking.status(third)).toMatchObject({ state: 'valid' })
    expect(await revoking.status(first)).toMatchObject({ state: 'valid' })
    await expect(revoking.renew(second, { csr: plain }, callerOf())).rejects.toEqual(
      code('ERR_RENEWAL_REFUSED'),
    )

    // The store fails once at the revocation: the same renewal completes it.
    const { certificates } = authority.storage
    let isDown = true
    const storage = {
      ...authority.storage,
      certificates: new Proxy(certificates, {
        get: (store, name) =>
          name === 'revoke' && isDown
            ? () => Promise.reject(new Error('down'))
            : (Reflect.get(store, name) as () => unknown).bind(store),
      }),
    }
    const proxied = new Proxy(authority, {
      get: (target, name) => {
        const value: unknown = name === 'storage' ? storage : Reflect.get(target, name)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
    await using unsure = createIssuanceService({ authority: proxied, policy: policyOf('revoke') })
    const request = { csr: plain, idempotencyKey: 'once' }
    await expect(unsure.renew(third, request, callerOf())).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect(await revoking.status(third)).toMatchObject({ state: 'valid' })
    isDown = false
    const fourth = (await unsure.renew(third, request, callerOf())).certificate.serialNumber
    expect(await revoking.status(third)).toMatchObject({ state: 'revoked' })
    expect(await revoking.status(fourth)).toMatchObject({ state: 'valid', renews: { serialNumber: third } })
    // The answer was lost, and what was renewed is revoked: the same request gets it, and no other.
    const again = (await unsure.renew(third, request, callerOf())).certificate.serialNumber
    expect(again).toBe(fourth)
    for (const idempotencyKey of ['another', undefined]) {
      const other = { csr: plain, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
      await expect(unsure.renew(third, other, callerOf())).rejects.toEqual(code('ERR_RENEWAL_REFUSED'))
    }
  })
})

describe('a document', () => {
  const schema = JSON.parse(
    readFileSync(new URL('../../../docs/policy.schema.json', import.meta.url), 'utf8'),
  ) as Readonly<Record<string, unknown>>

  it.each<Partial<PolicyDocument>>([
    {},
    { sanKinds: [] },
    { sanKinds: ['dns', 'ip'], keyAlgorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'RSA-PSS', 'Ed25519'] },
    { minRsaBits: 2048 },
    { minRsaBits: 4096, keyUsages: ['digitalSignature', 'keyEncipherment'] },
    { extendedKeyUsages: ['serverAuth', 'any', '1.3.6.1.4.1.311.10.3.4'] },
    { revocation: {} },
    { revocation: { clientCertificates: 'checked', onRenewal: 'revoke' } },
    { rules: [{ ...services, keyAlgorithms: ['RSA'] }] },
  ])('with %j is taken, and is valid by the schema', (settings) => {
    const document = { trustDomain, rules: [services], ...settings }
    expect(() => createRulePolicy(document)).not.toThrow()
    expect(isValid(schema, document)).toBe(true)
  })

  it.each<[string, object]>([
    ['policy.sanKinds[0]: expected dns, ip', { sanKinds: ['email'] }],
    ['policy.sanKinds[0]: expected dns, ip', { sanKinds: ['uri'] }],
    ['policy.sanKinds: expected a list', { sanKinds: 'dns' }],
    ['policy.keyAlgorithms[1]: expected P-256,', { keyAlgorithms: ['RSA', 'P256'] }],
    ['policy.minRsaBits: expected 2048, 3072 or 4096; found 1024', { minRsaBits: 1024 }],
    ['policy.minRsaBits: expected a whole number', { minRsaBits: '3072' }],
    ['policy.keyUsages[0]: expected digitalSignature,', { keyUsages: ['nonRepudiation'] }],
    ['policy.keyUsages[0]: expected digitalSignature,', { keyUsages: ['keyCertSign'] }],
    ['policy.extendedKeyUsages[0]: expected any, serverAuth,', { extendedKeyUsages: ['server'] }],
    ['policy.extendedKeyUsages[0]: expected any, serverAuth,', { extendedKeyUsages: ['toString'] }],
    ['policy.extendedKeyUsages[0]: expected any, serverAuth,', { extendedKeyUsages: ['3.1'] }],
    ['policy.extendedKeyUsages[0]: expected any, serverAuth,', { extendedKeyUsages: [1] }],
    ['policy.revocation: expected an object', { revocation: 'checked' }],
    ['policy.revocation.mode: unknown', { revocation: { mode: 'hard-fail' } }],
    [
      'policy.revocation.clientCertificates: expected any, checked',
      { revocation: { clientCertificates: true } },
    ],
    ['policy.revocation.onRenewal: expected keep, revoke', { revocation: { onRenewal: 'supersede' } }],
    [
      'policy.rules[0].keyAlgorithms[0]: expected P-256,',
      { rules: [{ ...services, keyAlgorithms: ['P256'] }] },
    ],
    ['policy.rules[0].ipAddresses[0]: ', { rules: [{ ...services, ipAddresses: ['ten'] }] }],
  ])('is refused with %s', (message, settings) => {
    const document = { trustDomain, rules: [services], ...settings }
    expect(() => createRulePolicy(document as PolicyDocument)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(message) }),
    )
    expect(isValid(schema, document)).toBe(false)
  })
})
