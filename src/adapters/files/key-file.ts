// The text of a key file: description of the key, MAC, and encrypted key.

import type { KeyObject } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { decodeBase64, encodeBase64 } from '../../internal/encodings/base64.ts'
import { decodeOnePem, encodePem, foundLabels } from '../../internal/pem.ts'
import { SoftwareSigner, importPrivateKey } from '../../keys/index.ts'
import { isKeyAlgorithm } from '../../keys/internal.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import { decryptPrivateKey, encryptPrivateKey } from './encrypted-private-key.ts'

/** The path of a key file, which the MAC covers. */
export interface KeyPlace {
  readonly id: string
  readonly version: number
}

/** The description above the encrypted key. It is not verified before the key is decrypted. */
export interface KeyFileHeader {
  readonly algorithm: KeyAlgorithm
  readonly created: Date
  readonly mac: Uint8Array
  /** The whole file. */
  readonly text: string
  /** The path from which it was read; undefined for a file that is being written. */
  readonly path?: string | undefined
}

/** A decrypted key file. */
export interface OpenedKeyFile extends KeyFileHeader {
  readonly signer: SoftwareSigner
}

/** The text of a new file. @throws ERR_INVALID_ARGUMENT for a passphrase that is not allowed */
export async function writeKeyFile(
  place: KeyPlace,
  key: KeyObject,
  about: Pick<KeyFileHeader, 'algorithm' | 'created'>,
  passphrase: string | Uint8Array,
): Promise<OpenedKeyFile> {
  const { algorithm, created } = about
  const { der, mac } = await encryptPrivateKey(key, passphrase, description(place, algorithm, created))
  const signer = new SoftwareSigner(key, { id: place.id, pss: algorithm.startsWith('RSA-PSS') })
  return { algorithm, created, mac, text: textOf(algorithm, created, mac, der), signer }
}

/** Reads the description above the key. @throws ERR_KEY_STORAGE */
export function readKeyFileHeader(path: string, text: string): KeyFileHeader {
  const [, algorithm = '', created = '', mac = ''] = headerPattern.exec(text) ?? []
  if (!isKeyAlgorithm(algorithm) || Number.isNaN(Date.parse(created))) throw foreign(path, text)
  return { algorithm, created: new Date(created), mac: decodeBase64(mac), text, path }
}

/**
 * Decrypts the key and verifies the MAC.
 * @throws ERR_KEY_STORAGE for a changed file; ERR_KEY_PASSPHRASE, ERR_KEY_MALFORMED
 */
export async function openKeyFile(
  place: KeyPlace,
  header: KeyFileHeader,
  passphrase: string | Uint8Array,
): Promise<OpenedKeyFile> {
  const { algorithm, created, mac, text, path = `the file of key ${place.id}` } = header
  try {
    const der = decodeOnePem(text, ['ENCRYPTED PRIVATE KEY'], maxKeyFileOctets)
    if (textOf(algorithm, created, mac, der) !== text) throw foreign(path, text)
    const about = description(place, algorithm, created)
    const key = importPrivateKey(await decryptPrivateKey({ der, mac }, passphrase, about))
    const signer = new SoftwareSigner(key, { id: place.id, pss: algorithm.startsWith('RSA-PSS') })
    if (signer.algorithm !== algorithm) throw foreign(path, text)
    return { ...header, signer }
  } catch (cause) {
    throw inFile(path, cause)
  }
}

/** Names the file in the message. */
function inFile(path: string, cause: unknown): unknown {
  if (!isPkiError(cause) || cause.message.startsWith(path)) return cause
  const advice = cause.code === 'ERR_KEY_PASSPHRASE' ? otherCauses : ''
  return new PkiError(cause.code, `${path}: ${cause.message}${advice}`, { cause })
}

/** Anchored at both ends: no other text may be in the file. */
function textOf(algorithm: KeyAlgorithm, created: Date, mac: Uint8Array, der: Uint8Array): string {
  const header = `algorithm: ${algorithm}\ncreated: ${created.toISOString()}\nmac: ${encodeBase64(mac)}\n`
  return `${header}${encodePem('ENCRYPTED PRIVATE KEY', der)}`
}

/** The data that the MAC covers besides the key. */
function description({ id, version }: KeyPlace, algorithm: KeyAlgorithm, created: Date): string {
  return `${id}/${version}\n${algorithm}\n${created.toISOString()}\n`
}

function foreign(path: string, text: string): PkiError {
  return new PkiError(
    'ERR_KEY_STORAGE',
    `${path} was not written by this key manager, or was changed${whatItIs(text)}: restore it from a backup`,
  )
}

/** What an operator may have put in the place of a key file, or done to it. */
function whatItIs(text: string): string {
  if (text === '') return ' (it is empty)'
  if (text.startsWith('\xef\xbb\xbf')) return ' (it begins with a byte order mark)'
  if (text.includes('\r')) return ' (it has carriage returns)'
  if (!text.endsWith('\n')) return ' (its last line has no line feed)'
  if (text.startsWith('algorithm: ')) return ''
  const found = foundLabels(text)
  return found.startsWith('only')
    ? ` (it has ${found.slice(5)} without the description of a key above it)`
    : ''
}

const otherCauses =
  '. If other keys of the directory open with it, restore the file from a backup, or repeat a ' +
  'changePassphrase that was interrupted'
const headerPattern =
  /^algorithm: ([A-Za-z0-9-]{1,16})\ncreated: (\S{1,40})\nmac: ([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n/
/** The file of an RSA-4096 key has a tenth of this length. */
export const maxKeyFileOctets: number = 64 * 1024
