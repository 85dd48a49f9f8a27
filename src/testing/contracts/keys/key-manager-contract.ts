// The contract of key managers, as cases for tests with any runner.

import type { KeyAlgorithm, KeyManager } from '../../../keys/index.ts'
import { verifySignature } from '../../../x509/index.ts'
import type { Signer } from '../../../x509/index.ts'
import { holds, refused } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { backupCases, unextractableCases } from './key-backup-cases.ts'
import {
  isOf,
  keepsNamesApart,
  listedOf,
  makes,
  makesOne,
  refusesAll,
  signerOf,
  signs,
} from './key-manager-checks.ts'
import { versionCases } from './key-version-cases.ts'

/** The tested implementation. */
export interface KeyManagerContractOptions {
  /** Opens the backend. If opened again, it has the same keys, unless `durable` is false. */
  readonly open: () => Promise<KeyManager>
  /** The supported algorithms; cases that need only one use the first. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** Whether keys can be exported as encrypted backups. */
  readonly extractable: boolean
  /** Whether keys persist after the manager is closed. Default true. */
  readonly durable?: boolean
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
      name: 'lists the versions of one key',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await keys.rotateKey(id)
        await keys.generateKey(`${id}-other`, first)
        const found = (await keys.listKeys(id)).map((key) => `${key.id} ${key.version} ${key.current}`)
        holds(found.join() === `${id} 1 false,${id} 2 true`, `the list of one key has ${found.join()}`)
        holds((await keys.listKeys(`${id}-none`)).length === 0, 'a key that does not exist has versions')
        await keys.destroyKey(`${id}-other`)
      }),
    },
    ...versionCases(first, withKeys),
    {
      name: 'refuses malformed ids',
      run: withKeys(async (keys) => {
        for (const id of ['', '../up', 'a/b', '.hidden', 'a\\b', 'a\0b', 'a\n', ' a', 'ä', 'x'.repeat(129)]) {
          await refused('ERR_INVALID_ARGUMENT', keys.generateKey(id, first))
          await refused('ERR_INVALID_ARGUMENT', keys.getSigner(id))
          await refused('ERR_INVALID_ARGUMENT', keys.listKeys(id))
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
    ...(extractable ? backupCases(algorithms, withKeys) : unextractableCases(first, withKeys)),
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
