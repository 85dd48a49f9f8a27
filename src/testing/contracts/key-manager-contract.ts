// The contract of key managers, as cases for tests with any runner.

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { openKeyBackup } from '../../keys/index.ts'
import { keyAlgorithmOf, keyAlgorithms } from '../../keys/internal.ts'
import type { EncryptedKeyBackup, KeyAlgorithm, KeyManager } from '../../keys/index.ts'
import { verifySignature } from '../../x509/index.ts'
import type { Signer } from '../../x509/index.ts'
import { holds, refused } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. */
export interface KeyManagerContractOptions {
  /** Opens the backend. If opened again, it has the same keys, unless `durable` is false. */
  readonly open: () => Promise<KeyManager>
  /** The supported algorithms; cases that need only one use the first. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** Whether keys can be exported as encrypted backups. */
  readonly extractable: boolean
  /** Whether keys persist after the manager is closed. Default true. */
  readonly durable?: boolean | undefined
}

/**
 * The contract of `KeyManager` as cases. Each creates its own keys, `contract-…`, and destroys no other key.
 *
 * @example
 * ```ts
 * const cases = contracts.KeyManager({ open, algorithms: ['P-256'], extractable: false })
 * for (const { name, run } of cases) it(name, run)
 * ```
 */
export function keyManagerContract(options: KeyManagerContractOptions): readonly ContractCase[] {
  const { open, algorithms, extractable, durable = true } = options
  const first = algorithms[0] ?? 'P-256'
  let number = 0
  const nextId = (): string => `contract-${++number}-${Date.UTC(2026, 0)}`
  const withKeys = (test: (keys: KeyManager, id: string) => Promise<void>) => async (): Promise<void> => {
    await using keys = await open()
    await test(keys, nextId())
  }
  return [
    ...algorithms.map((algorithm) => ({
      name: `creates a key of ${algorithm} that signs`,
      run: withKeys((keys, id) => makes(keys, id, algorithm)),
    })),
    {
      name: 'refuses a second key with the same id',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        await refused('ERR_KEY_EXISTS', keys.generateKey(id, first))
        holds(
          (await keys.getSigner(id))?.publicKey.equals(made.publicKey) === true,
          'the refused call changed the key',
        )
      }),
    },
    {
      name: 'creates one key for two concurrent calls with the same id',
      run: withKeys((keys, id) => makesOne(keys, id, first)),
    },
    {
      name: 'refuses an unknown algorithm',
      run: withKeys(async (keys, id) => {
        for (const name of ['', 'P-224', 'RSA-1024', 'rsa-2048', 'toString', '__proto__'])
          await refused('ERR_KEY_UNSUPPORTED', keys.generateKey(id, name as KeyAlgorithm))
        holds((await keys.getSigner(id)) === undefined, 'a key was created nevertheless')
      }),
    },
    {
      name: 'finds only the keys that were created',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const found = await keys.getSigner(id)
        holds(found?.publicKey.equals(made.publicKey) === true, 'the signer found has another key')
        for (const other of [`${id}-other`, id.slice(0, -1)])
          holds(
            (await keys.getSigner(other)) === undefined,
            'found a signer for a key that was never generated',
          )
        for (const version of [0, 2, -1, 1.5, Number.NaN])
          holds(
            (await keys.getSigner(id, version)) === undefined,
            `found version ${version}, which was never generated`,
          )
      }),
    },
    {
      name: 'does not confuse keys with similar names',
      run: withKeys((keys, id) => keepsNamesApart(keys, id, first)),
    },
    {
      name: 'lists every version once',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await keys.rotateKey(id)
        const listed = await listedOf(keys, id)
        holds(
          JSON.stringify(listed.map(({ version, current, algorithm }) => [version, current, algorithm])) ===
            JSON.stringify([
              [1, false, first],
              [2, true, first],
            ]),
          'the list does not have one entry per version with the last one current',
        )
        holds(
          listed.every(({ created }) => created instanceof Date && !Number.isNaN(created.getTime())),
          'a version has no creation time',
        )
      }),
    },
    {
      name: 'lists by id, then by number: 10 comes after 9',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        for (let i = 0; i < 10; i++) await keys.rotateKey(id)
        const listed = await keys.listKeys()
        const sorted = [...listed].sort((a, b) =>
          a.id === b.id ? a.version - b.version : a.id < b.id ? -1 : 1,
        )
        holds(
          listed.every((one, at) => one === sorted[at]),
          'the list is not in order',
        )
        holds((await listedOf(keys, id)).at(-1)?.version === 11, 'the newest version is not the last')
        holds(
          (await keys.getSigner(id))?.publicKey.equals((await signerOf(keys, id, 11)).publicKey) === true,
          'the current version is not the highest number',
        )
        await keys.destroyKey(id)
      }),
    },
    {
      name: 'rotates: the new version signs, and the old one still signs',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        holds(!next.publicKey.equals(old.publicKey), 'the new version has the old key')
        holds(
          (await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true,
          'the current signer is not the new version',
        )
        await signs(old)
        await signs(next)
        await refused('ERR_KEY_NOT_FOUND', keys.rotateKey(`${id}-other`))
      }),
    },
    {
      name: 'returns each version by its number',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        for (const [version, made] of [
          [1, old],
          [2, next],
        ] as const) {
          const found = await signerOf(keys, id, version)
          holds(found.publicKey.equals(made.publicKey), `version ${version} does not have the created key`)
          await signs(found)
        }
      }),
    },
    {
      name: 'rotates once per call, also for concurrent calls',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        const made = await Promise.all([1, 2, 3, 4].map(() => keys.rotateKey(id)))
        const listed = await listedOf(keys, id)
        holds(
          JSON.stringify(listed.map(({ version }) => version)) === '[1,2,3,4,5]',
          'versions are lost, or two have the same number',
        )
        const found = await Promise.all([2, 3, 4, 5].map((version) => signerOf(keys, id, version)))
        for (const one of made)
          holds(
            found.some(({ publicKey }) => publicKey.equals(one.publicKey)),
            'a returned signer has a version that is not stored',
          )
      }),
    },
    {
      name: 'destroys one version, then all',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        await keys.destroyKey(id, 1)
        holds(
          (await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true,
          'the other version does not exist any more',
        )
        holds((await keys.getSigner(id, 1)) === undefined, 'a destroyed version is found')
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id, 1))
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id, 3))
        await keys.destroyKey(id)
        holds((await keys.getSigner(id)) === undefined, 'a destroyed key is found')
        holds((await listedOf(keys, id)).length === 0, 'a destroyed key is listed')
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id))
      }),
    },
    {
      name: 'does not reuse a version number while the key exists',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await keys.rotateKey(id)
        await keys.destroyKey(id, 2)
        const next = await keys.rotateKey(id)
        const listed = await listedOf(keys, id)
        holds(
          JSON.stringify(listed.map(({ version, current }) => [version, current])) ===
            JSON.stringify([
              [1, false],
              [3, true],
            ]),
          'the number of a destroyed version was reused',
        )
        holds((await keys.getSigner(id, 2)) === undefined, 'a destroyed version is found')
        holds(
          (await keys.getSigner(id, 3))?.publicKey.equals(next.publicKey) === true,
          'the listed version is not the created one',
        )
        await keys.destroyKey(id)
      }),
    },
    {
      name: 'refuses malformed ids',
      run: withKeys(async (keys) => {
        for (const id of ['', '../up', 'a/b', '.hidden', 'a\\b', 'a\0b', 'a\n', ' a', 'ä', 'x'.repeat(129)]) {
          await refused('ERR_INVALID_ARGUMENT', keys.generateKey(id, first))
          await refused('ERR_INVALID_ARGUMENT', keys.getSigner(id))
          await refused('ERR_INVALID_ARGUMENT', keys.rotateKey(id))
          await refused('ERR_INVALID_ARGUMENT', keys.destroyKey(id))
          await refused('ERR_INVALID_ARGUMENT', keys.backupKey(id, { passphrase: 'contract' }))
        }
      }),
    },
    {
      name: 'signs many inputs concurrently and correctly',
      run: withKeys(async (keys, id) => {
        const signer = await keys.generateKey(id, first)
        await Promise.all(Array.from({ length: 64 }, (_, i) => signs(signer, Buffer.from(`message ${i}`))))
      }),
    },
    {
      name: 'signs empty data, long data and a part of a buffer',
      run: withKeys(async (keys, id) => {
        const signer = await keys.generateKey(id, first)
        const whole = new Uint8Array(70_000).fill(7)
        for (const data of [
          new Uint8Array(0),
          whole,
          whole.subarray(3, 5),
          Buffer.from('a part of it').subarray(2, 6),
        ])
          await signs(signer, data)
      }),
    },
    {
      name: 'signs the data at the time of the call, even if the buffer changes later',
      run: withKeys(async (keys, id) => {
        const signer = await keys.generateKey(id, first)
        await Promise.all(
          Array.from({ length: 64 }, async (_, i) => {
            const asked = Buffer.from(`message ${i}`)
            const data = Uint8Array.from(asked)
            const signing = signer.sign(data)
            data.fill(0)
            holds(
              verifySignature(signer.publicKey, signer.signatureAlgorithm, asked, await signing),
              'the signature is over data that was written later',
            )
          }),
        )
      }),
    },
    ...(extractable ? leaves(algorithms, withKeys) : stays(first, withKeys)),
    {
      name: durable ? 'keeps its keys when it is opened again' : 'refuses every call once closed',
      run: async () => {
        const id = nextId()
        const before = await open()
        const made = await Promise.all(
          algorithms.map((algorithm, at) => before.generateKey(`${id}-${at}`, algorithm)),
        )
        const listed = await before.listKeys()
        const rotated = await before.rotateKey(`${id}-0`)
        await before[Symbol.asyncDispose]()
        await before[Symbol.asyncDispose]()
        await refusesAll(before, `${id}-0`, first, extractable)
        if (!durable) return
        await using after = await open()
        holds(
          (await after.getSigner(`${id}-0`))?.publicKey.equals(rotated.publicKey) === true,
          'the rotation was lost',
        )
        for (const [at, algorithm] of algorithms.entries()) {
          const found = await signerOf(after, `${id}-${at}`, 1)
          holds(found.publicKey.equals((made[at] as Signer).publicKey), 'the key does not exist any more')
          isOf(found, algorithm)
          await signs(found)
          const [was, is] = await Promise.all(
            [listed, after.listKeys()].map(async (list) =>
              (await list).find((one) => one.id === `${id}-${at}`),
            ),
          )
          holds(
            was?.created.getTime() === is?.created.getTime() && was?.algorithm === is?.algorithm,
            'a key is listed with other data than before',
          )
          await after.destroyKey(`${id}-${at}`)
        }
      },
    },
  ]
}

