// What goes wrong around issuing: policies, stores, signers and hosts that fail, callers that leave, CAs that
// change in the middle.

import { describe, expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import type { CertificateAuthority, CertificateStore } from '../../../src/ca/index.ts'
import type { CertificateWorkers } from '../../../src/ca/internal.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../../src/issuance/issuance-service-options.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { IssuancePolicy } from '../../../src/policy/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import type { Logger } from '../../../src/runtime/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { CertificateRequest, Signer } from '../../../src/x509/index.ts'
import { recordsOf, storageOf, storedIn } from '../../support/storage.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const { request: csr } = await newRequest()
const content = { subjectAltName: [generalName.uri(workloadId.toString())] }

/** A CA whose workers are this thread; they sign with `work`. */
async function behindWorkers(work: CertificateWorkers['sign']): Promise<CertificateAuthority> {
  const { root: certificate, signer } = await testPki()
  const { publicKey, signatureAlgorithm } = signer
  const prove = async (request: CertificateRequest): Promise<void> => void request.verify()
  const workers = { publicKey, signatureAlgorithm, prove, sign: work }
  return createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, workers })
}

interface Line {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

function recorder(): { readonly lines: Line[]; readonly logger: Logger } {
  const lines: Line[] = []
  const note = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push({ ...fields, level, message })
  return {
    lines,
    logger: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
  }
}

/** A service whose signer counts. */
async function counted({
  store = new MemoryCertificateStore(),
  ...options
}: Partial<IssuanceServiceOptions> & { readonly store?: CertificateStore } = {}) {
  const key = await SoftwareSigner.generate('P-256')
  const count = { signatures: 0 }
  const signer: Signer = {
    id: 'counting',
    publicKey: key.publicKey,
    signatureAlgorithm: key.signatureAlgorithm,
    sign: (data) => {
      count.signatures++
      return key.sign(data)
    },
  }
  const certificate = await createRootCertificate(key, { subject: 'CN=root', trustDomain: 'example.org' })
  const storage = storageOf(store)
  const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, storage })
  const { lines, logger } = recorder()
  return {
    count,
    authority,
    store,
    lines,
    certificate,
    issuance: createIssuanceService({ authority, logger, ...options }),
  }
}

