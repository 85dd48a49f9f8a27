// The contract, run by the backends that need nothing installed; test/interop has the one in a token.

import '../../support/cheap-scrypt.ts'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../src/adapters/files/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../../src/keys/index.ts'
import type {
  BackupProtection,
  EncryptedKeyBackup,
  KeyAlgorithm,
  KeyManager,
} from '../../../src/keys/index.ts'
import { FakeClock, contracts } from '../../../src/testing/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { itKeepsTheContract } from '../../support/contract.ts'

const algorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048']
const parent = await mkdtemp(join(tmpdir(), 'contract-'))
const directory = join(parent, 'keys')
afterAll(() => rm(parent, { recursive: true }))

describe('MemoryKeyManager', () => {
  itKeepsTheContract({
    open: async () => new MemoryKeyManager(),
    algorithms,
    extractable: true,
    durable: false,
  })
})

describe('FileKeyManager', () => {
  itKeepsTheContract({
    open: () => FileKeyManager.open({ directory, passphrase: () => 'contract' }),
    algorithms,
    extractable: true,
  })
})

describe('the contract itself', () => {
  type Broken = {
    readonly what: string
    readonly open: (shared: MemoryKeyManager) => MemoryKeyManager
    readonly caught: string
    readonly algorithm?: KeyAlgorithm
    readonly durable?: boolean
  }
  const broken = (methods: (inner: MemoryKeyManager) => Partial<KeyManager>) => (): MemoryKeyManager => {
    const inner = new MemoryKeyManager()
    const own = methods(inner)
    return new Proxy(inner, {
      get: (target, name) => {
        const member: unknown = Reflect.get(name in own ? own : target, name)
        return typeof member === 'function'
          ? (member as (...args: unknown[]) => unknown).bind(name in own ? own : target)
          : member
      },
    })
  }
  const like = (signer: Signer, changed: Partial<Signer>): Signer => ({
    id: signer.id,
    publicKey: signer.publicKey,
    signatureAlgorithm: signer.signatureAlgorithm,
    sign: (data: Uint8Array) => signer.sign(data),
    ...changed,
  })
  const rows: readonly Broken[] = [
    {
      what: 'gives the old key as the new version',
      caught: 'rotates: the new version signs, and the old one still signs',
      open: broken((inner) => ({ rotateKey: async (id) => (await inner.getSigner(id))! })),
    },
    {
      what: 'gives the current version whichever is asked for',
      caught: 'returns each version by its number',
      open: broken((inner) => ({ getSigner: (id) => inner.getSigner(id) })),
    },
    {
      what: 'finds a key for any version number',
      caught: 'finds only the keys that were created',
      open: broken((inner) => ({
        getSigner: async (id, version) => (await inner.getSigner(id, version)) ?? inner.getSigner(id),
      })),
    },
    {
      what: 'makes a weaker key than it was asked for',
      algorithm: 'P-384',
      caught: 'creates a key of P-384 that signs',
      open: broken((inner) => ({ generateKey: (id) => inner.generateKey(id, 'P-256') })),
    },
    {
      what: 'signs by PKCS#1 v1.5 where it was asked for PSS',
      algorithm: 'RSA-PSS-2048',
      caught: 'creates a key of RSA-PSS-2048 that signs',
      open: broken((inner) => ({ generateKey: (id) => inner.generateKey(id, 'RSA-2048') })),
    },
    {
      what: 'lists another algorithm',
      caught: 'creates a key of P-256 that signs',
      open: broken((inner) => ({
        listKeys: async () =>
          (await inner.listKeys()).map((one) => ({ ...one, algorithm: 'P-384' as const })),
      })),
    },
    {
      what: 'replaces a key of the same name',
      caught: 'refuses a second key with the same id',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          await inner.destroyKey(id).catch(() => undefined)
          return inner.generateKey(id, algorithm)
        },
      })),
    },
    {
      what: 'gives out a key that it does not keep when two ask at once',
      caught: 'creates one key for two concurrent calls with the same id',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          if ((await inner.listKeys()).some((one) => one.id === id))
            throw new PkiError('ERR_KEY_EXISTS', 'it exists')
          return inner.generateKey(id, algorithm).catch(() => SoftwareSigner.generate(algorithm))
        },
      })),
    },
    {
      what: 'takes the first letters for the name',
      caught: 'does not confuse keys with similar names',
      open: broken((inner) => ({
        destroyKey: async (id, version) => {
          if (version === undefined)
            for (const one of await inner.listKeys())
              if (one.id.startsWith(`${id}-`)) await inner.destroyKey(one.id).catch(() => undefined)
          return inner.destroyKey(id, version)
        },
      })),
    },
    {
      what: 'sorts numbers as text',
      caught: 'lists by id, then by number: 10 comes after 9',
      open: broken((inner) => ({
        listKeys: async () =>
          [...(await inner.listKeys())].sort((a, b) =>
            `${a.id}/${a.version}` < `${b.id}/${b.version}` ? -1 : 1,
          ),
      })),
    },
    {
      what: 'takes a bad name where it does not make a key',
      caught: 'refuses malformed ids',
      open: broken((inner) => ({
        getSigner: async (id, version) => inner.getSigner(id, version).catch(() => undefined),
      })),
    },
    {
      what: 'loses a rotation when two ask at once',
      caught: 'rotates once per call, also for concurrent calls',
      open: broken((inner) => {
        let running: Promise<SoftwareSigner> | undefined
        return { rotateKey: (id) => (running ??= inner.rotateKey(id).finally(() => (running = undefined))) }
      }),
    },
    {
      what: 'signs later than it was asked',
      caught: 'signs the data at the time of the call, even if the buffer changes later',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          const signer = await inner.generateKey(id, algorithm)
          return like(signer, {
            sign: async (data) => {
              await Promise.resolve()
              return signer.sign(data)
            },
          })
        },
      })),
    },
    {
      what: 'signs the whole buffer behind a part of it',
      caught: 'signs empty data, long data and a part of a buffer',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          const signer = await inner.generateKey(id, algorithm)
          return like(signer, { sign: (data) => signer.sign(new Uint8Array(data.buffer)) })
        },
      })),
    },
    {
      what: 'signs a digest of what is too long',
      caught: 'signs empty data, long data and a part of a buffer',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          const signer = await inner.generateKey(id, algorithm)
          return like(signer, { sign: (data) => signer.sign(data.subarray(0, 65_536)) })
        },
      })),
    },
    {
      what: 'destroys every version with one',
      caught: 'destroys one version, then all',
      open: broken((inner) => ({ destroyKey: (id) => inner.destroyKey(id) })),
    },
    {
      what: 'says nothing of a version that is not there',
      caught: 'destroys one version, then all',
      open: broken((inner) => ({
        destroyKey: async (id, version) =>
          inner.destroyKey(id, version).catch((error: unknown) => {
            if (version === undefined) throw error
          }),
      })),
    },
    {
      what: 'restores what was changed',
      caught: 'refuses a changed backup',
      open: broken((inner) => {
        const made = new Map<string, EncryptedKeyBackup>()
        return {
          backupKey: async (id, protection) => {
            const backup = await inner.backupKey(id, protection)
            made.set(backup.ciphertext, backup)
            return backup
          },
          restoreKey: (backup, protection) =>
            inner.restoreKey(made.get(backup.ciphertext) ?? backup, protection),
        }
      }),
    },
    {
      what: 'opens a backup with any key',
      caught: 'creates a backup that only its recipient can decrypt',
      open: broken((inner) => {
        let used: BackupProtection | undefined
        return {
          backupKey: (id, protection) =>
            inner.backupKey(
              id,
              (used = 'recipient' in protection ? { recipient: all.privateKey } : protection),
            ),
          restoreKey: (backup, protection) =>
            inner.restoreKey(backup, 'recipient' in protection ? used! : protection),
        }
      }),
    },
    {
      what: 'shows its keys',
      caught: 'does not reveal private keys or passphrases',
      open: broken((inner) => ({
        generateKey: async (id, algorithm) => {
          const signer = await inner.generateKey(id, algorithm)
          return Object.assign(signer, { cache: signer.privateKey().export({ format: 'jwk' }) })
        },
      })),
    },
    {
      what: 'tells the passphrase in an error',
      caught: 'does not reveal private keys or passphrases',
      open: broken((inner) => ({
        restoreKey: (backup, protection) =>
          inner.restoreKey(backup, protection).catch((cause: unknown) => {
            throw new PkiError('ERR_KEY_PASSPHRASE', 'it does not open', {
              cause: new Error(JSON.stringify(protection), { cause }),
            })
          }),
      })),
    },
    {
      what: 'goes on when it was closed',
      caught: 'refuses every call once closed',
      open: broken((inner) => ({
        getSigner: (id, version) => inner.getSigner(id, version).catch(() => undefined),
      })),
    },
    {
      what: 'forgets a rotation',
      durable: true,
      caught: 'keeps its keys when it is opened again',
      open: (shared) =>
        broken(() => ({
          generateKey: (id, algorithm) => shared.generateKey(id, algorithm),
          getSigner: (id, version) => shared.getSigner(id, version),
          listKeys: () => shared.listKeys(),
          rotateKey: () => SoftwareSigner.generate('P-256'),
          [Symbol.asyncDispose]: async () => undefined,
        }))(),
    },
  ]
  const all = generateKeyPairSync('x25519')

  it.each(rows)(
    'fails a manager that $what',
    async ({ open, caught, algorithm = 'P-256', durable = false }) => {
      const shared = new MemoryKeyManager()
      const cases = contracts.KeyManager({
        open: async () => open(shared),
        algorithms: [algorithm],
        extractable: true,
        durable,
      })
      await expect(cases.find(({ name }) => name === caught)!.run()).rejects.toThrow()
    },
  )

  it('names each of its cases once', () => {
    for (const extractable of [true, false]) {
      const names = contracts
        .KeyManager({
          open: async () => new MemoryKeyManager(),
          algorithms,
          extractable,
        })
        .map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
    }
  })
})

describe('FakeClock', () => {
  it('runs what is due, in order, and nothing that was stopped', () => {
    const clock = new FakeClock()
    const seen: string[] = []
    clock.schedule(() => seen.push('late'), 200)
    clock.schedule(() => seen.push('early'), 100)
    const stop = clock.schedule(() => seen.push('stopped'), 150)
    stop()
    clock.advance(99)
    expect(seen).toEqual([])
    clock.advance(200)
    expect(seen).toEqual(['early', 'late'])
    expect(clock.now()).toBe(Date.parse('2026-01-01T00:00:00.299Z'))
    clock.setWallClock(new Date(0))
    expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([0, 299, 0])
  })
})