type WithKeys = (test: (keys: KeyManager, id: string) => Promise<void>) => () => Promise<void>

function leaves(algorithms: readonly KeyAlgorithm[], withKeys: WithKeys): ContractCase[] {
  const first = algorithms[0] ?? 'P-256'
  // A key pair in cases that do not test a passphrase: each passphrase takes a third of a second.
  const [right, wrong] = [
    { recipient: generateKeyPairSync('x25519').privateKey },
    { recipient: generateKeyPairSync('x25519').privateKey },
  ]
  const [passphrase, wrongPassphrase] = ['correct horse battery staple', 'incorrect pony battery staple']
  return [
    {
      name: 'creates a backup that restores the key',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { passphrase })
        await refused('ERR_KEY_EXISTS', keys.restoreKey(backup, { passphrase }))
        await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(backup, { passphrase: wrongPassphrase }))
        await keys.destroyKey(id)
        const restored = await keys.restoreKey(throughJson(backup), { passphrase })
        holds(restored.publicKey.equals(made.publicKey), 'another key was restored')
        await signs(restored)
        await refused('ERR_KEY_NOT_FOUND', keys.backupKey(`${id}-other`, right))
      }),
    },
    {
      name: 'creates a backup that only its recipient can decrypt',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { recipient: createPublicKey(right.recipient) })
        await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(backup, wrong))
        await refused('ERR_KEY_BACKUP', keys.restoreKey(backup, { passphrase }))
        await keys.destroyKey(id)
        holds(
          (await keys.restoreKey(throughJson(backup), right)).publicKey.equals(made.publicKey),
          'another key was restored',
        )
      }),
    },
    {
      name: 'restores an older key as the next version of its id',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, right)
        await keys.rotateKey(id)
        await keys.destroyKey(id, 1)
        const restored = await keys.restoreKey(backup, right)
        holds(restored.publicKey.equals(old.publicKey), 'another key was restored')
        holds(
          (await keys.getSigner(id))?.publicKey.equals(old.publicKey) === true,
          'the restored version is not current',
        )
        holds(
          JSON.stringify((await listedOf(keys, id)).map(({ version }) => version)) === '[2,3]',
          'the restored version has the number of another version',
        )
      }),
    },
    {
      name: 'restores each key with its algorithm',
      run: withKeys(async (keys, id) => {
        for (const algorithm of algorithms.filter((one) => one === first || one.startsWith('RSA-PSS'))) {
          const named = `${id}-${algorithm}`
          await keys.generateKey(named, algorithm)
          const backup = await keys.backupKey(named, right)
          await keys.destroyKey(named)
          isOf(await keys.restoreKey(backup, right), algorithm)
          isOf(await keys.rotateKey(named), algorithm)
          await keys.destroyKey(named)
        }
      }),
    },
    {
      name: 'refuses a changed backup',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, right)
        await keys.destroyKey(id)
        const other: KeyAlgorithm = first === 'P-384' ? 'P-256' : 'P-384'
        for (const changed of [
          { ...backup, algorithm: other },
          { ...backup, created: '2020-01-01T00:00:00.000Z' },
          { ...backup, keyId: `${id}-other` },
        ])
          await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(changed, right))
        for (const changed of [
          { ...backup, version: 2 as never },
          { ...backup, checksum: '' },
          { ...backup, algorithm: 'none' as never },
        ])
          await refused('ERR_KEY_BACKUP', keys.restoreKey(changed, right))
        holds(
          (await listedOf(keys, id)).length + (await listedOf(keys, `${id}-other`)).length === 0,
          'a key was restored nevertheless',
        )
        holds(
          (await keys.restoreKey(backup, right)).publicKey.equals(made.publicKey),
          'the backup cannot be decrypted any more',
        )
      }),
    },
    {
      name: 'does not reveal private keys or passphrases',
      run: withKeys(async (keys, id) => {
        const signer = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { passphrase })
        const failure: unknown = await keys
          .restoreKey(backup, { passphrase: wrongPassphrase })
          .catch((error: unknown) => error)
        const exported = (await openKeyBackup(backup, { passphrase })).export({ format: 'jwk' })
        const everything = [keys, signer, await keys.listKeys(), backup, failure]
        const shown =
          inspect(everything, { depth: 20, showHidden: true, showProxy: true, maxArrayLength: null }) +
          JSON.stringify(everything)
        for (const secret of [exported.d, exported.p, exported.q].filter((one) => one !== undefined)) {
          const octets = Buffer.from(secret, 'base64url')
          for (const form of [
            secret,
            octets.toString('hex'),
            octets.toString('base64'),
            octets.join(','),
            octets.toString('hex').replace(/..(?=.)/g, '$& '),
          ])
            holds(!shown.includes(form), 'the output contains the private key')
        }
        for (const one of [passphrase, wrongPassphrase])
          holds(!shown.includes(one), 'the output contains the passphrase')
      }),
    },
  ]
}