/** A store that fails at one step, `how` says in which way. */
function failing(
  step: 'recordIntent' | 'recordOutcome' | 'revoke' | 'find',
  how: 'throws' | 'rejects',
  inner: CertificateStore = new MemoryCertificateStore(),
): CertificateStore {
  return new Proxy(inner, {
    get(target, name) {
      if (name === step) {
        return () => {
          const error = new Error('the disk is full')
          if (how === 'throws') throw error
          return Promise.reject(error)
        }
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('a policy', () => {
  const answers = (value: unknown): IssuancePolicy => ({ decide: () => value as never })

  it.each<{ readonly what: string; readonly policy: IssuancePolicy; readonly wanted: string }>([
    {
      what: 'that throws',
      policy: {
        decide: () => {
          throw new TypeError('bug')
        },
      },
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'that rejects',
      policy: { decide: () => Promise.reject(new TypeError('bug')) },
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'that throws a code',
      policy: {
        decide: () => {
          throw new PkiError('ERR_POLICY_DENIED', 'no')
        },
      },
      wanted: 'ERR_POLICY_DENIED',
    },
    { what: 'that answers nothing', policy: answers(undefined), wanted: 'ERR_POLICY_FAILED' },
    { what: 'that answers null', policy: answers(null), wanted: 'ERR_POLICY_FAILED' },
    { what: 'that answers true', policy: answers(true), wanted: 'ERR_POLICY_FAILED' },
    { what: 'that answers an empty object', policy: answers({}), wanted: 'ERR_POLICY_FAILED' },
    {
      what: 'whose yes is a text',
      policy: answers({ allowed: 'no', rule: 'x', content, trimmed: [] }),
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'whose yes is a number',
      policy: answers({ allowed: 1, rule: 'x', content, trimmed: [] }),
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'whose yes has no content',
      policy: answers({ allowed: true, rule: 'x', trimmed: [] }),
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'whose yes has no names',
      policy: answers({ allowed: true, rule: 'x', trimmed: [], content: {} }),
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'whose yes comes later and is none',
      policy: answers(Promise.resolve('yes')),
      wanted: 'ERR_POLICY_FAILED',
    },
    {
      what: 'whose no has no code',
      policy: answers({ allowed: false, rule: 'x', reason: 'no' }),
      wanted: 'ERR_POLICY_DENIED',
    },
    {
      what: 'whose no has a code of its own',
      policy: answers({ allowed: false, rule: 'x', code: 'ERR_NO_SUCH', reason: 'no' }),
      wanted: 'ERR_POLICY_DENIED',
    },
  ])('$what denies', async ({ policy, wanted }) => {
    const { issuance, store, count, lines } = await counted({ policy })
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code(wanted))
    await expect(issuance.plan({ csr }, callerOf())).rejects.toThrow(code(wanted))
    expect([count.signatures, await recordsOf(store)]).toEqual([0, []])
    expect(lines).toMatchObject([
      { level: 'warn', code: wanted, identities: [workloadId.toString()], credential: 'test' },
    ])
  })

  it('may answer with anything that has a then', async () => {
    const decision = { allowed: true, rule: 'x', content, trimmed: [] }
    const { issuance } = await counted({
      policy: answers({ then: (resolve: (value: unknown) => void) => resolve(decision) }),
    })
    expect((await issuance.plan({ csr }, callerOf())).rule).toBe('x')
  })
})

describe('a caller', () => {
  it.each([
    undefined,
    null,
    'api',
    {},
    { identities: [] },
    { identities: [workloadId] },
    { identities: [workloadId], credential: '', claims: {} },
    { identities: [workloadId], credential: 'x', claims: null },
    { identities: [workloadId.toString()], credential: 'x', claims: {} },
    { identities: [workloadId], credential: 'x', claims: {}, kubernetes: null },
    { identities: [workloadId], credential: 'x', claims: {}, kubernetes: { namespace: 1 } },
  ])('that is none gets nothing: %j', async (caller) => {
    const { issuance } = await counted()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    for (const asking of [
      issuance.issue({ csr }, caller as never),
      issuance.plan({ csr }, caller as never),
      issuance.renew(certificate.serialNumber, { csr }, caller as never),
      issuance.revoke(certificate.serialNumber, 'superseded', caller as never),
    ]) {
      await expect(asking).rejects.toThrow(code('ERR_AUTHENTICATOR_FAILED'))
    }
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'valid' })
  })

  it('that left while its intent was written gets nothing signed', async () => {
    const gone = new AbortController()
    const inner = new MemoryCertificateStore()
    const store = failing('find', 'throws', inner)
    const leaving: CertificateStore = new Proxy(store, {
      get: (target, name) =>
        name === 'recordIntent'
          ? async (intent: never) => {
              void inner.recordIntent(intent)
              gone.abort()
            }
          : (Reflect.get(target, name) as unknown),
    })
    const { issuance, count, lines } = await counted({ store: leaving })
    await expect(issuance.issue({ csr, signal: gone.signal }, callerOf())).rejects.toThrow(
      code('ERR_ABORTED'),
    )
    expect(count.signatures).toBe(0)
    expect(await recordsOf(inner)).toMatchObject([{ state: 'failed' }])
    expect(lines).toContainEqual(code('ERR_ABORTED'))
  })

  it('is no administrator by an answer that is not true', async () => {
    for (const isAdministrator of [async () => false, () => 'no', () => 1]) {
      const { issuance } = await counted({ isAdministrator: isAdministrator as never })
      const { certificate } = await issuance.issue({ csr }, callerOf())
      await expect(
        issuance.revoke(certificate.serialNumber, 'superseded', callerOf('spiffe://example.org/x')),
      ).rejects.toThrow(code('ERR_POLICY_DENIED'))
    }
  })

  it('of several identities holds what any of them holds', async () => {
    const { issuance } = await counted()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const several = callerOf('spiffe://example.org/x', workloadId.toString())
    expect(
      (await issuance.renew(certificate.serialNumber, { csr }, several)).certificate.subjectAltName,
    ).toEqual(content.subjectAltName)
    await issuance.revoke(certificate.serialNumber, 'superseded', several)
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'revoked' })
  })

  it('that is an administrator revokes what is not its own', async () => {
    const { issuance } = await counted({
      isAdministrator: ({ identities }) => identities[0]?.path === '/admin',
    })
    const { certificate } = await issuance.issue({ csr }, callerOf())
    await expect(
      issuance.revoke(certificate.serialNumber, 'superseded', callerOf('spiffe://example.org/x')),
    ).rejects.toThrow(code('ERR_POLICY_DENIED'))
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf('spiffe://example.org/admin'))
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'revoked' })
  })

  it.each(['removeFromCRL', 'because', '', undefined, '__proto__'])(
    'revokes for no reason that is %s',
    async (reason) => {
      const { issuance } = await counted()
      const { certificate } = await issuance.issue({ csr }, callerOf())
      await expect(issuance.revoke(certificate.serialNumber, reason as never, callerOf())).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
      expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'valid' })
    },
  )
})

