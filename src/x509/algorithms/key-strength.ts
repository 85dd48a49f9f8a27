// Which public keys are good enough to certify or to trust: SP 800-131A.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import type { SubjectPublicKeyInfo } from './subject-public-key-info.ts'

/** What a key must be. */
export interface KeyStrengthPolicy {
  /** Fewest bits of an RSA modulus. Default 2048. */
  readonly minimumRsaBits?: number | undefined
  /** Most bits of an RSA modulus. Default 8192; certificates are issued for 2048, 3072 and 4096 only. */
  readonly maximumRsaBits?: number | undefined
  /** RSA exponents that are taken: exactly 65537, or any odd one from 3. Default 65537. */
  readonly rsaExponent?: '65537' | 'odd' | undefined
}

/**
 * Refuses a key that is unsupported, too short, or of a known weakness.
 *
 * @throws ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_KEY_MALFORMED; ERR_INVALID_ARGUMENT for a policy that means nothing
 */
export function checkKeyStrength(info: SubjectPublicKeyInfo, policy: KeyStrengthPolicy = {}): void {
  const { minimumRsaBits = 2048, maximumRsaBits = 8192, rsaExponent = '65537' } = policy
  requireCount('minimumRsaBits', minimumRsaBits, 0)
  requireCount('maximumRsaBits', maximumRsaBits, minimumRsaBits, Infinity)
  // Another word would be any exponent.
  if (!exponents.includes(rsaExponent))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'rsaExponent is "65537" or "odd"')
  if (info.algorithm === undefined) {
    throw new PkiError(
      info.problem?.code ?? 'ERR_KEY_UNSUPPORTED',
      `the public key is ${info.problem?.detail ?? 'of an unknown kind'}`,
    )
  }
  const { modulus, exponent, bits } = info
  if (modulus === undefined || exponent === undefined) return
  if (bits < minimumRsaBits)
    throw new PkiError(
      'ERR_KEY_WEAK',
      `RSA of ${String(bits)} bits; at least ${String(minimumRsaBits)} are wanted`,
    )
  if (bits > maximumRsaBits)
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `RSA of ${String(bits)} bits; at most ${String(maximumRsaBits)} are taken`,
    )
  const isF4 = exponent.length === 3 && exponent[0] === 1 && exponent[1] === 0 && exponent[2] === 1
  if (!isF4 && rsaExponent === '65537') throw new PkiError('ERR_KEY_WEAK', 'an RSA exponent other than 65537')
  const factor = smallFactor(modulus)
  if (factor !== undefined)
    throw new PkiError('ERR_KEY_WEAK', `an RSA modulus that ${String(factor)} divides`)
  if (hasClosePrimes(modulus))
    throw new PkiError('ERR_KEY_WEAK', 'an RSA modulus whose primes are close to each other (CVE-2022-26320)')
  if (isRocaModulus(modulus))
    throw new PkiError('ERR_KEY_WEAK', 'an RSA modulus of the generator of CVE-2017-15361 (ROCA)')
}

const exponents: readonly unknown[] = ['65537', 'odd']

/** A prime below 752 that divides the modulus (Boulder's goodkey bound), by one pass over 16-bit limbs per group of primes. */
function smallFactor(modulus: Uint8Array): number | undefined {
  primeGroups ??= findPrimeGroups()
  for (const group of primeGroups) {
    const rest = remainder(modulus, group.product)
    for (const prime of group.primes) if (rest % prime === 0) return prime
  }
  return undefined
}

/** Made with the first RSA key: importing the package stays cheap. */
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

/** Those below a limit. */
function oddPrimes(limit: number): number[] {
  const primes: number[] = []
  for (let n = 3; n < limit; n += 2) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  return primes
}

/** By a divisor that is a safe integer when multiplied by 256. */
function remainder(modulus: Uint8Array, divisor: number): number {
  let rest = 0
  for (const octet of modulus) rest = (rest * 256 + octet) % divisor
  return rest
}

/** Whether Fermat's method finds the primes in a hundred steps: the modulus is then a² - b² with a next to its root. */
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

/** Newton's method from above; what is left after the decimal point is cut off. */
function squareRoot(n: bigint): bigint {
  let root = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** All but one in a hundred are told by their remainders. */
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

// Whether the coordinates of a public key are a point of its curve: SP 800-56A §5.6.2.3.4, without the import that node:crypto needs for it.

/** The curves y² = x³ - 3x + b over a prime field that keys may have. */
type CurveName = 'P-256' | 'P-384' | 'P-521'

/** Both coordinates below p, and the equation holds. Nothing here is secret, so it may take any time it likes. */
export function isOnCurve(curve: CurveName, coordinates: Uint8Array): boolean {
  const { p, b } = equations[curve]
  const half = coordinates.length / 2
  const x = toBigInt(coordinates.subarray(0, half))
  const y = toBigInt(coordinates.subarray(half))
  return x < p && y < p && (x * (x * x - 3n) + b - y * y) % p === 0n
}

function toBigInt(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex')}`)
}

/** SP 800-186 §3.2.1. */
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
    b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
}

// Recognises RSA moduli made by the broken generator of CVE-2017-15361 ("ROCA"): its primes are 65537^a plus a multiple of a
// primorial M, so the modulus is a power of 65537 modulo every prime that divides M. Public data only; no factoring.

/** Whether the modulus has the fingerprint; by chance one in some 2^27 has it. */
function isRocaModulus(modulus: Uint8Array): boolean {
  subgroups ??= findSubgroups()
  return subgroups.every(({ prime, powers }) => powers.has(remainder(modulus, prime)))
}

interface Subgroup {
  readonly prime: number
  readonly powers: ReadonlySet<number>
}

/** Made with the first RSA key: importing the package stays cheap. */
let subgroups: readonly Subgroup[] | undefined

/** For each odd prime up to 167, which divide M for every key size: the powers of 65537; those where every rest is one tell nothing. */
function findSubgroups(): Subgroup[] {
  const found = []
  for (const prime of oddPrimes(168)) {
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
    if (powers.size < prime - 1) found.push({ prime, powers })
  }
  // The smallest subgroups refuse most: an ordinary modulus is done after one or two.
  return found.sort((a, b) => a.powers.size / a.prime - b.powers.size / b.prime)
}
