// The checks in the contract of key managers.

import { keyAlgorithmOf, keyAlgorithms } from '../../../keys/internal.ts'
import type { EncryptedKeyBackup, KeyAlgorithm, KeyManager } from '../../../keys/index.ts'
import { verifySignature } from '../../../x509/index.ts'
import type { Signer } from '../../../x509/index.ts'
import { holds, refused } from '../contract-case.ts'

/** Runs a case with an open manager and an id of its own. */
export type WithKeys = (test: (keys: KeyManager, id: string) => Promise<void>) => () => Promise<void>

export async function makes(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
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

export async function makesOne(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
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

export async function keepsNamesApart(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<void> {
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

export async function refusesAll(
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

export async function signerOf(keys: KeyManager, id: string, version?: number): Promise<Signer> {
  const found = await keys.getSigner(id, version)
  if (found === undefined) throw new Error(`no signer for ${id}, version ${version ?? 'current'}`)
  return found
}

export async function listedOf(
  keys: KeyManager,
  id: string,
): Promise<Awaited<ReturnType<KeyManager['listKeys']>>> {
  return (await keys.listKeys()).filter((key) => key.id === id)
}

export function isOf({ publicKey, signatureAlgorithm }: Signer, algorithm: KeyAlgorithm): void {
  holds(
    signatureAlgorithm === keyAlgorithms[algorithm],
    `a key of ${algorithm} signs with ${signatureAlgorithm}`,
  )
  holds(
    keyAlgorithmOf(publicKey, { pss: algorithm.startsWith('RSA-PSS') }) === algorithm,
    `a key of ${algorithm} has a public key of another type`,
  )
}

export async function signs(signer: Signer, data: Uint8Array = Buffer.from('contract')): Promise<void> {
  holds(
    verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)),
    `the signature of ${signer.id} does not verify`,
  )
}