describe('a store', () => {
  it.each(['throws', 'rejects'] as const)('that %s at the intent: nothing is signed', async (how) => {
    const { issuance, count, lines } = await counted({ store: failing('recordIntent', how) })
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code('ERR_STORE_UNAVAILABLE'))
    expect(count.signatures).toBe(0)
    expect(lines).toMatchObject([
      {
        level: 'warn',
        message: 'certificate not issued',
        reason: 'the certificate store failed: the disk is full',
      },
    ])
  })

  it.each(['throws', 'rejects'] as const)(
    'that %s at the outcome: nothing is let out, and the record says that nobody knows',
    async (how) => {
      const inner = new MemoryCertificateStore()
      const { issuance, count, lines } = await counted({ store: failing('recordOutcome', how, inner) })
      await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code('ERR_STORE_UNAVAILABLE'))
      const [record] = await recordsOf(inner)
      expect([count.signatures, record!.state]).toEqual([1, 'intended'])
      expect(await issuance.status(record!.serialNumber)).toMatchObject({ state: 'unknown outcome' })
      expect(lines).toMatchObject([
        { level: 'error', serialNumber: record!.serialNumber },
        { level: 'warn', message: 'certificate not issued' },
      ])
    },
  )

  it.each(['throws', 'rejects'] as const)(
    'that %s at a revocation: nothing is said to be revoked',
    async (how) => {
      const { issuance, lines } = await counted({ store: failing('revoke', how) })
      const { certificate } = await issuance.issue({ csr }, callerOf())
      await expect(issuance.revoke(certificate.serialNumber, 'superseded', callerOf())).rejects.toThrow(
        'the disk is full',
      )
      expect(lines.at(-1)).toMatchObject({
        message: 'certificate not revoked',
        reason: 'the certificate store failed: the disk is full',
      })
    },
  )

  it('that fails after the signer did hides nothing', async () => {
    const key = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(key, { subject: 'CN=root', trustDomain: 'example.org' })
    const signer: Signer = {
      id: 'dead',
      publicKey: key.publicKey,
      signatureAlgorithm: key.signatureAlgorithm,
      sign: () => Promise.reject(new PkiError('ERR_HSM_UNAVAILABLE', 'gone')),
    }
    const { issuance, lines } = await counted({
      authority: storedIn(
        createCertificateAuthority({ trustDomain: 'example.org', certificate, signer }),
        failing('recordOutcome', 'rejects'),
      ),
    })
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    expect(lines.map(({ message }) => message)).toEqual([
      'the outcome could not be recorded',
      'certificate not issued',
    ])
  })

  it('that fails behind threads: as in front of them', async () => {
    let made = 0
    const { root: certificate, signer } = await testPki()
    const { publicKey, signatureAlgorithm } = signer
    const workers: CertificateWorkers = {
      publicKey,
      signatureAlgorithm,
      prove: async (request) => void request.verify(),
      sign: async (tbs) => {
        made++
        return signer.sign(tbs)
      },
    }
    const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, workers })
    await expect(
      createIssuanceService({ authority: storedIn(authority, failing('recordIntent', 'rejects')) }).issue(
        { csr },
        callerOf(),
      ),
    ).rejects.toThrow(code('ERR_STORE_UNAVAILABLE'))
    expect(made).toBe(0)
    const inner = new MemoryCertificateStore()
    await expect(
      createIssuanceService({
        authority: storedIn(authority, failing('recordOutcome', 'rejects', inner)),
      }).issue({ csr }, callerOf()),
    ).rejects.toThrow(code('ERR_STORE_UNAVAILABLE'))
    expect(await recordsOf(inner)).toMatchObject([{ state: 'intended' }])
  })
})

