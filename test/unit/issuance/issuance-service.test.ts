// The issuance service: decision, signing, records, events.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { callerIdentityPolicy } from '../../../src/policy/index.ts'
import type { IssuancePolicy } from '../../../src/policy/index.ts'
import {
  DistinguishedName,
  PublicKey,
  buildCertificateRequest,
  generalName,
  keyPurposeOids,
  parseSerialNumber,
  CertificateRequest,
  Crl,
} from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import type { encodeExtension } from '../../../src/x509/internal.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'
import { recordsOf, storedIn } from '../../support/storage.ts'

const code = (value: string) => expect.objectContaining({ code: value })

/** A signer over a key that the package would not make. */
function oddSigner(type: 'rsa1024' | 'secp224r1' | 'explicit'): Signer {
  const privateKey =
    type === 'rsa1024'
      ? generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
      : generateKeyPairSync('ec', {
          namedCurve: type === 'explicit' ? 'P-256' : 'secp224r1',
          ...(type === 'explicit' ? { paramEncoding: 'explicit' as const } : {}),
        }).privateKey
  const { sign } = process.getBuiltinModule('node:crypto')
  return {
    id: type,
    publicKey: PublicKey.from(privateKey),
    signatureAlgorithm: type === 'rsa1024' ? 'sha256WithRSAEncryption' : 'ecdsa-with-SHA256',
    sign: (data) =>
      sign('sha256', data, createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))),
  }
}

