// Which public keys are strong enough to certify or to trust (SP 800-131A).

import { PkiError } from '../../errors/index.ts'
import { toHex } from '../../internal/bytes.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { shownValue } from '../../internal/values/name-of.ts'
import type { CurveName } from './curves.ts'
import { supportedKeys } from './foreign-algorithms.ts'
import type { SubjectPublicKeyInfo } from './subject-public-key-info.ts'

/** Requirements on a public key. @inline */
export interface KeyStrengthPolicy {
  /** The minimum size of an RSA modulus in bits; default 2048. */
  readonly minRsaBits?: number
  /**
   * The maximum size of an RSA modulus in bits; default 8192. Certificates are
   * issued for 2048, 3072 and 4096 only.
   */
  readonly maxRsaBits?: number | undefined
  /** The accepted RSA exponents: exactly 65537, or any odd one from 3; default 65537. */
  readonly rsaExponent?: '65537' | 'odd' | undefined
}

/** The default policy, read once. */
interface ReadPolicy {
  readonly minRsaBits: number
  readonly maxRsaBits: number
  readonly rsaExponent: '65537' | 'odd'
}
const defaults: ReadPolicy = { minRsaBits: 2048, maxRsaBits: 8192, rsaExponent: '65537' }

/**
 * Refuses a key that is unsupported, too short, or of a known weakness.
 *
 * @throws ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_KEY_MALFORMED;
 *   ERR_INVALID_ARGUMENT for an invalid policy
 */
export function checkKeyStrength(info: SubjectPublicKeyInfo, policy: KeyStrengthPolicy = defaults): void {
  const { minRsaBits, maxRsaBits, rsaExponent } = policy === defaults ? defaults : readPolicy(policy)
  if (info.algorithm === undefined) {
    const { code, detail } = info.problem ?? { code: 'ERR_KEY_UNSUPPORTED', detail: 'of an unknown kind' }
    const wanted = code === 'ERR_KEY_UNSUPPORTED' ? `; expected ${supportedKeys}` : ''
    throw new PkiError(code, `the public key is ${detail}${wanted}`)
  }
  const { modulus, exponent, bits } = info
  if (modulus === undefined || exponent === undefined) return
  if (bits < minRsaBits)
    throw new PkiError('ERR_KEY_WEAK', `the RSA key has ${bits} bits; the minimum is ${minRsaBits}`)
  if (bits > maxRsaBits)
    throw new PkiError('ERR_KEY_UNSUPPORTED', `the RSA key has ${bits} bits; the maximum is ${maxRsaBits}`)
  if (!isF4(exponent) && rsaExponent === '65537')
    throw new PkiError('ERR_KEY_WEAK', `the RSA exponent is ${shownInteger(exponent)}; expected 65537`)
  refuseWeakModulus(modulus)
}

/** 65537. */
function isF4(exponent: Uint8Array): boolean {
  return exponent.length === 3 && exponent[0] === 1 && exponent[1] === 0 && exponent[2] === 1
}

function shownInteger(magnitude: Uint8Array): string {
  return String(BigInt(`0x${toHex(magnitude)}`))
}

/** Known weaknesses of a modulus. @throws ERR_KEY_WEAK */
function refuseWeakModulus(modulus: Uint8Array): void {
  const factor = smallFactor(modulus)
  if (factor !== undefined)
    throw new PkiError('ERR_KEY_WEAK', `the RSA modulus is divisible by ${String(factor)}`)
  if (hasClosePrimes(modulus))
    throw new PkiError(
      'ERR_KEY_WEAK',
      'the primes of the RSA modulus are close to each other (CVE-2022-26320)',
    )
  if (isRocaModulus(modulus))
    throw new PkiError('ERR_KEY_WEAK', 'the RSA modulus was made by the generator of CVE-2017-15361 (ROCA)')
}

/** @throws ERR_INVALID_ARGUMENT for an unknown key, or a bound that is not an integer */
function readPolicy(policy: KeyStrengthPolicy): ReadPolicy {
  const read = readOptions<KeyStrengthPolicy>('checkStrength', policy, {
    minRsaBits: 'guard',
    maxRsaBits: 'optional',
    rsaExponent: 'optional',
  })
  const { minRsaBits = defaults.minRsaBits, maxRsaBits = defaults.maxRsaBits } = read
  const { rsaExponent = defaults.rsaExponent } = read
  requireCount('minRsaBits', minRsaBits, 0)
  requireCount('maxRsaBits', maxRsaBits, minRsaBits, Infinity)
  // Any other value would accept every exponent.
  if (!exponents.includes(rsaExponent))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `rsaExponent must be "65537" or "odd", found ${shownValue(rsaExponent)}`,
    )
  return { minRsaBits, maxRsaBits, rsaExponent }
}

const exponents: readonly unknown[] = ['65537', 'odd']

/**
 * A prime below 752 that divides the modulus (the bound of Boulder's
 * goodkey), found in one pass over 16-bit limbs per group of primes.
 */
