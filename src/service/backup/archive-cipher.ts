// The encryption of an archive as a stream: AES-256-GCM in chunks, each bound to its place and to the header,
// so that a changed, missing, moved or added chunk is found.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { PkiError } from '../../errors/index.ts'
import { decodeBase64 } from '../../internal/encodings/base64.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import { deriveKey, isAffordable } from '../../internal/passphrase.ts'
import type { ScryptCost } from '../../internal/passphrase.ts'

// A file is: the magic line; the length of the header in four octets; the header, JSON; SHA-256 of all that;
// chunks. A chunk is at most `chunkOctets` octets, encrypted, and a tag of 16. Its nonce is its number from 0
// in eleven octets, and 1 for the last chunk, 0 for the others (the STREAM construction, as in age); the
// header's hash is authenticated with it. The key is used for one archive: it comes from the passphrase and a
// random salt.

/** Writes the plaintext of an archive. */
export class ArchiveWriter {
  readonly #file: FileHandle
  readonly #key: Buffer
  readonly #headerHash: Buffer
  readonly #held = Buffer.allocUnsafe(chunkOctets)
  #length = 0
  #chunk = 0
  /** Octets of the file so far. */
  octets = 0

  private constructor(file: FileHandle, key: Buffer, headerHash: Buffer) {
    this.#file = file
    this.#key = key
    this.#headerHash = headerHash
  }

  static async begin(file: FileHandle, passphrase: string | Uint8Array): Promise<ArchiveWriter> {
    const salt = randomBytes(16)
    const secret = await deriveKey(passphrase, salt, scryptCost, 'ERR_BACKUP_DAMAGED')
    const { key, check } = keysOf(secret)
    const header = { ...scryptCost, salt: salt.toString('base64'), check: check.toString('base64') }
    const json = Buffer.from(JSON.stringify(header))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(json.length)
    const prefix = Buffer.concat([magic, length, json])
    const headerHash = createHash('sha256').update(prefix).digest()
    const writer = new ArchiveWriter(file, key, headerHash)
    await writer.#writeAll(Buffer.concat([prefix, headerHash]))
    return writer
  }

  async write(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length;) {
      // A full chunk is held until it is certain that it is not the last.
      if (this.#length === chunkOctets) await this.#writeChunk(false)
      const part = octets.subarray(at, at + chunkOctets - this.#length)
      this.#held.set(part, this.#length)
      this.#length += part.length
      at += part.length
    }
  }

  /** Writes the last chunk; nothing may follow. */
  async end(): Promise<void> {
    await this.#writeChunk(true)
    this.#key.fill(0)
  }

  async #writeChunk(isLast: boolean): Promise<void> {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#chunk++, isLast))
    cipher.setAAD(this.#headerHash)
    const sealed = [cipher.update(this.#held.subarray(0, this.#length)), cipher.final(), cipher.getAuthTag()]
    this.#length = 0
    await this.#writeAll(Buffer.concat(sealed))
  }

  async #writeAll(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length;)
      at += (await this.#file.write(octets, at, octets.length - at)).bytesWritten
    this.octets += octets.length
  }
}

/** The plaintext of an archive, chunk by chunk: every returned chunk was authenticated. */
export async function* readArchive(
  file: FileHandle,
  passphrase: string | Uint8Array,
): AsyncGenerator<Buffer> {
  const { key, headerHash } = await readHeader(file, passphrase)
  try {
    let sealed = await readUpTo(file, sealedOctets)
    for (let chunk = 0; ; chunk++) {
      const next = sealed.length < sealedOctets ? Buffer.alloc(0) : await readUpTo(file, sealedOctets)
      const isLast = next.length === 0
      yield openChunk(sealed, key, headerHash, chunk, isLast)
      if (isLast) return
      sealed = next
    }
  } finally {
    key.fill(0)
  }
}

async function readHeader(
  file: FileHandle,
  passphrase: string | Uint8Array,
): Promise<{ readonly key: Buffer; readonly headerHash: Buffer }> {
  const start = await readUpTo(file, magic.length + 4)
  if (start.length < magic.length + 4 || !start.subarray(0, magic.length).equals(magic))
    throw damaged('it does not begin as a backup of version 1')
  const length = start.readUInt32BE(magic.length)
  if (length > maxHeaderOctets) throw damaged(`its header has ${length} octets`)
  const json = await readUpTo(file, length)
  const hash = await readUpTo(file, 32)
  const headerHash = createHash('sha256').update(start).update(json).digest()
  if (!headerHash.equals(hash)) throw damaged('its header was changed')
  const { cost, salt, check } = parseHeader(json)
  if (!isAffordable(cost, scryptCost)) throw damaged('its scrypt parameters are out of range')
  const keys = keysOf(await deriveKey(passphrase, salt, cost, 'ERR_BACKUP_DAMAGED'))
  if (check.length !== 32 || !timingSafeEqual(keys.check, check))
    throw new PkiError('ERR_KEY_PASSPHRASE', 'the passphrase does not decrypt the backup')
  return { key: keys.key, headerHash }
}

function parseHeader(json: Buffer): { cost: ScryptCost; salt: Uint8Array; check: Uint8Array } {
  const header = parseJson(json, { maxBytes: maxHeaderOctets })
  const { N, r, p, salt, check } = isJsonObject(header) ? header : {}
  if (typeof N !== 'number' || typeof r !== 'number' || typeof p !== 'number')
    throw damaged('its header has no scrypt parameters')
  if (typeof salt !== 'string' || typeof check !== 'string') throw damaged('its header has no salt')
  return { cost: { N, r, p }, salt: decodeBase64(salt), check: decodeBase64(check) }
}

function openChunk(sealed: Buffer, key: Buffer, headerHash: Buffer, chunk: number, isLast: boolean): Buffer {
  if (sealed.length < 16) throw damaged(`chunk ${chunk} is cut off`)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(chunk, isLast))
    decipher.setAAD(headerHash)
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
  } catch {
    throw damaged(`chunk ${chunk} was changed or moved, or the file is truncated after it`)
  }
}

/**
 * Two keys from one derivation: one for the chunks, and one to distinguish a wrong passphrase from damage.
 */
function keysOf(secret: Buffer): { readonly key: Buffer; readonly check: Buffer } {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'spiffe-pki backup v1 chunks', 32))
  const checkKey = Buffer.from(hkdfSync('sha256', secret, '', 'spiffe-pki backup v1 check', 32))
  secret.fill(0)
  return { key, check: createHmac('sha256', checkKey).update('passphrase').digest() }
}

function nonceOf(chunk: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(chunk, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

/** Reads this many octets; fewer only at the end of the file. */
async function readUpTo(file: FileHandle, octets: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(octets)
  let length = 0
  while (length < octets) {
    const { bytesRead } = await file.read(buffer, length, octets - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

/** The error for a damaged archive. */
export function damaged(what: string): PkiError {
  return new PkiError('ERR_BACKUP_DAMAGED', `the backup cannot be used: ${what}`)
}

const magic = Buffer.from('spiffe-pki backup 1\n')
const chunkOctets = 64 * 1024
const sealedOctets = chunkOctets + 16
const maxHeaderOctets = 4096
/** 128 MiB and about a third of a second for each guess, as for backups of keys. */
const scryptCost: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