describe('issue', () => {
  it('gives the leaf of the profile', async () => {
    const { issuance, root } = await testPki()
    const { request } = await newRequest()
    const { certificate, chain, roots } = await issuance.issue({ csr: request.toPem() }, callerOf())
    expect(certificate.subject.isEmpty).toBe(true)
    expect(certificate.subjectAltName).toEqual([{ type: 'uri', value: workloadId.toString() }])
    expect(certificate.extension('2.5.29.17')?.critical).toBe(true)
    expect(certificate.keyUsage?.names).toEqual(['digitalSignature'])
    expect(certificate.extendedKeyUsage).toEqual([keyPurposeOids.serverAuth, keyPurposeOids.clientAuth])
    expect(certificate.basicConstraints).toEqual({ ca: false, pathLength: undefined })
    expect(certificate.notAfterMs - certificate.notBeforeMs).toBe((86_400 + 120) * 1000)
    expect(certificate.serialNumberBytes).toHaveLength(17)
    expect([chain, roots]).toEqual([[], [root]])
    expect(certificate.verifySignatureBy(root.publicKey)).toBe(true)
  })

  it('never gives a serial number twice', async () => {
    const { issuance } = await testPki()
    const { request } = await newRequest()
    const serials = new Set<string>()
    for (let i = 0; i < 600; i++)
      serials.add((await issuance.issue({ csr: request }, callerOf())).certificate.serialNumber)
    expect(serials.size).toBe(600)
  })

  it('never outlives the CA', async () => {
    const { issuance, root } = await testPki()
    const { request } = await newRequest()
    expect(
      (await issuance.issue({ csr: request, ttlSeconds: 90 * 86_400 }, callerOf())).certificate.notAfterMs,
    ).toBeLessThanOrEqual(root.notAfterMs)
  })

  const san = (...names: Parameters<typeof encodeExtension>[] | ReturnType<typeof generalName.dns>[]) => ({
    extensions: { subjectAltName: names as ReturnType<typeof generalName.dns>[] },
  })
  it.each([
    {
      what: 'over 64 KiB',
      csr: async () =>
        (
          await newRequest('P-256', {
            extensions: { other: [{ oid: '1.2.3.4', critical: false, value: new Uint8Array(70_000) }] },
          }).catch((error: unknown) => {
            throw error
          })
        ).request,
      wanted: 'ERR_CSR_TOO_LARGE',
    },
    {
      what: 'PEM over the limit',
      csr: async () =>
        `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(200_000)}\n-----END CERTIFICATE REQUEST-----\n`,
      wanted: 'ERR_CSR_TOO_LARGE',
    },
    { what: 'PEM of another label', csr: async () => (await testPki()).root.toPem(), wanted: 'ERR_PEM' },
    { what: 'bytes that are none', csr: async () => Uint8Array.of(0x30, 0), wanted: 'ERR_DER' },
    {
      what: 'a bad signature',
      csr: async () => {
        const der = (await newRequest()).request.der.slice()
        der[der.length - 1]! ^= 1
        return der
      },
      wanted: 'ERR_CSR_SIGNATURE',
    },
    {
      what: 'RSA of 1024 bits',
      csr: async () => buildCertificateRequest({}, oddSigner('rsa1024')),
      wanted: 'ERR_KEY_WEAK',
    },
    {
      what: 'P-224',
      csr: async () => buildCertificateRequest({}, oddSigner('secp224r1')),
      wanted: 'ERR_KEY_UNSUPPORTED',
    },
    {
      what: 'explicit EC parameters',
      csr: async () => buildCertificateRequest({}, oddSigner('explicit')),
      wanted: 'ERR_KEY_EXPLICIT_PARAMETERS',
    },
    {
      what: 'a request for a CA',
      csr: async () =>
        (await newRequest('P-256', { extensions: { basicConstraints: { ca: true } } })).request,
      wanted: 'ERR_CSR_CA_REQUESTED',
    },
    {
      what: "a request for a CA's key usage",
      csr: async () => (await newRequest('P-256', { extensions: { keyUsage: ['keyCertSign'] } })).request,
      wanted: 'ERR_CSR_CA_REQUESTED',
    },
    {
      what: 'a foreign SPIFFE ID',
      csr: async () =>
        (await newRequest('P-256', san(generalName.uri('spiffe://example.org/ns/prod/sa/admin')))).request,
      wanted: 'ERR_CSR_SAN_FOREIGN',
    },
    {
      what: 'a foreign DNS name',
      csr: async () => (await newRequest('P-256', san(generalName.dns('bank.example')))).request,
      wanted: 'ERR_CSR_SAN_FOREIGN',
    },
    {
      what: 'an extension that is not given',
      csr: async () =>
        (
          await newRequest('P-256', {
            extensions: { nameConstraints: { permitted: [generalName.dns('x')] } },
          })
        ).request,
      wanted: 'ERR_CSR_EXTENSION',
    },
    {
      what: "the CA's own key",
      csr: async (signer: SoftwareSigner) => buildCertificateRequest({}, signer),
      wanted: 'ERR_LINT',
    },
  ])('refuses a request: $what', async ({ csr, wanted }) => {
    const pki = await testPki()
    await expect(
      (async () => pki.issuance.issue({ csr: await csr(pki.signer) }, callerOf()))(),
    ).rejects.toThrow(code(wanted))
  })

  it.each([[91 * 86_400], [0], [-1], [1.5], [Number.NaN], [Infinity]])(
    'refuses a validity of %s s',
    async (ttlSeconds) => {
      const { issuance } = await testPki()
      await expect(
        issuance.issue({ csr: (await newRequest()).request, ttlSeconds }, callerOf()),
      ).rejects.toThrow(code('ERR_TTL'))
    },
  )

  it.each([
    { callers: ['spiffe://other.example/x'], wanted: 'ERR_POLICY_TRUST_DOMAIN' },
    { callers: ['spiffe://example.org/a', 'spiffe://example.org/b'], wanted: 'ERR_POLICY_IDENTITY' },
  ])('refuses a caller: $wanted', async ({ callers, wanted }) => {
    const { issuance } = await testPki()
    await expect(issuance.issue({ csr: (await newRequest()).request }, callerOf(...callers))).rejects.toThrow(
      code(wanted),
    )
  })

  it('takes the one of several identities that the request names', async () => {
    const { issuance } = await testPki()
    const { request } = await newRequest('P-256', san(generalName.uri('spiffe://example.org/b')))
    const { certificate } = await issuance.issue(
      { csr: request },
      callerOf('spiffe://example.org/a', 'spiffe://example.org/b'),
    )
    expect(certificate.subjectAltName).toEqual([{ type: 'uri', value: 'spiffe://example.org/b' }])
  })

  it('trims where the policy says so, and says what', async () => {
    const { authority } = await testPki()
    const issuance = createIssuanceService({
      authority,
      policy: callerIdentityPolicy({ trustDomain: authority.trustDomain, excess: 'trim' }),
    })
    const { request } = await newRequest('P-256', {
      extensions: { basicConstraints: { ca: true }, subjectAltName: [generalName.dns('bank.example')] },
    })
    const plan = await issuance.plan({ csr: request }, callerOf())
    expect(plan.trimmed).toHaveLength(2)
    expect(plan.content.subjectAltName).toEqual([{ type: 'uri', value: workloadId.toString() }])
  })

  it.each([
    {
      asked: () => 'CN=admin,O=Evil',
      said: `CN=admin,O=Evil; the certificate has CN=${workloadId.toString()}`,
    },
    { asked: () => 'O=Example', said: 'O=Example; the certificate has none' },
    { asked: () => `CN=${workloadId.toString()}`, said: undefined },
    {
      asked: () => DistinguishedName.fromDer(Buffer.from('300c310a3008060355040313012a', 'hex')),
      said: /^\(which cannot be read/,
    },
    {
      // a, U+202E, b: the rest of the line would be shown from right to left.
      asked: () => DistinguishedName.fromDer(Buffer.from('3010310e300c06035504030c0561e280ae62', 'hex')),
      said: /^CN=a\\u\{202e\}b; the certificate/,
    },
    {
      asked: () => `O=${'x'.repeat(64)},OU=${'y'.repeat(64)},L=${'z'.repeat(99)}`,
      said: /^O=x{64},OU=y{64},L=z{60,65}…; the/,
    },
  ])(
    'says of a requested subject that the certificate has another: $said',
    async ({ asked, said: wanted }) => {
      const subject = asked()
      const { issuance } = await testPki()
      const csr = await buildCertificateRequest({ subject }, await SoftwareSigner.generate('P-256'))
      const { trimmed } = await issuance.plan({ csr }, callerOf())
      const start = 'the request asks for the subject '
      const text = wanted instanceof RegExp ? expect.stringMatching(wanted) : wanted
      expect(trimmed.map((one) => (one.startsWith(start) ? one.slice(start.length) : one))).toEqual(
        wanted === undefined ? [] : [text],
      )
      expect((await issuance.issue({ csr }, callerOf())).trimmed).toEqual(trimmed)
    },
  )

  it('does nothing for a caller that is gone', async () => {
    const { issuance } = await testPki()
    await expect(
      issuance.issue({ csr: (await newRequest()).request, signal: AbortSignal.abort() }, callerOf()),
    ).rejects.toThrow(code('ERR_ABORTED'))
  })

  it('lets no wrong signature out, and records the failure', async () => {
    const pki = await testPki()
    const store = new MemoryCertificateStore()
    const other = await SoftwareSigner.generate('P-256')
    const lying: Signer = {
      id: 'lying',
      publicKey: pki.signer.publicKey,
      signatureAlgorithm: 'ecdsa-with-SHA256',
      sign: (data) => other.sign(data),
    }
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: pki.root,
      signer: lying,
    })
    const issuance = createIssuanceService({ authority: storedIn(authority, store) })
    await expect(issuance.issue({ csr: (await newRequest()).request }, callerOf())).rejects.toThrow(
      code('ERR_CA_SIGNATURE'),
    )
    const [record] = await recordsOf(store)
    expect(await issuance.status(record!.serialNumber)).toMatchObject({ state: 'failed' })
    await expect(
      issuance.renew(record!.serialNumber, { csr: (await newRequest()).request }, callerOf()),
    ).rejects.toThrow(code('ERR_RENEWAL_REFUSED'))
  })
})

