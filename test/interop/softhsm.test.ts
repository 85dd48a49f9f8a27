// Keys in a SoftHSM token: what a KeyManager does, what a token may do to it, and what is never done to a
// token.

import 'reflect-metadata'
import { existsSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { BasicConstraintsExtension, X509CertificateGenerator as PeculiarGenerator } from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSoftHsmToken } from '../../examples/main/softhsm.ts'
import type { SoftHsmToken } from '../../examples/main/softhsm.ts'
import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import type { Pkcs11Binding } from '../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import type { Pkcs11KeyManagerOptions } from '../../src/adapters/pkcs11/pkcs11-options.ts'
import { Pkcs11Module } from '../../src/adapters/pkcs11/index.ts'
import { createMemoryStorage, createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../src/ca/records/memory/memory-certificate-store.ts'
import { isPkiError } from '../../src/errors/index.ts'
import {
  FailoverKeyManager,
  SoftwareSigner,
  bridgeToWebCrypto,
  exportPrivateKey,
} from '../../src/keys/index.ts'
import type { KeyAlgorithm, KeyManager } from '../../src/keys/index.ts'
import { Certificate, buildCertificateRequest, generalName, verifySignature } from '../../src/x509/index.ts'
import type { Signer } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { itKeepsTheContract } from '../support/contract.ts'
import { requires } from '../support/requires.ts'

const data = Buffer.from('to be signed')
type Methods = Record<string, (...args: never[]) => unknown>

/** pkcs11js with some methods replaced: `next` calls the real one. */
async function tampered(
  methods: Record<string, (next: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown>,
): Promise<Pkcs11Binding> {
  const { default: real } = (await import('pkcs11js')) as unknown as {
    default: { PKCS11: new () => Methods }
  }
  class Tampered {
    constructor() {
      const inner = new real.PKCS11()
      return new Proxy(inner, {
        get(target, name: string) {
          const method = target[name]
          if (typeof method !== 'function') return method
          const next = (...args: unknown[]): unknown =>
            (method as (...args: unknown[]) => unknown).apply(target, args)
          return methods[name] === undefined ? next : (...args: unknown[]) => methods[name]!(next, ...args)
        },
      }) as never
    }
  }
  return { PKCS11: Tampered } as unknown as Pkcs11Binding
}

class Pkcs11Failure extends Error {
  override readonly name = 'Pkcs11Error'
  readonly code: number

  constructor(code: number) {
    super(`CKR of ${code}`)
    this.code = code
  }
}

describe.skipIf(!requires('softhsm'))('a SoftHSM token', () => {
  let token: SoftHsmToken
  beforeAll(async () => {
    token = await createSoftHsmToken('test')
  })
  afterAll(() => token.dispose())

  // The library is one for the process: whoever initialised it must finalise it before the next test.
  const modules: Pkcs11Module[] = []
  afterEach(async () => {
    for (const module of modules.splice(0)) await module.close()
  })
  const load = async (methods: Parameters<typeof tampered>[0]): Promise<Pkcs11Module> => {
    const module = await Pkcs11Module.load(token.modulePath, { pkcs11: await tampered(methods) })
    modules.push(module)
    return module
  }
  const open = async (
    options: Partial<Pkcs11KeyManagerOptions> = {},
    methods?: Parameters<typeof tampered>[0],
  ): Promise<Pkcs11KeyManager> =>
    Pkcs11KeyManager.open({
      module: methods === undefined ? token.modulePath : await load(methods),
      token: { label: token.label },
      pin: () => token.pin,
      ...options,
    })

  itKeepsTheContract({
    open: () => open(),
    algorithms: ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048'],
    extractable: false,
  })

  it.each([
    'P-256',
    'P-384',
    'P-521',
    'Ed25519',
    'RSA-2048',
    'RSA-3072',
    'RSA-4096',
    'RSA-PSS-2048',
  ] as KeyAlgorithm[])('makes a key of %s that signs what node:crypto verifies', async (algorithm) => {
    await using keys = await open()
    const signer = await keys.generateKey(`alg-${algorithm}`, algorithm)
    expect(verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data))).toBe(
      true,
    )
    await using again = await open()
    const found = await again.getSigner(`alg-${algorithm}`)
    expect(found?.algorithm).toBe(algorithm)
    expect(found?.publicKey.equals(signer.publicKey)).toBe(true)
    await keys.destroyKey(`alg-${algorithm}`)
  })

  it('rotates, keeps the old version until it is destroyed, and lists both', async () => {
    await using keys = await open()
    const first = await keys.generateKey('rotated', 'P-256')
    await expect(keys.generateKey('rotated', 'P-256')).rejects.toThrow(code('ERR_KEY_EXISTS'))
    const second = await keys.rotateKey('rotated')
    expect((await keys.getSigner('rotated'))?.publicKey.equals(second.publicKey)).toBe(true)
    expect((await keys.getSigner('rotated', 1))?.publicKey.equals(first.publicKey)).toBe(true)
    expect(await first.sign(data)).toBeInstanceOf(Uint8Array)
    expect(
      (await keys.listKeys())
        .filter(({ id }) => id === 'rotated')
        .map(({ version, current }) => [version, current]),
    ).toEqual([
      [1, false],
      [2, true],
    ])
    await keys.destroyKey('rotated', 1)
    expect(await keys.getSigner('rotated', 1)).toBeUndefined()
    await expect(first.sign(data)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    await keys.destroyKey('rotated')
    await expect(keys.destroyKey('rotated')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it('lets no key out, and none in', async () => {
    await using keys = await open()
    await keys.generateKey('kept', 'P-256')
    await expect(keys.backupKey('kept', { passphrase: 'x' })).rejects.toThrow(code('ERR_KEY_NOT_EXTRACTABLE'))
    await expect(keys.restoreKey({ keyId: 'kept' } as never, { passphrase: 'x' })).rejects.toThrow(
      code('ERR_KEY_NOT_EXTRACTABLE'),
    )
  })

  it('signs 2,000 times with 64 at once on 8 sessions, every signature right', async () => {
    await using keys = await open()
    const signer = (await keys.getSigner('busy')) ?? (await keys.generateKey('busy', 'P-256'))
    let left = 2000
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (left-- > 0)
          expect(
            verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)),
          ).toBe(true)
      }),
    )
  })

  it('sends a wrong PIN once, and never again by itself', async () => {
    let logins = 0
    const count = {
      C_Login: (next: (...args: unknown[]) => unknown, ...args: unknown[]) => {
        logins++
        return next(...args)
      },
    }
    const module = await load(count)
    for (let i = 0; i < 3; i++)
      await expect(open({ module, pin: () => '0000' })).rejects.toThrow(code('ERR_HSM_PIN'))
    expect(logins).toBe(1)
    await using keys = await open()
    expect(keys.health).toBe('ready')
  })

  it.each([
    { what: 'no such token', options: { token: { label: 'nowhere' } }, wanted: 'ERR_HSM_TOKEN_NOT_FOUND' },
    { what: 'no such library', options: { module: '/nowhere/lib.so' }, wanted: 'ERR_PKCS11_LIBRARY' },
  ])('says so: $what', async ({ options, wanted }) => {
    await expect(open(options)).rejects.toThrow(code(wanted))
  })

  it('refuses a key that the token protects less than it was asked to', async () => {
    const keys = await open(
      {},
      {
        C_GetAttributeValue: (next, session, object, template) => {
          const values = next(session, object, template) as { type: number; value: Buffer }[]
          return values.map((one) => (one.type === 0x162 ? { ...one, value: Buffer.of(1) } : one))
        },
      },
    )
    await expect(keys.generateKey('exposed', 'P-256')).rejects.toThrow(code('ERR_HSM_KEY_PROTECTION'))
    await keys[Symbol.asyncDispose]()
    await using real = await open()
    expect(await real.getSigner('exposed')).toBeUndefined()
  })

  it('lets no wrong signature out', async () => {
    await using keys = await open(
      {},
      {
        C_SignAsync: async (next, ...args) => {
          const signature = (await next(...args)) as Buffer
          signature[40]! ^= 1
          return signature
        },
      },
    )
    await expect((await keys.generateKey('faulty', 'P-256')).sign(data)).rejects.toThrow(
      code('ERR_HSM_SIGNATURE'),
    )
  })

  it('lets no wrong signature out of a CA that checks instead of the signer', async () => {
    let faulty = false
    await using keys = await open(
      { checkSignatures: 'caller' },
      {
        C_SignAsync: async (next, ...args) => {
          const signature = (await next(...args)) as Buffer
          if (faulty) signature[40]! ^= 1
          return signature
        },
      },
    )
    const signer = await keys.generateKey('trusting', 'P-256')
    const certificate = await createRootCertificate(signer, {
      subject: 'CN=token',
      trustDomain: 'example.org',
    })
    const store = new MemoryCertificateStore()
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate,
      signer,
      storage: { ...createMemoryStorage(), certificates: store },
    })
    const request = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
    const content = { subjectAltName: [generalName.uri('spiffe://example.org/web')] }
    expect(
      (await authority.sign(await authority.prepare(request, content))).certificate.verifySignatureBy(
        signer.publicKey,
      ),
    ).toBe(true)
    faulty = true
    await expect(authority.sign(await authority.prepare(request, content))).rejects.toThrow(
      code('ERR_CA_SIGNATURE'),
    )
    await expect(authority.issueCrl()).rejects.toThrow(code('ERR_CA_SIGNATURE'))
    await expect(createRootCertificate(signer, { subject: 'CN=token' })).rejects.toThrow(
      code('ERR_CA_SIGNATURE'),
    )
  })

  it('signs for what takes a WebCrypto provider', async () => {
    await using keys = await open()
    const signer = await keys.generateKey('bridge', 'P-256')
    const bridge = await bridgeToWebCrypto(signer)
    const made = await PeculiarGenerator.createSelfSigned(
      { name: 'CN=bridge', keys: bridge.keys, extensions: [new BasicConstraintsExtension(true)] },
      bridge.crypto,
    )
    expect(Certificate.from(new Uint8Array(made.rawData)).verifySignatureBy(signer.publicKey)).toBe(true)
  })

  it('gives way to another manager while it is gone', async () => {
    let gone = false
    const primary = await open(
      { timeoutMs: 500 },
      {
        C_SignInit: (next, ...args) => {
          if (gone) throw new Pkcs11Failure(0xe0)
          return next(...args)
        },
      },
    )
    const signer = await primary.generateKey('doubled', 'P-256')
    const replica: Signer = {
      id: 'doubled',
      publicKey: signer.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: async () => Uint8Array.of(1),
    }
    const secondary = {
      getSigner: async () => replica,
      listKeys: async () => [],
      [Symbol.asyncDispose]: async () => undefined,
    } as unknown as KeyManager
    await using keys = new FailoverKeyManager({ managers: [primary, secondary] })
    const doubled = (await keys.getSigner('doubled'))!
    expect((await doubled.sign(data)).length).toBeGreaterThan(60)
    gone = true
    expect(await doubled.sign(data)).toEqual(Uint8Array.of(1))
  })

  it(
    'finds a key that another program made, by its label and by its id, in the token of a serial ' + 'number',
    async () => {
      const { execFileSync } = await import('node:child_process')
      const pem = join(token.directory, 'outside.pem')
      await writeFile(pem, exportPrivateKey((await SoftwareSigner.generate('P-256')).privateKey()))
      execFileSync('softhsm2-util', [
        '--import',
        pem,
        '--token',
        token.label,
        '--label',
        'outside',
        '--id',
        'c0ffee',
        '--pin',
        token.pin,
      ])
      const shown = execFileSync('softhsm2-util', ['--show-slots'], { encoding: 'utf8' })
      const serialNumber = shown
        .split('Slot ')
        .find((slot) => new RegExp(`Label: +${token.label} `).test(slot))!
        .match(/Serial number: +(\S+)/)![1]!
      await using keys = await open({ token: { serialNumber } })
      const byId = await keys.signerOf(Buffer.from('c0ffee', 'hex'))
      const byLabel = (await keys.getSigner('outside'))!
      expect(byId.publicKey.equals(byLabel.publicKey)).toBe(true)
      expect(verifySignature(byId.publicKey, byId.signatureAlgorithm, data, await byId.sign(data))).toBe(true)
      await expect(keys.signerOf(Buffer.from('dead', 'hex'))).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
      execFileSync('softhsm2-util', [
        '--import',
        pem,
        '--token',
        token.label,
        '--label',
        'twice',
        '--id',
        'c0ffee',
        '--force',
        '--pin',
        token.pin,
      ])
      await expect(keys.signerOf(Buffer.from('c0ffee', 'hex'))).rejects.toThrow(code('ERR_HSM_KEY_AMBIGUOUS'))
    },
  )

  it('refuses two keys of one name', async () => {
    await using keys = await open()
    await keys.generateKey('twin', 'P-256')
    await using other = await open(
      {},
      {
        C_FindObjects: (next, session, maximum) => {
          const found = next(session, maximum) as unknown[]
          return found.length === 1 ? [found[0], found[0]] : found
        },
      },
    )
    await expect(other.getSigner('twin')).rejects.toThrow(code('ERR_HSM_KEY_AMBIGUOUS'))
  })

  it.each(['rotateKey', 'generateKey'] as const)(
    'gives no version to two keys, though two managers make it at the same time: %s',
    async (make) => {
      const id = `race-${make}`
      await using first = await open()
      if (make === 'rotateKey') await first.generateKey(id, 'P-256')
      let rival: Promise<unknown> | undefined
      await using second = await open(
        {},
        {
          C_GenerateKeyPairAsync: (next, ...args) => {
            // Both have chosen their number; the first is done before the second.
            const before =
              rival ?? (rival = make === 'rotateKey' ? first.rotateKey(id) : first.generateKey(id, 'P-256'))
            return before.then(() => next(...args))
          },
        },
      )
      const made = make === 'rotateKey' ? second.rotateKey(id) : second.generateKey(id, 'P-256')
      if (make === 'rotateKey')
        expect((await made).publicKey.equals((await second.getSigner(id, 3))!.publicKey)).toBe(true)
      else await expect(made).rejects.toThrow(code('ERR_KEY_EXISTS'))
      expect((await first.listKeys()).filter((key) => key.id === id).map(({ version }) => version)).toEqual(
        make === 'rotateKey' ? [1, 2, 3] : [1],
      )
    },
  )

  it('passes over what another process destroys while it looks', async () => {
    await using keys = await open()
    await keys.generateKey('vanishing', 'P-256')
    let gone = false
    await using other = await open(
      {},
      {
        C_GetAttributeValue: (next, ...args) => {
          if (gone) throw new Pkcs11Failure(0x82)
          return next(...args)
        },
      },
    )
    expect(await other.getSigner('vanishing')).toBeDefined()
    gone = true
    expect(await other.getSigner('vanishing')).toBeUndefined()
    expect(await other.listKeys()).toEqual([])
  })

  it('destroys keys of one version together', async () => {
    await using keys = await open()
    await keys.generateKey('twins', 'P-256')
    // It sees no object, so it makes version 1 again, and does not destroy it, as a process that was killed
    // then.
    await using blind = await open({}, { C_FindObjects: () => [], C_DestroyObject: () => undefined })
    await expect(blind.generateKey('twins', 'P-256')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    await expect(keys.getSigner('twins')).rejects.toThrow(code('ERR_HSM_KEY_AMBIGUOUS'))
    await keys.destroyKey('twins')
    expect(await keys.getSigner('twins')).toBeUndefined()
  })

  it('goes on with the sessions that a token has', async () => {
    let sessions = 0
    await using keys = await open(
      {},
      {
        C_OpenSession: (next, ...args) => {
          if (sessions >= 2) throw new Pkcs11Failure(0xb1)
          sessions++
          return next(...args)
        },
        C_CloseSession: (next, ...args) => {
          sessions--
          return next(...args)
        },
      },
    )
    const signer = (await keys.getSigner('few')) ?? (await keys.generateKey('few', 'P-256'))
    await Promise.all(Array.from({ length: 50 }, () => signer.sign(data)))
    expect(sessions).toBeLessThanOrEqual(2)
  })

  it('says when there is no session at all', async () => {
    await expect(
      open(
        {},
        {
          C_OpenSession: () => {
            throw new Pkcs11Failure(0xb1)
          },
        },
      ),
    ).rejects.toThrow(code('ERR_HSM_SESSION_LIMIT'))
  })

  it('queues no more than it was told to, and waits no longer', async () => {
    const waiting: (() => void)[] = []
    await using keys = await open(
      { maxSessions: 1, maxWaiting: 2, timeoutMs: 200 },
      {
        C_SignAsync: (next, ...args) => new Promise((resolve) => waiting.push(() => resolve(next(...args)))),
      },
    )
    const signer = (await keys.getSigner('slow')) ?? (await keys.generateKey('slow', 'P-256'))
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => signer.sign(data)))
    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'signed',
    )
    expect(codes.filter((one) => one === 'ERR_HSM_QUEUE_FULL').length).toBeGreaterThanOrEqual(2)
    expect(codes).toContain('ERR_HSM_TIMEOUT')
    waiting.forEach((go) => go())
  })

  it('fails at once while a token is gone, and is back when it is', async () => {
    let gone = false
    const fail = (next: (...args: unknown[]) => unknown, ...args: unknown[]): unknown => {
      if (gone) throw new Pkcs11Failure(0x32)
      return next(...args)
    }
    await using keys = await open(
      {},
      { C_SignInit: fail, C_OpenSession: fail, C_GetSlotList: fail, C_GetTokenInfo: fail },
    )
    const signer = (await keys.getSigner('lost')) ?? (await keys.generateKey('lost', 'P-256'))
    const outcomes: string[] = []
    let done = 0
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (let i = 0; i < 50; i++) {
          if (++done === 400) gone = true
          await signer.sign(data).then(
            (signature) =>
              outcomes.push(
                verifySignature(signer.publicKey, signer.signatureAlgorithm, data, signature)
                  ? 'right'
                  : 'WRONG',
              ),
            (error: unknown) => outcomes.push((error as { code: string }).code),
          )
        }
      }),
    )
    expect(outcomes).toHaveLength(1000)
    expect(new Set(outcomes)).toEqual(new Set(['right', 'ERR_HSM_UNAVAILABLE']))
    gone = false
    await expect.poll(() => keys.health, { timeout: 5000 }).toBe('ready')
    expect(await signer.sign(data)).toBeInstanceOf(Uint8Array)
  })

  it.each([5, 6, 0x30, 0x31, 0x32, 0x54, 0xb3, 0xe0, 0xe1, 0x101, 0x190, 0x80000001])(
    'answers with a code when every call of the library returns %i',
    async (returnValue) => {
      let broken = false
      const fail = (next: (...args: unknown[]) => unknown, ...args: unknown[]): unknown => {
        if (broken) throw new Pkcs11Failure(returnValue)
        return next(...args)
      }
      const every = Object.fromEntries(
        [
          'C_SignInit',
          'C_SignAsync',
          'C_OpenSession',
          'C_CloseSession',
          'C_GetSlotList',
          'C_GetTokenInfo',
          'C_Login',
          'C_FindObjectsInit',
          'C_FindObjects',
          'C_FindObjectsFinal',
          'C_GetAttributeValue',
          'C_GenerateKeyPairAsync',
          'C_DestroyObject',
          'C_GetSessionInfo',
          'C_GetMechanismList',
          'C_Finalize',
        ].map((name) => [name, fail]),
      )
      await using keys = await open({ timeoutMs: 1000 }, every)
      const signer = (await keys.getSigner('broken')) ?? (await keys.generateKey('broken', 'P-256'))
      broken = true
      const calls = [
        () => signer.sign(data),
        () => keys.getSigner('broken'),
        () => keys.listKeys(),
        () => keys.rotateKey('broken'),
        () => keys.destroyKey('broken'),
      ]
      for (const call of calls) {
        const outcome = await call().then(
          () => 'done',
          (error: unknown) => error,
        )
        expect(isPkiError(outcome)).toBe(true)
      }
      broken = false
    },
  )

  it('is one of several in a process', async () => {
    const { promisify } = await import('node:util')
    const { execFile } = await import('node:child_process')
    await promisify(execFile)('softhsm2-util', [
      '--init-token',
      '--free',
      '--label',
      'second',
      '--so-pin',
      '12345678',
      '--pin',
      '5678',
    ])
    await using module = await Pkcs11Module.load(token.modulePath)
    await using first = await open({ module })
    await using second = await open({ module, token: { label: 'second' }, pin: () => '5678' })
    const [a, b] = [
      await first.generateKey('same-name', 'P-256'),
      await second.generateKey('same-name', 'P-256'),
    ]
    expect(a.publicKey.equals(b.publicKey)).toBe(false)
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const signer = i % 2 === 0 ? a : b
        expect(
          verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)),
        ).toBe(true)
      }),
    )
    expect((await second.listKeys()).map(({ id }) => id)).toEqual(['same-name'])
    await second[Symbol.asyncDispose]()
    expect(await a.sign(data)).toBeInstanceOf(Uint8Array)
  })

  it('answers with a code when the token directory is moved away, and works when it is back', async () => {
    const tokens = join(token.directory, 'tokens')
    expect(existsSync(tokens)).toBe(true)
    await using keys = await open()
    const signer = (await keys.getSigner('moved')) ?? (await keys.generateKey('moved', 'P-256'))
    await rename(tokens, `${tokens}-away`)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => signer.sign(data)))
    await rename(`${tokens}-away`, tokens)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect((outcome.reason as { code: string }).code).toMatch(/^ERR_(HSM|KEY)_/)
    await expect
      .poll(
        () =>
          signer.sign(data).then(
            () => 'signed',
            () => 'not yet',
          ),
        { timeout: 5000 },
      )
      .toBe('signed')
  })

  it('never tells the PIN', async () => {
    const secret = 'pin-that-is-secret'
    const error: unknown = await open({ pin: () => secret, token: { label: 'other' } }).catch(
      (cause: unknown) => cause,
    )
    const refused: unknown = await open({ pin: () => secret }).catch((cause: unknown) => cause)
    await using keys = await open()
    expect(inspect([error, refused, keys], { depth: 12, showHidden: true })).not.toContain(secret)
    expect(inspect(keys, { depth: 12, showHidden: true })).not.toContain(`'${token.pin}'`)
  })
})

describe('without SoftHSM', () => {
  it('says how to install its peer', async () => {
    vi.doMock('pkcs11js', () => {
      throw new Error('not installed')
    })
    try {
      await expect(Pkcs11Module.load('/any')).rejects.toThrow(code('ERR_PKCS11_MODULE_NOT_INSTALLED'))
    } finally {
      vi.doUnmock('pkcs11js')
    }
  })

  it('fails with a code when every call of the library does', async () => {
    const broken = {
      PKCS11: class {
        load(): void {}
        C_Initialize(): void {
          throw new Pkcs11Failure(5)
        }
      },
    } as unknown as Pkcs11Binding
    await expect(Pkcs11Module.load('/any', { pkcs11: broken })).rejects.toThrow(code('ERR_PKCS11_LIBRARY'))
  })
})