function smallFactor(modulus: Uint8Array): number | undefined {
  primeGroups ??= findPrimeGroups()
  for (const group of primeGroups) {
    const rest = remainder(modulus, group.product)
    for (const prime of group.primes) if (rest % prime === 0) return prime
  }
  return undefined
}

/** Created with the first RSA key, so that importing the package stays cheap. */
let primeGroups: readonly { readonly product: number; readonly primes: readonly number[] }[] | undefined

/** Odd primes below 752, in groups whose product times 256 stays a safe integer. */
function findPrimeGroups(): { product: number; primes: number[] }[] {
  const found: { product: number; primes: number[] }[] = []
  for (const prime of oddPrimes(752)) {
    const last = found[found.length - 1]
    if (last !== undefined && last.product * prime < 2 ** 44) {
      last.product *= prime
      last.primes.push(prime)
    } else {
      found.push({ product: prime, primes: [prime] })
    }
  }
  return found
}

/** The odd primes below a limit. */
function oddPrimes(limit: number): number[] {
  const primes: number[] = []
  for (let n = 3; n < limit; n += 2) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  return primes
}

/** The divisor times 256 must be a safe integer. */
function remainder(modulus: Uint8Array, divisor: number): number {
  let rest = 0
  for (const octet of modulus) rest = (rest * 256 + octet) % divisor
  return rest
}

/**
 * Whether Fermat's method finds the primes within a hundred steps: the
 * modulus is then a² - b² with a close to its square root.
 */
function hasClosePrimes(modulus: Uint8Array): boolean {
  const n = toBigInt(modulus)
  let a = squareRoot(n)
  if (a * a < n) a++
  let square = a * a - n
  for (let step = 0; step < fermatSteps; step++) {
    if (isSquare(square)) return true
    square += 2n * a + 1n
    a++
  }
  return false
}

/** Newton's method from above, rounded down. */
function squareRoot(n: bigint): bigint {
  let root = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** The remainders exclude 99 of 100 candidates without a square root. */
function isSquare(n: bigint): boolean {
  const rest = Number(n % squareModulus)
  for (const [modulus, squares] of squareRests) if (!squares.has(rest % modulus)) return false
  const root = n === 0n ? 0n : squareRoot(n)
  return root * root === n
}

const squareRests: readonly (readonly [number, ReadonlySet<number>])[] = [64, 63, 65, 11].map(
  (modulus) => [modulus, new Set(Array.from({ length: modulus }, (_, i) => (i * i) % modulus))] as const,
)
const squareModulus = 64n * 63n * 65n * 11n
const fermatSteps = 100

// Whether the coordinates of a public key are a point on its curve (SP 800-56A §5.6.2.3.4), without the
// import that node:crypto needs for this check.

/**
 * Both coordinates are below p, and the equation holds. The input is public, so constant time is not needed.
 */
export function isOnCurve(curve: CurveName, coordinates: Uint8Array): boolean {
  const { p, b } = equations[curve]
  // One text for both: each call into the platform costs as much as the arithmetic.
  const text = toHex(coordinates)
  const x = BigInt(`0x${text.slice(0, coordinates.length)}`)
  const y = BigInt(`0x${text.slice(coordinates.length)}`)
  return x < p && y < p && (x * (x * x - 3n) + b - y * y) % p === 0n
}

function toBigInt(octets: Uint8Array): bigint {
  return BigInt(`0x${toHex(octets)}`)
}

/** y² = x³ - 3x + b over a prime field: SP 800-186 §3.2.1. */
const equations: Readonly<Record<CurveName, { readonly p: bigint; readonly b: bigint }>> = {
  'P-256': {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  'P-521': {
    p: 2n ** 521n - 1n,
    b: BigInt(
      '0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e' +
        '156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00',
    ),
  },
}

// Detects RSA moduli made by the faulty generator of CVE-2017-15361 ("ROCA"): its
// primes are 65537^a plus a multiple of a primorial M, so the modulus is a power of
// 65537 modulo every prime that divides M. Public data only; no factoring.

/** Whether the modulus has the fingerprint; about one in 2^27 ordinary moduli has it. */
function isRocaModulus(modulus: Uint8Array): boolean {
  subgroups ??= findSubgroups()
  return subgroups.every(({ prime, powers }) => powers.has(remainder(modulus, prime)))
}

interface Subgroup {
  readonly prime: number
  readonly powers: ReadonlySet<number>
}

/** Created with the first RSA key, so that importing the package stays cheap. */
let subgroups: readonly Subgroup[] | undefined

/**
 * For each odd prime up to 167 (they divide M for every key size): the powers of 65537. Primes for which
 * every remainder is a power are omitted.
 */
function findSubgroups(): Subgroup[] {
  const found = []
  for (const prime of oddPrimes(168)) {
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
    if (powers.size < prime - 1) found.push({ prime, powers })
  }
  // The smallest subgroups first: an ordinary modulus is rejected after one or two.
  return found.sort((a, b) => a.powers.size / a.prime - b.powers.size / b.prime)
}
