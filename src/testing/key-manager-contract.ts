// What every key manager does: cases for the tests of your own, whatever runner they use.

import { isPkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import type { KeyAlgorithm, KeyManager } from '../keys/index.ts'
import { verifySignature } from '../x509/index.ts'
import type { Signer } from '../x509/index.ts'

/** One case: it passes when `run` resolves. */
export interface ContractCase {
  readonly name: string
  /** Resolves where the backend keeps this part of the contract; rejects with what it did instead. */
  readonly run: () => Promise<void>
}

/** What is tested. */
export interface KeyManagerContractOptions {
  /** Opens the backend. Opened again, it has what it had, unless `durable` is false. */
  readonly open: () => Promise<KeyManager>
  readonly algorithms: readonly KeyAlgorithm[]
  /** Whether keys may leave it as an encrypted backup. */
  readonly extractable: boolean
  /** Whether keys outlive the manager. Default true. */
  readonly durable?: boolean | undefined
}

/**
 * The contract of `KeyManager` as cases.
 *
 * @example
 * ```ts
 * for (const { name, run } of keyManagerContract({ open, algorithms: ['P-256'], extractable: false })) it(name, run)
 * ```
 */
export function keyManagerContract(options: KeyManagerContractOptions): readonly ContractCase[] {
  const { open, algorithms, extractable, durable = true } = options
  const [first = 'P-256'] = algorithms
  let number = 0
  const withKeys = (test: (keys: KeyManager, id: string) => Promise<void>) => async (): Promise<void> => {
    await using keys = await open()
    await test(keys, `contract-${++number}-${Date.UTC(2026, 0)}`)
  }
  return [
    ...algorithms.map((algorithm) => ({ name: `makes a key of ${algorithm} that signs`, run: withKeys(async (keys, id) => signs(await keys.generateKey(id, algorithm))) })),
    { name: 'makes no second key of one id', run: withKeys(async (keys, id) => {
      await keys.generateKey(id, first)
      await refused('ERR_KEY_EXISTS', keys.generateKey(id, first))
    }) },
    { name: 'finds what it made, and nothing else', run: withKeys(async (keys, id) => {
      const made = await keys.generateKey(id, first)
      const found = await keys.getSigner(id)
      holds(found?.publicKey.equals(made.publicKey) === true, 'the signer found has another key')
      holds((await keys.getSigner(`${id}-other`)) === undefined, 'a signer was found that nobody made')
    }) },
    { name: 'lists every version once', run: withKeys(async (keys, id) => {
      await keys.generateKey(id, first)
      await keys.rotateKey(id)
      const listed = (await keys.listKeys()).filter((key) => key.id === id)
      holds(JSON.stringify(listed.map(({ version, current, algorithm }) => [version, current, algorithm])) === JSON.stringify([[1, false, first], [2, true, first]]), 'the list is not one line a version, the last current')
    }) },
    { name: 'rotates: the new version signs, the old one still does', run: withKeys(async (keys, id) => {
      const old = await keys.generateKey(id, first)
      const next = await keys.rotateKey(id)
      holds(!next.publicKey.equals(old.publicKey), 'the new version has the old key')
      holds((await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true, 'the current signer is not the new version')
      await signs(old)
      await signs(next)
      await refused('ERR_KEY_NOT_FOUND', keys.rotateKey(`${id}-other`))
    }) },
    { name: 'destroys one version, then all', run: withKeys(async (keys, id) => {
      await keys.generateKey(id, first)
      const next = await keys.rotateKey(id)
      await keys.destroyKey(id, 1)
      holds((await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true, 'the version that was kept is gone')
      await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id, 1))
      await keys.destroyKey(id)
      holds((await keys.getSigner(id)) === undefined, 'a destroyed key is found')
      await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id))
    }) },
    { name: 'gives no version number twice while a key stands', run: withKeys(async (keys, id) => {
      await keys.generateKey(id, first)
      await keys.rotateKey(id)
      await keys.destroyKey(id, 2)
      const next = await keys.rotateKey(id)
      const listed = (await keys.listKeys()).filter((key) => key.id === id)
      holds(JSON.stringify(listed.map(({ version, current }) => [version, current])) === JSON.stringify([[1, false], [3, true]]), 'the number of a destroyed version was given again')
      holds((await keys.getSigner(id, 2)) === undefined, 'a destroyed version is found')
      holds((await keys.getSigner(id, 3))?.publicKey.equals(next.publicKey) === true, 'the version listed is not the one that was made')
      await keys.destroyKey(id)
    }) },
    { name: 'refuses ids that are no names', run: withKeys(async (keys) => {
      for (const id of ['', '../up', 'a/b', '.hidden']) await refused('ERR_INVALID_ARGUMENT', keys.generateKey(id, first))
    }) },
    { name: 'signs many at a time, each right', run: withKeys(async (keys, id) => {
      const signer = await keys.generateKey(id, first)
      await Promise.all(Array.from({ length: 64 }, (_, i) => signs(signer, Buffer.from(`message ${i}`))))
    }) },
    extractable ? { name: 'gives a backup that restores the key', run: withKeys(async (keys, id) => {
      const made = await keys.generateKey(id, first)
      const backup = await keys.backupKey(id, { passphrase: 'contract' })
      await refused('ERR_KEY_EXISTS', keys.restoreKey(backup, { passphrase: 'contract' }))
      await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(backup, { passphrase: 'wrong' }))
      await keys.destroyKey(id)
      const restored = await keys.restoreKey(backup, { passphrase: 'contract' })
      holds(restored.publicKey.equals(made.publicKey), 'another key was restored')
      await signs(restored)
    }) } : { name: 'gives no backup of a key that may not leave', run: withKeys(async (keys, id) => {
      await keys.generateKey(id, first)
      await refused('ERR_KEY_NOT_EXTRACTABLE', keys.backupKey(id, { passphrase: 'contract' }))
    }) },
    { name: durable ? 'has its keys when it is opened again' : 'is of no use once closed', run: async () => {
      const id = `contract-again-${++number}`
      const before = await open()
      const made = await before.generateKey(id, first)
      await before[Symbol.asyncDispose]()
      await refused('ERR_CLOSED', before.listKeys())
      if (!durable) return
      await using after = await open()
      const found = await after.getSigner(id)
      holds(found?.publicKey.equals(made.publicKey) === true, 'the key is not there any more')
      await signs(found as Signer)
      await after.destroyKey(id)
    } },
  ]
}

async function signs(signer: Signer, data: Uint8Array = Buffer.from('contract')): Promise<void> {
  holds(verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)), `the signature of ${signer.id} does not verify`)
}

async function refused(code: PkiErrorCode, attempt: Promise<unknown>): Promise<void> {
  const outcome = await attempt.then(() => 'it was done', (error: unknown) => error)
  if (!isPkiError(outcome, code)) throw new Error(`${code} is wanted, found: ${outcome instanceof Error ? outcome.message : String(outcome)}`, { cause: outcome })
}

function holds(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}