function stays(first: KeyAlgorithm, withKeys: WithKeys): ContractCase[] {
  return [
    {
      name: 'refuses a backup of a key that is not extractable',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await refused('ERR_KEY_NOT_EXTRACTABLE', keys.backupKey(id, { passphrase: 'contract' }))
        await refused('ERR_KEY_NOT_FOUND', keys.backupKey(`${id}-other`, { passphrase: 'contract' }))
      }),
    },
  ]
}

async function makes(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
  const made = await keys.generateKey(id, algorithm)
  for (const signer of [made, await signerOf(keys, id), await keys.rotateKey(id)]) {
    isOf(signer, algorithm)
    await signs(signer)
  }
  holds(
    (await listedOf(keys, id)).every((one) => one.algorithm === algorithm),
    'the key is listed as one of another algorithm',
  )
}

async function makesOne(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => keys.generateKey(id, algorithm)))
  const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  holds(made.length === 1, `${made.length} of four calls created the key`)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected')
      await refused('ERR_KEY_EXISTS', Promise.reject(outcome.reason as Error))
  holds(
    (await signerOf(keys, id)).publicKey.equals((made[0] as Signer).publicKey),
    'the returned key differs from the stored one',
  )
  holds((await listedOf(keys, id)).length === 1, 'there is more than one version')
}

