// Serial numbers: RFC 5280 section 4.1.2.2, at most 20 octets, positive when issued.

import { randomBytes } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { nameOf } from '../internal/values/name-of.ts'

/**
 * A serial number as text: upper-case hexadecimal of its magnitude without leading zeros (an even count of
 * digits), `-` before a negative one. Equal numbers have equal text.
 */
export type SerialNumber = string & { readonly brand: unique symbol }

/** The text form of INTEGER content octets. @throws ERR_SERIAL_INVALID above 1024 octets */
export function serialNumberFromBytes(content: Uint8Array): SerialNumber {
  if (content.length === 0 || content.length > maxOctets)
    throw new PkiError(
      'ERR_SERIAL_INVALID',
      `the serial number has ${content.length} octets; expected 1 to ${maxOctets}`,
    )
  if ((content[0] as number) >= 0x80) {
    const magnitude = -BigInt.asIntN(content.length * 8, BigInt(`0x${Buffer.from(content).toString('hex')}`))
    const digits = magnitude.toString(16).toUpperCase()
    return `-${digits.length % 2 === 0 ? digits : `0${digits}`}` as SerialNumber
  }
  const hex = Buffer.from(content.buffer, content.byteOffset, content.length).toString('hex').toUpperCase()
  return (hex.length > 2 && hex.startsWith('00') ? hex.slice(2) : hex) as SerialNumber
}

/**
 * A serial number from text: hexadecimal of any case, colons between octets allowed. Zero and negative
 * numbers are accepted, because certificates with them exist and must be found; the lints of the CA require
 * new ones to be positive (RFC 5280 §4.1.2.2).
 *
 * @throws ERR_SERIAL_INVALID
 */
export function parseSerialNumber(text: string): SerialNumber {
  if (typeof text !== 'string')
    throw new PkiError('ERR_INVALID_ARGUMENT', `a serial number must be a string, found ${nameOf(text)}`)
  if (text.length > 3 * maxOctets || !/^-?(?:[0-9a-fA-F]{1,2}(:?[0-9a-fA-F]{2})*|[0-9a-fA-F]+)$/.test(text)) {
    throw new PkiError(
      'ERR_SERIAL_INVALID',
      `${JSON.stringify(text.slice(0, 80))} is not a serial number in hexadecimal`,
    )
  }
  const sign = text.startsWith('-') ? '-' : ''
  const digits = text
    .slice(sign.length)
    .replaceAll(':', '')
    .replace(/^0+(?=.)/, '')
  return serialNumberFromBytes(
    serialNumberBytes(
      `${sign}${digits.length % 2 === 0 ? digits : `0${digits}`}`.toUpperCase() as SerialNumber,
    ),
  )
}

/**
 * INTEGER content octets of a serial number: minimal two's complement.
 * @throws ERR_SERIAL_INVALID for text that is not a result of `parseSerialNumber`
 */
export function serialNumberBytes(serial: SerialNumber): Uint8Array {
  if (typeof serial !== 'string')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `a serial number must be a string in the form of \`parseSerialNumber\`, found ${nameOf(serial)}`,
    )
  if (serial.startsWith('-')) {
    if (!/^-(?:[0-9A-Fa-f]{2})+$/.test(serial)) throw notParsed(serial)
    let octets = Math.ceil((serial.length - 1) / 2)
    const magnitude = BigInt(`0x${serial.slice(1)}`)
    if (magnitude > 1n << BigInt(octets * 8 - 1)) octets += 1
    return Uint8Array.from(
      Buffer.from(
        BigInt.asUintN(octets * 8, -magnitude)
          .toString(16)
          .padStart(octets * 2, '0'),
        'hex',
      ),
    )
  }
  const magnitude = Buffer.from(serial, 'hex')
  // BigInt conversion of Node stops at the first invalid character: 01:02
  // would become the number of another certificate.
  if (magnitude.length === 0 || magnitude.length * 2 !== serial.length) throw notParsed(serial)
  return (magnitude[0] as number) >= 0x80 ? Uint8Array.of(0, ...magnitude) : Uint8Array.from(magnitude)
}

function notParsed(serial: string): PkiError {
  return new PkiError(
    'ERR_SERIAL_INVALID',
    `${JSON.stringify(serial.slice(0, 80))} is not a serial number in the form of \`parseSerialNumber\``,
  )
}

/**
 * Content octets of a new serial number: 01 followed by 128 random bits, so
 * always positive and 17 octets long.
 */
export function generateSerialNumber(random: (size: number) => Uint8Array = pooledRandomBytes): Uint8Array {
  const octets = new Uint8Array(17)
  octets[0] = 1
  octets.set(random(16), 1)
  return octets
}

/**
 * One call to the platform's generator yields octets for many numbers; each
 * is used once and then overwritten.
 */
function pooledRandomBytes(size: number): Uint8Array {
  if (poolAt + size > pool.length) {
    // Not a Buffer: slice() of a Buffer is a view of the octets that are wiped below.
    pool = new Uint8Array(randomBytes(poolOctets))
    poolAt = 0
  }
  const octets = pool.slice(poolAt, poolAt + size)
  pool.fill(0, poolAt, poolAt + size)
  poolAt += size
  return octets
}

const poolOctets = 4096
let pool: Uint8Array = new Uint8Array(0)
let poolAt = 0
/** RFC 5280 4.1.2.2 allows 20; certificates with more exist and must be found. */
const maxOctets = 1024
