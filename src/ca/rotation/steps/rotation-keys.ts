// The keys of the authorities of one name: a new version for each, and the key that an interrupted start has
// left.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { KeyAlgorithm, KeyManager } from '../../../keys/index.ts'
import type { Signer } from '../../../x509/index.ts'
import type { HeldAuthority } from '../held-authority.ts'

/** A key that is in no recorded certificate. */
export interface UnusedKey {
  readonly signer: Signer
  readonly version: number
  /** Whether it was made by this call. */
  readonly isNew: boolean
}

/**
 * A key that is in no recorded certificate: that of an interrupted attempt, or a new one. So restarts do not
 * accumulate keys. Only a version above all recorded ones is used, because a lower one may have signed.
 */
export async function unusedKey(
  keys: KeyManager,
  id: string,
  algorithm: KeyAlgorithm,
  held: readonly HeldAuthority[],
): Promise<UnusedKey> {
  const newest = Math.max(0, ...held.map(({ record }) => record.keyVersion))
  const versionsOf = async (): Promise<number[]> =>
    (await keys.listKeys(id)).filter((key) => key.id === id).map((key) => key.version)
  const before = await versionsOf()
  let version = before.findLast((one) => one > newest)
  let isNew = version === undefined
  if (version === undefined) {
    if (before.length > 0) await keys.rotateKey(id)
    else isNew = await generated(keys, id, algorithm)
    version = Math.max(...(await versionsOf()))
  }
  const signer = await keys.getSigner(id, version)
  if (signer !== undefined) return { signer, version, isNew }
  throw new PkiError('ERR_KEY_NOT_FOUND', `the key ${id} (version ${version}) is listed but does not exist`)
}

/** False if another process that starts at the same time has made it; then both use this key. */
async function generated(keys: KeyManager, id: string, algorithm: KeyAlgorithm): Promise<boolean> {
  try {
    await keys.generateKey(id, algorithm)
    return true
  } catch (error) {
    if (isPkiError(error, 'ERR_KEY_EXISTS')) return false
    throw error
  }
}

/** The key of a recorded authority. @throws ERR_KEY_NOT_FOUND; ERR_STORE_OWNER if it is another key */
export async function signerOf(keys: KeyManager, { record, certificate }: HeldAuthority): Promise<Signer> {
  const { keyId, keyVersion } = record
  const signer = await keys.getSigner(keyId, keyVersion)
  const name = `${keyId} (version ${keyVersion})`
  if (signer === undefined)
    throw new PkiError(
      'ERR_KEY_NOT_FOUND',
      `the store has the certificate ${certificate.subject.toString()}; its key ${name} is missing: ` +
        'restore it from a backup',
    )
  if (!signer.publicKey.equals(certificate.publicKey))
    throw new PkiError(
      'ERR_STORE_OWNER',
      `the key ${name} is not that of the certificate ${certificate.subject.toString()} in the store: ` +
        'one of them belongs to another CA',
    )
  return signer
}