async function keepsNamesApart(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
  const longest = `${id}-`.padEnd(128, 'x')
  const names = [id, `${id}-1`, `${id}.1`, `${id}_`, `${id}.pem`, longest]
  const made = new Map<string, Signer>()
  for (const name of names) made.set(name, await keys.generateKey(name, algorithm))
  await keys.destroyKey(id)
  for (const [name, signer] of made) {
    const found = await keys.getSigner(name)
    if (name === id) holds(found === undefined, 'a destroyed key is found')
    else holds(found?.publicKey.equals(signer.publicKey) === true, `the key ${name} was destroyed with ${id}`)
  }
  for (const name of names.slice(1)) await keys.destroyKey(name)
}

async function refusesAll(
  keys: KeyManager,
  id: string,
  algorithm: KeyAlgorithm,
  extractable: boolean,
): Promise<void> {
  const backup = { keyId: id } as EncryptedKeyBackup
  const calls = [
    () => keys.listKeys(),
    () => keys.getSigner(id),
    () => keys.generateKey(`${id}-new`, algorithm),
    () => keys.rotateKey(id),
    () => keys.destroyKey(id),
    () => keys.backupKey(id, { passphrase: 'contract' }),
    ...(extractable ? [() => keys.restoreKey(backup, { passphrase: 'contract' })] : []),
  ]
  for (const call of calls) await refused('ERR_CLOSED', call())
}

