// The first entry of an archive: its CA, its time, and the contents of the CA.

import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import { damaged } from './archive-cipher.ts'

/** One key of the CA. Without `keys/` in the archive it is a reference to a key in a token. */
export interface BackedUpKey {
  readonly id: string
  readonly version: number
  readonly algorithm: string
  /** SubjectPublicKeyInfo, base64. */
  readonly publicKey: string
}

/** The description of an archive, which is part of it. */
export interface BackupManifest {
  readonly version: 1
  readonly trustDomain: string
  /** ISO 8601. */
  readonly created: string
  /** The schema of the store. */
  readonly schema: number
  /** The audit log at that time; null if it is off. `checkpoint` is the signed note. */
  readonly audit: { readonly size: number; readonly checkpoint: string } | null
  /** `files`: the encrypted key files are in the archive. */
  readonly keyStorage: 'files' | 'reference'
  readonly keys: readonly BackedUpKey[]
}

/** @throws ERR_BACKUP_DAMAGED */
export function parseManifest(octets: Uint8Array): BackupManifest {
  let json: JsonValue
  try {
    json = parseJson(octets, { maxBytes: maxManifestOctets })
  } catch (cause) {
    throw damaged(`its manifest is not JSON: ${cause instanceof Error ? cause.message.slice(0, 100) : ''}`)
  }
  if (!isJsonObject(json) || json['version'] !== 1) throw damaged('its manifest is not of version 1')
  const { trustDomain, created, schema, keyStorage, keys } = json
  const isTime = typeof created === 'string' && !Number.isNaN(Date.parse(created))
  if (typeof trustDomain !== 'string' || !isTime || !Number.isSafeInteger(schema))
    throw damaged('its manifest has no trust domain, time or schema')
  if (keyStorage !== 'files' && keyStorage !== 'reference')
    throw damaged('its manifest does not state where the keys are')
  if (!Array.isArray(keys)) throw damaged('its manifest has no keys')
  return {
    version: 1,
    ...{ trustDomain, created, schema: schema as number, keyStorage },
    audit: auditOf(json),
    keys: (keys as readonly JsonValue[]).map(keyOf),
  }
}

function auditOf({ audit }: JsonObject): BackupManifest['audit'] {
  if (audit === null) return null
  const { size, checkpoint } = isJsonObject(audit) ? audit : {}
  if (Number.isSafeInteger(size) && typeof checkpoint === 'string')
    return { size: size as number, checkpoint }
  throw damaged('its manifest has no audit log')
}

function keyOf(key: JsonValue): BackedUpKey {
  const { id, version, algorithm, publicKey } = isJsonObject(key) ? key : {}
  if (typeof id === 'string' && Number.isSafeInteger(version) && typeof algorithm === 'string')
    if (typeof publicKey === 'string') return { id, version: version as number, algorithm, publicKey }
  throw damaged('its manifest has a key without id, version, algorithm or public key')
}

/** The name of the entry. */
export const manifestName = 'manifest.json'
export const maxManifestOctets: number = 16 * 1024 * 1024