it.each([0, 2])('a policy that allows %s URIs is named', async (count) => {
  const names = [generalName.uri(workloadId.toString()), generalName.uri('spiffe://example.org/other')]
  const content = { subjectAltName: names.slice(0, count) }
  const { issuance } = await testPki('P-256', {
    policy: { decide: () => ({ allowed: true, rule: 'x', content, trimmed: [] }) },
  })
  const issued = issuance.issue({ csr: (await newRequest()).request }, callerOf())
  await expect(issued).rejects.toThrow(`content.subjectAltName has ${count} URIs; expected exactly one`)
})

describe('a caller', () => {
  const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
  const allowed = { allowed: true, rule: 'x', content, trimmed: [] } as const

  it.each([
    {
      what: 'that is gone',
      gone: true,
      csr: async () => (await newRequest()).request,
      wanted: 'ERR_ABORTED',
    },
    {
      what: 'with a weak key',
      gone: false,
      csr: () => buildCertificateRequest({}, oddSigner('rsa1024')),
      wanted: 'ERR_KEY_WEAK',
    },
  ])('$what has no policy asked', async ({ gone, csr, wanted }) => {
    let asked = 0
    const store = new MemoryCertificateStore()
    const { issuance } = await testPki('P-256', {
      store,
      policy: {
        decide: () => {
          asked++
          return allowed
        },
      },
    })
    await expect(
      issuance.issue({ csr: await csr(), ...(gone ? { signal: AbortSignal.abort() } : {}) }, callerOf()),
    ).rejects.toThrow(code(wanted))
    expect([asked, await recordsOf(store)]).toEqual([0, []])
  })

  it.each([false, true])(
    'that left while the policy decided has nothing on record, the answer coming later: %s',
    async (later) => {
      const gone = new AbortController()
      const store = new MemoryCertificateStore()
      const { issuance } = await testPki('P-256', {
        store,
        policy: {
          decide: () => {
            gone.abort()
            return later ? Promise.resolve(allowed) : allowed
          },
        },
      })
      await expect(
        issuance.issue({ csr: (await newRequest()).request, signal: gone.signal }, callerOf()),
      ).rejects.toThrow(code('ERR_ABORTED'))
      expect(await recordsOf(store)).toEqual([])
    },
  )

  it('is counted by what became of it', async () => {
    const counts: unknown[] = []
    const { issuance } = await testPki('P-256', {
      metrics: {
        count: (...args) => void counts.push(args),
        gauge: () => undefined,
        observe: () => undefined,
      },
    })
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf())
    await expect(issuance.issue({ csr }, callerOf('spiffe://other.example/x'))).rejects.toThrow(
      code('ERR_POLICY_TRUST_DOMAIN'),
    )
    expect(counts).toEqual([
      ['certificates_issued', { trust_domain: 'example.org', namespace: 'prod', service_account: 'api' }],
      ['certificates_revoked', { reason: 'superseded' }],
      ['certificates_refused', { rule: 'trust-domain' }],
      ['certificates_failed', { code: 'ERR_POLICY_TRUST_DOMAIN' }],
      ['csr_errors_total', { error_type: 'ERR_POLICY_TRUST_DOMAIN', trust_domain: 'example.org' }],
    ])
  })

  it('is measured: how many are in progress, and how long each took', async () => {
    const seen: unknown[] = []
    const { issuance } = await testPki('P-256', {
      metrics: {
        count: () => undefined,
        gauge: (...args) => void seen.push(args),
        // Calls of the store are measured by its own tests.
        observe: (name, seconds) => {
          if (name !== 'store_call_duration_seconds') seen.push([name, seconds >= 0])
        },
      },
    })
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    await issuance.renew(certificate.serialNumber, { csr }, callerOf())
    expect(seen).toEqual([
      ['issuance_requests_in_progress', 1],
      ['issuance_requests_in_progress', 0],
      ['csr_processing_duration_seconds', true],
      ['issuance_requests_in_progress', 1],
      ['issuance_requests_in_progress', 0],
      ['certificate_rotation_duration_seconds', true],
    ])
  })

  it('that revokes gets its answer when the list is published, where that is asked for', async () => {
    const { authority, issuance } = await testPki('P-256', { publishRevocations: true })
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf())
    const [stored] = await authority.storage.crls.list()
    expect(Crl.parse(stored!.crl).has(certificate.serialNumber)).toBe(true)
  })

  it('is answered where the list of what it replaces cannot be published: nothing else is left', async () => {
    const { authority } = await testPki()
    const proxied = new Proxy(authority, {
      get: (target, name) => {
        if (name === 'issueCrls') return () => Promise.reject(new Error('the token is away'))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
    const lines: string[] = []
    const logger = {
      ...{ debug: () => undefined, info: () => undefined, warn: () => undefined },
      error: (_fields: object, message: string) => void lines.push(message),
    }
    const allowed = callerIdentityPolicy({ trustDomain: 'example.org' })
    const decide: IssuancePolicy['decide'] = async (...asked) => {
      const decision = await allowed.decide(...asked)
      return decision.allowed ? { ...decision, revokesRenewed: true } : decision
    }
    const options = { authority: proxied, policy: { decide }, publishRevocations: true, logger }
    await using issuance = createIssuanceService(options)
    const { request: csr } = await newRequest()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const renewed = await issuance.renew(certificate.serialNumber, { csr }, callerOf())
    expect(await issuance.status(renewed.certificate.serialNumber)).toMatchObject({ state: 'valid' })
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'revoked' })
    expect(lines).toEqual(['revoked by its renewal, but no CRL with it could be published'])
    await expect(issuance.revoke(renewed.certificate.serialNumber, 'superseded', callerOf())).rejects.toThrow(
      'the token is away',
    )
  })
})

