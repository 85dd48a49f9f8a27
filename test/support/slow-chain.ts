// Chains of certificates that cost OpenSSL much to verify, as a stranger may present them; none verifies.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  bitString,
  boolean,
  encodeTime,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
  setOf,
  unsignedInteger,
  utf8String,
} from '../../src/der/index.ts'
import { encodePem } from '../../src/internal/pem.ts'

/** A chain for `node:tls`. */
export interface SlowChain {
  readonly cert: string
  readonly key: string
  /** The octets of its certificates. */
  readonly octets: number
}

/** The key of the issuers of a chain, as SPKI, and a signature that has the form of one by it. */
interface SlowKey {
  readonly spki: Uint8Array
  readonly algorithm: Uint8Array
  readonly signature: () => Uint8Array
}

/** A leaf of P-256, then `issuers` certificates with the slow key. */
export function slowChain(issuers: number, { spki, algorithm, signature }: SlowKey): SlowChain {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leafKey = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const validity = sequence(...[-1, 1].map((days) => encodeTime(Date.now() + days * 86_400_000)))
  const certificates = Array.from({ length: issuers + 1 }, (_, index) => {
    const version3 = explicit(0, integer(2))
    const names = [nameOf(index + 1), validity, nameOf(index)] as const
    const rest = index === 0 ? [leafKey] : [spki, explicit(3, sequence(isCa))]
    const tbs = sequence(version3, integer(index + 1), algorithm, ...names, ...rest)
    return sequence(tbs, algorithm, bitString(signature()))
  })
  return {
    cert: certificates.map((der) => encodePem('CERTIFICATE', der)).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    octets: certificates.reduce((sum, { length }) => sum + length, 0),
  }
}

/** RSA whose public exponent has so many bits: up to 3,072 bits, OpenSSL takes one as long as the modulus. */
export function slowRsa(bits: number, exponentBits: number): SlowKey {
  const magnitude = (length: number, first: number): Uint8Array => {
    const octets = randomBytes(length / 8)
    octets[0] = first
    octets[octets.length - 1] = (octets.at(-1) as number) | 1
    return unsignedInteger(octets)
  }
  const key = sequence(magnitude(bits, 0xff), magnitude(exponentBits, 0x3f))
  return {
    spki: sequence(sequence(oid('1.2.840.113549.1.1.1'), nullElement()), bitString(key)),
    algorithm: sequence(oid('1.2.840.113549.1.1.11'), nullElement()),
    signature: () => {
      const octets = randomBytes(bits / 8)
      octets[0] = 0x3f
      return octets
    },
  }
}

/** A named curve of OpenSSL. */
export function slowCurve(namedCurve: string, orderBits: number): SlowKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve })
  return ecKey(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), orderBits)
}

/**
 * Explicit parameters of a curve of 660 bits over p = 524493 · 2^640 + 1, with compressed points (RFC 3279
 * §2.3.5): a square root modulo such a prime takes thousands of times as long as one modulo any named one.
 */
export function slowField(): SlowKey {
  const [p, octets] = [524_493n * 2n ** 640n + 1n, 83]
  const number = (value: bigint | number): Uint8Array =>
    new Uint8Array(Buffer.from(value.toString(16).padStart(2 * octets, '0'), 'hex'))
  const compressed = (x: number): Uint8Array => Buffer.concat([Buffer.of(2), number(x)])
  const field = sequence(oid('1.2.840.10045.1.1'), integer(p))
  const curve = sequence(octetString(number(1)), octetString(number(7))) // y² = x³ + x + 7
  const parameters = sequence(
    integer(1),
    field,
    curve,
    octetString(compressed(4)),
    integer(p - 2n),
    integer(1),
  )
  const spki = sequence(sequence(oid('1.2.840.10045.2.1'), parameters), bitString(compressed(5)))
  return ecKey(spki, 640)
}

/** A key with an uncompressed point, with that point compressed. */
export function compressedPoint(): SlowKey {
  const spki = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
  const { x } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  return ecKey(Buffer.concat([spki, Buffer.of(2), Buffer.from(x as string, 'base64url')]), 256)
}

function ecKey(spki: Uint8Array, orderBits: number): SlowKey {
  const part = (): Uint8Array => {
    const octets = randomBytes((orderBits - 1) >> 3)
    octets[0] = 0x7f
    return unsignedInteger(octets)
  }
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
  return { spki, algorithm, signature: () => sequence(part(), part()) }
}

function nameOf(index: number): Uint8Array {
  return sequence(setOf(sequence(oid('2.5.4.3'), utf8String(String(index)))))
}

const isCa = sequence(oid('2.5.29.19'), boolean(true), octetString(sequence(boolean(true))))
