// Passphrases, and the keys that scrypt (RFC 7914) makes of them.

import { scrypt, scryptSync } from 'node:crypto'
import type { ScryptOptions } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { isCount } from './numbers.ts'

/** What scrypt costs: 128·N·r octets of memory, and time that grows with N·r·p. */
export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** The passphrase, if it is text or octets. @throws ERR_INVALID_ARGUMENT */
export function requirePassphrase(passphrase: string | Uint8Array): string | Uint8Array {
  if (typeof passphrase === 'string' || passphrase instanceof Uint8Array) return passphrase
  // The platform quotes what it finds instead: a number may be the passphrase itself.
  throw new PkiError('ERR_INVALID_ARGUMENT', 'a passphrase is a string or octets')
}

/** One that is to protect something. @throws ERR_INVALID_ARGUMENT for an empty one too */
export function requireNewPassphrase(passphrase: string | Uint8Array): string | Uint8Array {
  if (requirePassphrase(passphrase).length === 0)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'an empty passphrase protects nothing')
  return passphrase
}

/**
 * Whether a cost that stands in some input is one of scrypt, and at most twice what we spend ourselves: neither the blocks nor the lanes may be
 * what costs it.
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

/** 32 octets, off the event loop. @throws `code` where scrypt does not take the cost */
export function deriveKey(
  passphrase: string | Uint8Array,
  salt: Uint8Array,
  cost: ScryptCost,
  code: PkiErrorCode,
): Promise<Buffer> {
  // What scrypt refuses at once it throws; what the executor throws, rejects.
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase, salt, keyOctets, optionsOf(cost), (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  }).catch((cause: unknown) => {
    throw new PkiError(code, 'scrypt does not take these parameters', { cause })
  })
}

/** The same on the event loop, with a cost of our own. */
export function deriveKeySync(passphrase: string | Uint8Array, salt: Uint8Array, cost: ScryptCost): Buffer {
  return scryptSync(passphrase, salt, keyOctets, optionsOf(cost))
}

/** Twice the memory that it takes. */
function optionsOf({ N, r, p }: ScryptCost): ScryptOptions {
  return { N, r, p, maxmem: 256 * N * r }
}

const keyOctets = 32
const maxBlocks = 64
