// Comparing octets, and hexadecimal.

import { PkiError } from '../errors/index.ts'
import { nameOf } from './options.ts'

/** The value, if it is a Uint8Array. @throws ERR_INVALID_ARGUMENT for any other type */
export function requireOctets(octets: Uint8Array, what: string): Uint8Array {
  if (octets instanceof Uint8Array) {
    if (octets.length === 0) refuseDetached(octets, what)
    return octets
  }
  throw new PkiError('ERR_INVALID_ARGUMENT', `${what} must be a Uint8Array, found ${nameOf(octets)}`)
}

/**
 * Octets whose ArrayBuffer was transferred to another thread are empty, and copying them throws a TypeError.
 */
function refuseDetached(octets: Uint8Array, what: string): void {
  try {
    new Uint8Array(octets)
  } catch (cause) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `${what}: its ArrayBuffer was transferred`, { cause })
  }
}

/** Whether both hold the same octets. Not constant-time: do not use it for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a
  // The last octet is compared first, without a call into the platform: unequal keys mostly differ there.
  return a === b || (length === b.length && a[length - 1] === b[length - 1] && Buffer.compare(a, b) === 0)
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Upper-case hexadecimal. Short octets, such as serial numbers, are written into one buffer. */
export function toUpperHex(octets: Uint8Array): string {
  const { length } = octets
  if (length > shortOctets) return toHex(octets).toUpperCase()
  for (let at = 0; at < length; at++) {
    const octet = octets[at] as number
    digits[2 * at] = hexDigits.charCodeAt(octet >> 4)
    digits[2 * at + 1] = hexDigits.charCodeAt(octet & 15)
  }
  return digits.toString('latin1', 0, 2 * length)
}

/** A key for maps: one character per octet. */
export function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

const shortOctets = 32
const digits = Buffer.alloc(2 * shortOctets)
const hexDigits = '0123456789ABCDEF'
