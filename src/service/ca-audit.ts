// The audit log of a CA service: a key of its own, tiles as files, a checkpoint within a second of each
// decision.

import { createTileDirectory } from '../adapters/files/index.ts'
import { openAuditLog } from '../audit/index.ts'
import type { AuditLog } from '../audit/index.ts'
import type { CaStorage } from '../ca/index.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import type { KeyManager } from '../keys/index.ts'
import type { Signer } from '../x509/index.ts'
import type { ReadCaServiceOptions } from './ca-service-options.ts'

/**
 * Opens the log in `audit/` of the directory. Its key `audit` is Ed25519, as signed notes require.
 *
 * @throws ERR_KEY_UNSUPPORTED if the keys are in a token without Ed25519; ERR_NOTE_INVALID, ERR_AUDIT_LOG
 */
export async function openServiceAudit(
  directory: string,
  {
    trustDomain,
    clock,
    logger,
    auditSinks,
  }: Pick<ReadCaServiceOptions, 'trustDomain' | 'clock' | 'logger' | 'auditSinks'>,
  keys: KeyManager,
  storage: CaStorage,
): Promise<AuditLog> {
  const signer = await auditKey(keys)
  try {
    return await openAuditLog({
      origin: `${trustDomain.name}/audit`,
      signer,
      entries: storage.audit,
      tiles: createTileDirectory(directory),
      sinks: auditSinks,
      ...{ clock, logger },
    })
  } catch (error) {
    throw inDirectory(directory, error)
  }
}

/** Adds to an error the directory of the tiles, and that they can be rebuilt from the store. */
function inDirectory(directory: string, error: unknown): unknown {
  if (!isPkiError(error, 'ERR_AUDIT_LOG') && !isPkiError(error, 'ERR_NOTE_INVALID')) return error
  return new PkiError(
    error.code,
    `${directory}: ${error.message}. Rename the directory and keep it as evidence: the next start then ` +
      'rebuilds the log from the store, which must be the latest one',
    { cause: error },
  )
}

async function auditKey(keys: KeyManager): Promise<Signer> {
  const existing = await keys.getSigner('audit')
  if (existing !== undefined) return existing
  try {
    return await keys.generateKey('audit', 'Ed25519')
  } catch (error) {
    // Another process of this CA has made it since.
    const made = isPkiError(error, 'ERR_KEY_EXISTS') ? await keys.getSigner('audit') : undefined
    if (made === undefined) throw error
    return made
  }
}