describe('the authority', () => {
  it('signs prepared bytes once, and those of no other CA', async () => {
    const [mine, other] = [await testPki(), await testPki()]
    const { request: csr } = await newRequest()
    const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
    const prepared = await mine.authority.prepare(csr, content)
    await expect(other.authority.sign(prepared)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect((await mine.authority.sign(prepared)).certificate.tbs).toEqual(prepared.tbs)
    await expect(mine.authority.sign(prepared)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(mine.authority.sign({ ...prepared })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('takes no request that proves nothing, and nothing else for one', async () => {
    const { authority } = await testPki()
    const { request } = await newRequest()
    const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
    const forged = request.der.slice()
    forged[forged.length - 1]! ^= 1
    await expect(authority.prepare(CertificateRequest.parse(forged), content)).rejects.toThrow(
      code('ERR_CSR_SIGNATURE'),
    )
    const like = { ...request } as never
    await expect(authority.prepare(like, content)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([
    { what: 'no name at all', names: [] },
    {
      what: 'two URIs',
      names: [generalName.uri('spiffe://example.org/a'), generalName.uri('spiffe://example.org/b')],
    },
    { what: 'a URI that is no SPIFFE ID', names: [generalName.uri('https://example.org/a')] },
    { what: 'an ID without a path', names: [generalName.uri('spiffe://example.org')] },
    { what: 'an ID of another trust domain', names: [generalName.uri('spiffe://other.example/a')] },
    {
      what: 'a DNS name that is none',
      names: [generalName.uri('spiffe://example.org/a'), generalName.dns('a..b')],
    },
    {
      what: 'an email address',
      names: [generalName.uri('spiffe://example.org/a'), generalName.email('a@example.org')],
    },
    {
      what: 'too many names',
      names: [
        generalName.uri('spiffe://example.org/a'),
        ...Array.from({ length: 100 }, (_, i) => generalName.dns(`n${i}.example.org`)),
      ],
    },
  ])('lints: $what', async ({ names }) => {
    const { authority } = await testPki()
    const { request: csr } = await newRequest()
    await expect(authority.prepare(csr, { subjectAltName: names })).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/ERR_LINT|ERR_NAME_INVALID/) }),
    )
  })
})

describe('the authority and its time', () => {
  it.each([
    { what: 'before the CA is valid', ms: -3_600_000, wanted: 'ERR_CA_NOT_YET_VALID' },
    { what: 'after it expired', ms: 3651 * 86_400_000, wanted: 'ERR_CA_EXPIRED' },
  ])('signs nothing $what', async ({ ms, wanted }) => {
    const pki = await testPki()
    let offset = 0
    const clock = { ...systemClock, now: () => Date.now() + offset }
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: pki.root,
      signer: pki.signer,
      clock,
    })
    const { request: csr } = await newRequest()
    offset = ms
    await expect(
      authority.prepare(csr, { subjectAltName: [generalName.uri(workloadId.toString())] }),
    ).rejects.toThrow(code(wanted))
  })
})

describe('records', () => {
  it('have a limit that is one', () => {
    expect(() => new MemoryCertificateStore({ maxRecords: Number.NaN })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('knows the status of what it issued, revokes, and renews what is still good', async () => {
    const { issuance } = await testPki()
    const { request } = await newRequest()
    const { certificate } = await issuance.issue({ csr: request }, callerOf())
    const serial = certificate.serialNumber
    expect(await issuance.status(serial)).toMatchObject({ state: 'valid', identity: workloadId })
    expect((await issuance.renew(serial, { csr: request }, callerOf())).certificate.serialNumber).not.toBe(
      serial,
    )
    await expect(
      issuance.renew(serial, { csr: request }, callerOf('spiffe://example.org/x')),
    ).rejects.toThrow(code('ERR_RENEWAL_REFUSED'))
    await expect(
      issuance.revoke(serial, 'keyCompromise', callerOf('spiffe://example.org/x')),
    ).rejects.toThrow(code('ERR_POLICY_DENIED'))
    await issuance.revoke(serial, 'keyCompromise', callerOf())
    expect(await issuance.status(serial)).toMatchObject({
      state: 'revoked',
      revocation: { reason: 'keyCompromise' },
    })
    await expect(issuance.renew(serial, { csr: request }, callerOf())).rejects.toThrow(
      code('ERR_RENEWAL_REFUSED'),
    )
    expect(await issuance.status(parseSerialNumber('01'))).toBeUndefined()
    await expect(issuance.revoke(parseSerialNumber('01'), 'superseded', callerOf())).rejects.toThrow(
      code('ERR_CERTIFICATE_UNKNOWN'),
    )
  })
})

describe('source', () => {
  it('the policy sees the address; what is no address is refused', async () => {
    const { authority } = await testPki()
    const seen: unknown[] = []
    const inner = callerIdentityPolicy({ trustDomain: authority.trustDomain })
    const policy: typeof inner = {
      decide: (asked, caller) => {
        seen.push(asked.source)
        return inner.decide(asked, caller)
      },
    }
    await using issuance = createIssuanceService({ authority, policy })
    const { request } = await newRequest()
    await issuance.issue({ csr: request, source: '192.0.2.1' }, callerOf())
    await issuance.plan({ csr: request, source: 'fe80::1%eth0' }, callerOf())
    await issuance.issue({ csr: request }, callerOf())
    expect(seen).toEqual(['192.0.2.1', 'fe80::1%eth0', undefined])
    for (const source of ['localhost', '', '10.0.0.1, 10.0.0.2', 7])
      await expect(
        issuance.issue({ csr: request, source: source as string }, callerOf()),
      ).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

it('the usage watch sees each certificate that was issued, and cannot stop one', async () => {
  const { authority } = await testPki()
  const seen: { identity: unknown; source?: string | undefined; ttlSeconds: number }[] = []
  const usage = {
    record: (one: (typeof seen)[number]) => {
      seen.push(one)
      throw new Error('full')
    },
  }
  await using issuance = createIssuanceService({ authority, usage })
  const { request } = await newRequest()
  await issuance.issue({ csr: request, ttlSeconds: 3600, source: '192.0.2.1' }, callerOf())
  await issuance.plan({ csr: request }, callerOf())
  expect(seen).toMatchObject([{ identity: workloadId, source: '192.0.2.1', ttlSeconds: 3720 }])
  expect(() => createIssuanceService({ authority, usage: {} as never })).toThrow(code('ERR_INVALID_ARGUMENT'))
})