describe('a failure', () => {
  it('is on record before the caller hears of it, here and behind threads', async () => {
    const { authority } = await testPki()
    const broken: CertificateAuthority = Object.assign(Object.create(authority) as CertificateAuthority, {
      prepare: authority.prepare.bind(authority),
      sign: () => Promise.reject(new PkiError('ERR_CA_SIGNATURE', '')),
    })
    const lost = await behindWorkers(() => Promise.reject(new PkiError('ERR_CLOSED', '')))
    for (const options of [{ authority: broken }, { authority: lost }]) {
      const inner = new MemoryCertificateStore()
      const slow: CertificateStore = new Proxy(inner, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
          return name === 'recordOutcome'
            ? async (...args: unknown[]) => {
                await new Promise((resolve) => setImmediate(resolve))
                return value.apply(target, args)
              }
            : value.bind(target)
        },
      })
      await expect(
        createIssuanceService({ ...options, authority: storedIn(options.authority, slow) }).issue(
          { csr },
          callerOf(),
        ),
      ).rejects.toThrow(/^$/)
      expect(await recordsOf(inner)).toMatchObject([{ state: 'failed' }])
    }
  })
})

describe('a signer that is busy', () => {
  it('is told that the caller left', async () => {
    const key = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(key, { subject: 'CN=root', trustDomain: 'example.org' })
    const gone = new AbortController()
    const signer: Signer = {
      id: 'busy',
      publicKey: key.publicKey,
      signatureAlgorithm: key.signatureAlgorithm,
      sign: (_data, { signal } = {}) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new PkiError('ERR_ABORTED', 'the caller is gone')))
          gone.abort()
        }),
    }
    const store = new MemoryCertificateStore()
    const issuance = createIssuanceService({
      authority: createCertificateAuthority({
        trustDomain: 'example.org',
        certificate,
        signer,
        storage: storageOf(store),
      }),
    })
    await expect(issuance.issue({ csr, signal: gone.signal }, callerOf())).rejects.toThrow(
      code('ERR_ABORTED'),
    )
    expect(await recordsOf(store)).toMatchObject([{ state: 'failed' }])
  })
})

describe('threads', () => {
  it('are not asked for a caller that left while its intent was written', async () => {
    const gone = new AbortController()
    const inner = new MemoryCertificateStore()
    const store = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
        return name === 'recordIntent'
          ? (...args: unknown[]) => {
              gone.abort()
              return value.apply(target, args)
            }
          : value.bind(target)
      },
    })
    let asked = 0
    const authority = await behindWorkers(() => {
      asked++
      return new Promise(() => undefined)
    })
    await expect(
      createIssuanceService({ authority: storedIn(authority, store) }).issue(
        { csr, signal: gone.signal },
        callerOf(),
      ),
    ).rejects.toThrow(code('ERR_ABORTED'))
    expect([asked, (await recordsOf(inner))[0]!.state]).toEqual([0, 'failed'])
  })

  it.each([undefined, 'signature', new Uint8Array(0), new Uint8Array(65_537)])(
    'that answer with what cannot be a signature get nothing out',
    async (answer) => {
      const authority = await behindWorkers(() => Promise.resolve(answer as Uint8Array))
      const store = new MemoryCertificateStore()
      await expect(
        createIssuanceService({ authority: storedIn(authority, store) }).issue({ csr }, callerOf()),
      ).rejects.toThrow(code('ERR_CA_SIGNATURE'))
      expect(await recordsOf(store)).toMatchObject([{ state: 'failed' }])
    },
  )
})

describe('a certificate in time', () => {
  it.each([
    { ms: 999, state: 'valid' },
    { ms: 1000, state: 'expired' },
  ])('is $state $ms ms after its last second began', async ({ ms, state }) => {
    const { authority } = await testPki()
    const clock = { ...systemClock }
    const issuance = createIssuanceService({ authority, clock })
    const { certificate } = await issuance.issue({ csr }, callerOf())
    clock.now = () => certificate.notAfterMs + ms
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state })
    if (state === 'expired')
      await expect(issuance.renew(certificate.serialNumber, { csr }, callerOf())).rejects.toThrow(
        code('ERR_RENEWAL_REFUSED'),
      )
    else
      expect(
        (await issuance.renew(certificate.serialNumber, { csr }, callerOf())).certificate.serialNumber,
      ).not.toBe(certificate.serialNumber)
  })
})