async function signerOf(keys: KeyManager, id: string, version?: number): Promise<Signer> {
  const found = await keys.getSigner(id, version)
  if (found === undefined) throw new Error(`no signer for ${id}, version ${version ?? 'current'}`)
  return found
}

async function listedOf(keys: KeyManager, id: string): Promise<Awaited<ReturnType<KeyManager['listKeys']>>> {
  return (await keys.listKeys()).filter((key) => key.id === id)
}

function isOf({ publicKey, signatureAlgorithm }: Signer, algorithm: KeyAlgorithm): void {
  holds(
    signatureAlgorithm === keyAlgorithms[algorithm],
    `a key of ${algorithm} signs with ${signatureAlgorithm}`,
  )
  holds(
    keyAlgorithmOf(publicKey, { pss: algorithm.startsWith('RSA-PSS') }) === algorithm,
    `a key of ${algorithm} has a public key of another type`,
  )
}

async function signs(signer: Signer, data: Uint8Array = Buffer.from('contract')): Promise<void> {
  holds(
    verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)),
    `the signature of ${signer.id} does not verify`,
  )
}

function throughJson(backup: EncryptedKeyBackup): EncryptedKeyBackup {
  return JSON.parse(JSON.stringify(backup)) as EncryptedKeyBackup
}
