// A restoration for trial: into a scratch directory, with a signature by every key and a proof of the audit
// log.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileKeyManager, createTileDirectory } from '../../adapters/files/index.ts'
import { createSqliteStorage } from '../../adapters/sqlite/index.ts'
import { openAuditLog, verifyAuditLog } from '../../audit/index.ts'
import type { CaStorage } from '../../ca/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { KeyManager } from '../../keys/index.ts'
import { systemClock } from '../../runtime/index.ts'
import { Certificate, verifySignature } from '../../x509/index.ts'
import type { Signer } from '../../x509/index.ts'
import { damaged } from './archive-cipher.ts'
import type { PassphraseSource } from './create-backup.ts'
import { systemError } from '../system-error.ts'
import { checkRequirements, requirementKinds, restoreBackup } from './restore-backup.ts'
import type { BackupRequirements, RestoredBackup } from './restore-backup.ts'

/** Options of `verifyBackup`. @inline */
export interface VerifyBackupOptions extends BackupRequirements {
  /** The passphrase of the key files. Default: `passphrase`. */
  readonly keyPassphrase?: PassphraseSource
  /** The keys of a CA that does not keep them in files. */
  readonly keys?: KeyManager
  /** The parent of the scratch directory. Default: the system's directory for temporary files. */
  readonly scratchDirectory?: string | undefined
}

/** The result of a verification. Frozen. @inline */
export interface VerifiedBackup extends RestoredBackup {
  /** The number of certificate records; all were read. */
  readonly certificates: number
  /** The keys that signed: `<id> <version>`. */
  readonly keys: readonly string[]
}

/**
 * Restores a backup into a scratch directory, reads every record, signs with every key that its authorities
 * have, builds the audit log again, and verifies it against the checkpoint of the backup. The scratch
 * directory is removed. The CA of the backup may run meanwhile.
 *
 * @throws as `restoreBackup`; ERR_KEY_NOT_FOUND, ERR_STORE_OWNER for a key that is not that of its
 * certificate, ERR_STORE_CORRUPT, ERR_AUDIT_LOG
 * @example
 * ```ts
 * const backup = { path: '/backup/ca-2026-11-30', passphrase: readPassphrase }
 * const { certificates, auditSize } = await verifyBackup(backup)
 * ```
 */
export async function verifyBackup(options: VerifyBackupOptions): Promise<VerifiedBackup> {
  const read = readOptions<VerifyBackupOptions>('verifyBackup', options, {
    ...requirementKinds,
    keyPassphrase: 'guard',
    keys: 'guard',
    scratchDirectory: 'optional',
  })
  checkRequirements('verifyBackup', read)
  const { keyPassphrase, keys: given, scratchDirectory = tmpdir(), ...requirements } = read
  const scratch = await mkdtemp(join(scratchDirectory, 'verify-backup-')).catch((error: unknown) => {
    throw systemError('verifyBackup cannot make a directory', error, scratchDirectory)
  })
  const directory = join(scratch, 'ca')
  try {
    const restored = await restoreBackup({ ...requirements, directory })
    const { clock = systemClock, workerModule, passphrase } = requirements
    await using storage = await createSqliteStorage({
      path: join(directory, 'ca.sqlite'),
      owner: restored.trustDomain.name,
      ...{ clock, workerModule },
    })
    const keys = given ?? (await openKeyFiles(directory, restored, keyPassphrase ?? passphrase))
    try {
      const certificates = await countRecords(storage)
      const signed = await signWithEach(storage, keys)
      if (restored.checkpoint !== undefined) await proveLog(directory, restored, storage, keys)
      return Object.freeze({ ...restored, certificates, keys: Object.freeze(signed) })
    } finally {
      if (given === undefined) await keys[Symbol.asyncDispose]()
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function openKeyFiles(
  directory: string,
  { hasKeyFiles }: RestoredBackup,
  passphrase: PassphraseSource,
): Promise<KeyManager> {
  if (hasKeyFiles) return FileKeyManager.open({ directory: join(directory, 'keys'), passphrase })
  throw new PkiError(
    'ERR_KEY_NOT_FOUND',
    'verifyBackup: the backup has no key files; give the `keys` that the CA was opened with',
  )
}

async function countRecords({ certificates }: CaStorage): Promise<number> {
  let [count, after] = [0, undefined as string | undefined]
  do {
    const page = await certificates.query({ limit: 1000, after })
    count += page.items.length
    after = page.next
  } while (after !== undefined)
  return count
}

/** Signs random octets with the key of every authority, and verifies each signature with its certificate. */
async function signWithEach({ authorities }: CaStorage, keys: KeyManager): Promise<string[]> {
  const signed: string[] = []
  for (const { keyId, keyVersion, certificate: der, state } of await authorities.list()) {
    const name = `${keyId} ${keyVersion}`
    const certificate = Certificate.parse(der)
    const signer = await keys.getSigner(keyId, keyVersion)
    if (signer === undefined) {
      // The key of an authority that has ended may have been destroyed.
      if (state === 'retired' || state === 'revoked') continue
      throw new PkiError(
        'ERR_KEY_NOT_FOUND',
        `the key ${name} of ${certificate.subject.toString()} is missing`,
      )
    }
    if (!(await canSign(signer, certificate)))
      throw new PkiError(
        'ERR_STORE_OWNER',
        `the key ${name} is not that of ${certificate.subject.toString()}`,
      )
    signed.push(name)
  }
  if (signed.length === 0) throw damaged('its store has no authority with a key')
  return signed
}

async function canSign(signer: Signer, { publicKey }: Certificate): Promise<boolean> {
  const data = Buffer.concat([Buffer.from('spiffe-pki verification of a backup\n'), randomBytes(32)])
  const signature = await signer.sign(Uint8Array.from(data))
  return (
    publicKey.equals(signer.publicKey) &&
    verifySignature(publicKey, signer.signatureAlgorithm, data, signature)
  )
}

/**
 * Builds the log from the store, and checks that it extends the checkpoint of the backup. @throws
 * ERR_AUDIT_LOG
 */
async function proveLog(
  directory: string,
  { trustDomain, checkpoint }: RestoredBackup,
  storage: CaStorage,
  keys: KeyManager,
): Promise<void> {
  const signer = await keys.getSigner('audit')
  if (signer === undefined) throw new PkiError('ERR_KEY_NOT_FOUND', 'the key audit is missing')
  const tiles = createTileDirectory(join(directory, 'audit'))
  const origin = `${trustDomain.name}/audit`
  const log = await openAuditLog({ origin, signer, entries: storage.audit, tiles })
  await log.integrate()
  const seen = checkpoint as string
  const { ok, findings } = await verifyAuditLog({ tiles, key: log.key, seen, entries: storage.audit })
  if (!ok)
    throw new PkiError('ERR_AUDIT_LOG', `the audit log of the backup: ${findings[0]?.message ?? 'differs'}`)
}
