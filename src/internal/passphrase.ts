// Passphrases, and keys derived from them by scrypt (RFC 7914).

import { isUtf8 } from 'node:buffer'
import { scrypt, scryptSync } from 'node:crypto'
import type { ScryptOptions } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { isCount } from './numbers.ts'

/** The cost of scrypt: 128·N·r octets of memory, and time proportional to N·r·p. */
export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** The passphrase, if it is text or octets. @throws ERR_INVALID_ARGUMENT */
export function requirePassphrase(passphrase: string | Uint8Array): string | Uint8Array {
  if (typeof passphrase === 'string' || passphrase instanceof Uint8Array) return passphrase
  // The platform's own error would quote the value, which may be the passphrase.
  throw new PkiError('ERR_INVALID_ARGUMENT', 'a passphrase must be a string or octets')
}

/**
 * A passphrase for new data.
 * @throws ERR_INVALID_ARGUMENT also for an empty one, and for text with `traceOfFile`
 */
export function requireNewPassphrase(passphrase: string | Uint8Array): string | Uint8Array {
  if (requirePassphrase(passphrase).length === 0)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the passphrase is empty')
  const trace = traceOfFile(passphrase)
  if (trace !== undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', `the passphrase ${trace}; correct its source`)
  return passphrase
}

/**
 * What a secret has from the file that it was read from, and nobody typed: a line end, a byte order mark, the
 * zeros of UTF-16. Octets that are not UTF-8 are a random key, which may have any octet.
 */
export function traceOfFile(secret: string | Uint8Array): string | undefined {
  if (typeof secret !== 'string' && !isUtf8(secret)) return undefined
  const last = typeof secret === 'string' ? secret.charCodeAt(secret.length - 1) : secret.at(-1)
  if (last === 0x0a || last === 0x0d)
    return 'ends in a line feed or carriage return, as a file written by an editor does'
  if (typeof secret === 'string' ? secret.includes('\0') : secret.includes(0))
    return 'has a character of code 0, as text in UTF-16 does'
  const hasMark =
    typeof secret === 'string'
      ? secret.startsWith('\uFEFF')
      : secret[0] === 0xef && secret[1] === 0xbb && secret[2] === 0xbf
  return hasMark ? 'begins with a byte order mark, as a file in "UTF-8 with BOM" does' : undefined
}

/** For the message about a passphrase that does not decrypt: what may be wrong with it, or nothing. */
export function passphraseHint(passphrase: string | Uint8Array | undefined): string {
  if (passphrase === undefined) return ''
  const fault = passphrase.length === 0 ? 'is empty' : traceOfFile(passphrase)
  return fault === undefined ? '' : `; the passphrase ${fault}`
}

/**
 * Whether a cost read from input is valid for scrypt and at most twice our
 * own cost, in memory and in blocks and lanes.
 */
export function isAffordable({ N, r, p }: ScryptCost, own: ScryptCost): boolean {
  return (
    isCount(N, 2) &&
    isCount(r, 1, maxBlocks) &&
    isCount(p, 1, maxBlocks) &&
    N * r * p <= 2 * own.N * own.r * own.p &&
    (N & (N - 1)) === 0
  )
}

/** 32 octets, computed off the event loop. @throws `code` if scrypt rejects the cost */
export function deriveKey(
  passphrase: string | Uint8Array,
  salt: Uint8Array,
  cost: ScryptCost,
  code: PkiErrorCode,
): Promise<Buffer> {
  // scrypt throws for invalid parameters; inside the executor, a throw rejects the promise.
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase, salt, keyOctets, optionsOf(cost), (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  }).catch((cause: unknown) => {
    throw new PkiError(code, 'scrypt rejects these parameters', { cause })
  })
}

/** Derives a key synchronously, with the cost that this package writes. */
export function deriveKeySync(passphrase: string | Uint8Array, salt: Uint8Array, cost: ScryptCost): Buffer {
  return scryptSync(passphrase, salt, keyOctets, optionsOf(cost))
}

/** Twice the memory that scrypt needs at this cost. */
function optionsOf({ N, r, p }: ScryptCost): ScryptOptions {
  return { N, r, p, maxmem: 256 * N * r }
}

const keyOctets = 32
const maxBlocks = 64
