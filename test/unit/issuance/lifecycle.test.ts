// Renewal and revocation by holders and administrators.

import { describe, expect, it } from 'vitest'
import { ClientCertificateAuthenticator } from '../../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../../src/issuance/issuance-service-options.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../../src/policy/index.ts'
import type { Logger } from '../../../src/runtime/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { anyIntent, issued } from '../../../src/testing/contracts/storage/storage-fixtures.ts'
import { generalName } from '../../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'
import { recordsOf, storedIn } from '../../support/storage.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const admin = callerOf('spiffe://example.org/admin')
const isAdministrator: IssuanceServiceOptions['isAdministrator'] = ({ identities }) =>
  identities[0]?.path === '/admin'

describe('createIssuanceService', () => {
  it('uses the storage of its authority, and refuses another', async () => {
    const { authority, issuance } = await testPki()
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    expect(await recordsOf(authority.storage.certificates)).toMatchObject([
      { serialNumber: certificate.serialNumber, state: 'issued', rule: 'caller-identity' },
    ])
    expect(createIssuanceService({ authority, storage: authority.storage })).toBeDefined()
    const other = { authority, storage: createMemoryStorage() }
    expect(() => createIssuanceService(other)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([{ polcy: {} }, { policy: undefined }, { logger: {} }, { metrics: { count: () => 0 } }])(
    'refuses the options %j',
    async (options) => {
      const { authority } = await testPki()
      expect(() => createIssuanceService({ authority, ...(options as object) })).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    },
  )

  it('refuses a request with an unknown option, or a key that is undefined', async () => {
    const { issuance } = await testPki()
    const { request: csr } = await newRequest()
    for (const wrong of [{ ttl: 60 }, { idempotencyKey: undefined }, { idempotencyKey: '' }])
      await expect(issuance.issue({ csr, ...(wrong as object) }, callerOf())).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
  })

  it('issues although logger and metrics throw', async () => {
    const broken = (): never => {
      throw new Error('the log is full')
    }
    const { issuance, authority } = await testPki('P-256', {
      logger: { debug: broken, info: broken, warn: broken, error: broken },
      metrics: { count: broken, gauge: broken, observe: broken },
    })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const [record] = await recordsOf(authority.storage.certificates)
    expect(record?.certificate).toEqual(new Uint8Array(certificate.der))
  })

  it('works with a copy of the request and of the caller', async () => {
    const { issuance } = await testPki()
    const { request } = await newRequest()
    const octets = Uint8Array.from(request.der)
    const caller = { ...callerOf(), identities: [workloadId] }
    const asked = issuance.issue({ csr: octets }, caller)
    octets.fill(0)
    caller.identities[0] = admin.identities[0]!
    const { certificate } = await asked
    expect(certificate.publicKey.equals(request.publicKey)).toBe(true)
    expect(certificate.subjectAltName).toEqual([{ type: 'uri', value: workloadId.toString() }])
  })

  it.each([
    { cut: 'nothing', caTtl: 86_400, ttlSeconds: 600, asks: {}, words: [] },
    {
      cut: 'the validity, by the end of the CA',
      caTtl: 7_200,
      ttlSeconds: 86_400,
      asks: {},
      words: [/^validity: shortened by the issuer to end at \S+Z \(requested: \S+Z\)$/],
    },
    {
      cut: 'a name and a CA by the policy, and the validity by the end of the CA',
      caTtl: 7_200,
      ttlSeconds: 86_400,
      asks: { basicConstraints: { ca: true }, subjectAltName: [generalName.dns('bank.example')] },
      words: [/CA/, /bank\.example/, /^validity: shortened by the issuer/],
    },
  ])('says in plan, answer and log what was cut: $cut', async ({ caTtl, ttlSeconds, asks, words }) => {
    const signer = await SoftwareSigner.generate('P-256')
    const trustDomain = 'example.org'
    const given = { subject: 'CN=root', trustDomain, ttlSeconds: caTtl }
    const certificate = await createRootCertificate(signer, given)
    const authority = createCertificateAuthority({ trustDomain, certificate, signer })
    const policy = callerIdentityPolicy({ trustDomain, excess: 'trim' })
    const lines: Parameters<Logger['info']>[] = []
    const ignore = (): void => undefined
    const logger = {
      debug: ignore,
      info: (...line: Parameters<Logger['info']>) => void lines.push(line),
      warn: ignore,
      error: ignore,
    }
    const issuance = createIssuanceService({ authority, policy, logger })
    const { request: csr } = await newRequest('P-256', { extensions: asks })
    const plan = await issuance.plan({ csr, ttlSeconds }, callerOf())
    const answer = await issuance.issue({ csr, ttlSeconds }, callerOf())
    expect(Object.isFrozen(answer)).toBe(true)
    for (const { trimmed } of [plan, answer]) {
      expect(trimmed).toHaveLength(words.length)
      expect(trimmed.every((text) => words.some((word) => word.test(text)))).toBe(true)
    }
    expect(answer.certificate.notAfterMs <= certificate.notAfterMs).toBe(true)
    expect(lines).toEqual([
      [
        expect.objectContaining({ trimmed: words.length === 0 ? undefined : answer.trimmed }),
        'certificate issued',
      ],
    ])
  })
})

describe('an idempotency key', () => {
  it('finds the first certificate, and counts for one identity and one key', async () => {
    const { issuance, authority } = await testPki()
    const { request: csr } = await newRequest()
    const request = { csr, idempotencyKey: 'deploy-1' }
    const first = await issuance.issue(request, callerOf())
    const second = await issuance.issue(request, callerOf())
    expect(second.certificate.serialNumber).toBe(first.certificate.serialNumber)
    expect(await recordsOf(authority.storage.certificates)).toHaveLength(1)
    const otherKey = { ...request, csr: (await newRequest()).request }
    await expect(issuance.issue(otherKey, callerOf())).rejects.toThrow(code('ERR_IDEMPOTENCY_KEY'))
    const other = await issuance.issue(request, callerOf('spiffe://example.org/other'))
    expect(other.certificate.serialNumber).not.toBe(first.certificate.serialNumber)
  })

  it('is refused once the first certificate has expired', async () => {
    const clock = new FakeClock(new Date())
    const { issuance } = await testPki('P-256', { clock })
    const request = { csr: (await newRequest()).request, idempotencyKey: 'deploy-1' }
    const { certificate } = await issuance.issue(request, callerOf())
    clock.setWallClock(new Date(certificate.notAfterMs + 999))
    const { certificate: again } = await issuance.issue(request, callerOf())
    expect(again.serialNumber).toBe(certificate.serialNumber)
    clock.setWallClock(new Date(certificate.notAfterMs + 1000))
    await expect(issuance.issue(request, callerOf())).rejects.toThrow(code('ERR_IDEMPOTENCY_KEY'))
  })
})

describe('a renewal', () => {
  it('is refused when the certificate is revoked while it is signed', async () => {
    const { authority, issuance } = await testPki()
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const store = authority.storage.certificates
    const racing = new Proxy(store, {
      get: (target, name) =>
        name === 'recordOutcome'
          ? async (...args: Parameters<typeof store.recordOutcome>) => {
              if ('certificate' in args[1])
                await issuance.revoke(certificate.serialNumber, 'keyCompromise', callerOf())
              return target.recordOutcome(...args)
            }
          : (Reflect.get(target, name) as () => void).bind(target),
    })
    const renewing = createIssuanceService({ authority: storedIn(authority, racing) })
    await expect(renewing.renew(certificate.serialNumber, { csr }, callerOf())).rejects.toThrow(
      code('ERR_RENEWAL_REFUSED'),
    )
    expect((await recordsOf(store)).map(({ state }) => state)).toEqual(['issued', 'failed'])
  })
})

describe('a revocation', () => {
  it('is heard by the authenticator of the same CA', async () => {
    const { authority, issuance } = await testPki()
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const authenticator = new ClientCertificateAuthenticator({ bundles: authority })
    const request = {
      transport: 'grpc',
      header: () => [],
      peer: undefined,
      tls: { presentedChain: [certificate], verifiedChain: [] },
      signal: new AbortController().signal,
    }
    expect((await authenticator.authenticate(request))?.identities).toEqual([workloadId])
    await issuance.revoke(certificate.serialNumber, 'keyCompromise', callerOf())
    await expect(authenticator.authenticate(request)).rejects.toThrow(
      code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'),
    )
  })

  it('takes a certificate without a record, if this CA has signed it', async () => {
    const { authority, issuance } = await testPki('P-256', { isAdministrator })
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const restored = storedIn(authority, createMemoryStorage().certificates)
    const service = createIssuanceService({ authority: restored, isAdministrator })
    const { serialNumber } = certificate
    await expect(service.revoke(serialNumber, 'keyCompromise', admin)).rejects.toThrow(
      code('ERR_CERTIFICATE_UNKNOWN'),
    )
    const foreign = await (await testPki()).issuance.issue({ csr }, callerOf())
    await expect(
      service.revoke(foreign.certificate.serialNumber, 'keyCompromise', admin, foreign as never),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const { certificate: unknown } = foreign
    await expect(
      service.revoke(unknown.serialNumber, 'keyCompromise', admin, { certificate: unknown }),
    ).rejects.toThrow(code('ERR_CERTIFICATE_UNKNOWN'))
    await service.revoke(serialNumber, 'keyCompromise', admin, { certificate })
    expect(await service.status(serialNumber)).toMatchObject({ state: 'revoked', identity: workloadId })
  })

  it('refuses what is no reference to a certificate, such as the certificate itself', async () => {
    const { issuance } = await testPki('P-256', { isAdministrator })
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const { serialNumber } = certificate
    const issuer = keyIdentifierOf(certificate.authorityKeyIdentifier!.keyIdentifier!)
    const lower = serialNumber.toLowerCase() + 'ab'
    const wrong = [certificate, undefined, null, 7, '', 'web', lower, { serialNumber }, { issuer }]
    for (const one of [...wrong, { issuer: 'CN=test', serialNumber }] as never[])
      for (const asked of [
        () => issuance.revoke(one, 'superseded', admin),
        () => issuance.release(one, admin),
        () => issuance.renew(one, { csr }, callerOf()),
        () => issuance.status(one),
      ])
        await expect(asked()).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await issuance.status({ issuer, serialNumber })).toMatchObject({ state: 'valid' })
  })

  it('takes a copy of the reference', async () => {
    const { authority, issuance } = await testPki('P-256', { isAdministrator })
    const { request: csr } = await newRequest()
    const [one, other] = [
      await issuance.issue({ csr }, callerOf()),
      await issuance.issue({ csr }, callerOf()),
    ]
    const issuer = keyIdentifierOf(authority.certificate.subjectKeyIdentifier!)
    const reference = { issuer, serialNumber: one.certificate.serialNumber }
    const revoked = issuance.revoke(reference, 'superseded', admin)
    reference.serialNumber = other.certificate.serialNumber
    await revoked
    expect(await issuance.status(one.certificate.serialNumber)).toMatchObject({ state: 'revoked' })
    expect(await issuance.status(other.certificate.serialNumber)).toMatchObject({ state: 'valid' })
  })

  it('on hold is released by an administrator, and by nobody else', async () => {
    const { issuance } = await testPki('P-256', { isAdministrator })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const { serialNumber } = certificate
    await expect(issuance.release(serialNumber, admin)).rejects.toThrow(code('ERR_STORE_CONFLICT'))
    await issuance.revoke(serialNumber, 'certificateHold', callerOf())
    await expect(issuance.release(serialNumber, callerOf())).rejects.toThrow(code('ERR_POLICY_DENIED'))
    await issuance.release(serialNumber, admin)
    expect(await issuance.status(serialNumber)).toMatchObject({ state: 'valid' })
  })

  it('blames the hook where isAdministrator throws', async () => {
    const { issuance } = await testPki('P-256', {
      isAdministrator: () => {
        throw new TypeError('bug')
      },
    })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    await expect(issuance.revoke(certificate.serialNumber, 'superseded', admin)).rejects.toThrow(
      code('ERR_POLICY_FAILED'),
    )
  })
})

describe('createMemoryStorage', () => {
  it('refuses a serial number that is taken, and a stale epoch', async () => {
    const { certificates, leases, crls } = createMemoryStorage()
    const one = await issued(certificates)
    await expect(certificates.recordIntent(anyIntent(one))).rejects.toThrow(code('ERR_SERIAL_EXISTS'))
    const lease = await leases.acquire('crl', 'a', 1000)
    await leases.release(lease!)
    const [issuer, at] = [keyIdentifierOf(new Uint8Array(20)), new Date()]
    const crl = { issuer, shard: '', number: 1n, crl: new Uint8Array(1), thisUpdate: at, nextUpdate: at }
    await expect(crls.publish(crl, { expectedNumber: undefined, fence: lease! })).rejects.toThrow(
      code('ERR_LEASE_STALE'),
    )
  })
})