describe('a rotation in the middle', () => {
  const rotateTo = async (authority: CertificateAuthority, keep: boolean): Promise<void> => {
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(signer, {
      subject: 'CN=next',
      trustDomain: 'example.org',
    })
    await authority.rotate({
      certificate,
      signer,
      roots: keep ? [...authority.roots, certificate] : [certificate],
    })
  }

  it.each([{ keep: true }, { keep: false }])('of one request, the old root kept: $keep', async ({ keep }) => {
    const inner = new MemoryCertificateStore()
    const { authority } = await testPki()
    const store: CertificateStore = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
        return name === 'recordIntent'
          ? async (...args: unknown[]) => {
              value.apply(target, args)
              await rotateTo(authority, keep)
            }
          : value.bind(target)
      },
    })
    const asking = createIssuanceService({ authority: storedIn(authority, store) }).issue({ csr }, callerOf())
    if (keep) {
      const { certificate, chain } = await asking
      expect(new X509SvidValidator({ bundles: authority }).verify([certificate, ...chain]).ok).toBe(true)
    } else {
      await expect(asking).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
    }
    expect(await recordsOf(inner)).toMatchObject([{ state: keep ? 'issued' : 'failed' }])
  })

  it('of many: each answer verifies with the roots that came with it and with those served', async () => {
    const { authority } = await testPki()
    const inner = new MemoryCertificateStore()
    const slow: CertificateStore = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
        return name === 'recordIntent' || name === 'recordOutcome'
          ? async (...args: unknown[]) => {
              await new Promise((resolve) => setImmediate(resolve))
              return value.apply(target, args)
            }
          : value.bind(target)
      },
    })
    const issuance = createIssuanceService({ authority: storedIn(authority, slow) })
    const validator = new X509SvidValidator({ bundles: authority })
    let verified = 0
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        const { certificate, chain, roots } = await issuance.issue({ csr }, callerOf())
        expect(roots.some((root) => certificate.verifySignatureBy(root.publicKey))).toBe(true)
        expect(validator.verify([certificate, ...chain]).ok).toBe(true)
        verified++
      }
    }
    await Promise.all([
      worker(),
      worker(),
      worker(),
      worker(),
      (async () => {
        for (let i = 0; i < 10; i++) await rotateTo(authority, true)
      })(),
    ])
    expect(verified).toBe(80)
  })
})

describe('what is written down', () => {
  it('has a line for every outcome', async () => {
    const { issuance, lines } = await counted()
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const serialNumber: string = certificate.serialNumber
    const stranger = callerOf('spiffe://example.org/x')
    await expect(issuance.issue({ csr, ttlSeconds: -1 }, callerOf())).rejects.toThrow(code('ERR_TTL'))
    await expect(issuance.renew(certificate.serialNumber, { csr }, stranger)).rejects.toThrow(
      code('ERR_RENEWAL_REFUSED'),
    )
    await issuance.renew(certificate.serialNumber, { csr }, callerOf())
    await expect(issuance.revoke(certificate.serialNumber, 'superseded', stranger)).rejects.toThrow(
      code('ERR_POLICY_DENIED'),
    )
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf())
    expect(lines).toMatchObject([
      {
        level: 'info',
        message: 'certificate issued',
        serialNumber,
        rule: 'caller-identity',
        identity: workloadId.toString(),
        credential: 'test',
      },
      {
        level: 'warn',
        message: 'certificate not issued',
        code: 'ERR_TTL',
        identities: [workloadId.toString()],
      },
      {
        level: 'warn',
        message: 'certificate not renewed',
        code: 'ERR_RENEWAL_REFUSED',
        serialNumber,
        identities: ['spiffe://example.org/x'],
      },
      { level: 'info', message: 'certificate issued' },
      { level: 'warn', message: 'certificate not revoked', code: 'ERR_POLICY_DENIED', serialNumber },
      { level: 'info', message: 'certificate revoked', serialNumber, reason: 'superseded' },
    ])
    expect(lines).toHaveLength(6)
  })

  it('says what was trimmed, and nothing where nothing was', async () => {
    for (const trimmed of [[], ['a CA']]) {
      const { issuance, lines } = await counted({
        policy: { decide: () => ({ allowed: true, rule: 'x', content, trimmed }) },
      })
      await issuance.issue({ csr }, callerOf())
      expect(lines[0]!['trimmed']).toEqual(trimmed.length === 0 ? undefined : trimmed)
    }
  })

  it('is never longer than a kilobyte a field', async () => {
    const { issuance, lines } = await counted({
      policy: {
        decide: () => {
          throw new Error('x'.repeat(100_000))
        },
      },
      store: failing('recordIntent', 'throws'),
    })
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code('ERR_POLICY_FAILED'))
    expect(JSON.stringify(lines).length).toBeLessThan(3000)
  })
})
