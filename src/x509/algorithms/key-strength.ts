// Which public keys are good enough to certify or to trust: threats.md T4, SP 800-131A.

import { PkiError } from '../../errors/index.ts'
import { isRocaModulus } from './roca.ts'
import type { SubjectPublicKeyInfo } from './subject-public-key-info.ts'

/** What a key must be. */
export interface KeyStrengthPolicy {
  /** Fewest bits of an RSA modulus. Default 2048. */
  readonly minimumRsaBits?: number
  /** Most bits of an RSA modulus. Default 8192; certificates are issued for 2048, 3072 and 4096 only. */
  readonly maximumRsaBits?: number
  /** RSA exponents that are taken: exactly 65537, or any odd one from 3. Default 65537. */
  readonly rsaExponent?: '65537' | 'odd'
}

/**
 * Refuses a key that is unsupported, too short, or of a known weakness.
 *
 * @throws ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function checkKeyStrength(info: SubjectPublicKeyInfo, policy: KeyStrengthPolicy = {}): void {
  if (info.algorithm === undefined) {
    throw new PkiError(info.problem?.code ?? 'ERR_KEY_UNSUPPORTED', `the public key is ${info.problem?.detail ?? 'of an unknown kind'}`)
  }
  const { modulus, exponent, bits } = info
  if (modulus === undefined || exponent === undefined) return
  const { minimumRsaBits = 2048, maximumRsaBits = 8192, rsaExponent = '65537' } = policy
  if (bits < minimumRsaBits) throw new PkiError('ERR_KEY_WEAK', `RSA of ${String(bits)} bits; at least ${String(minimumRsaBits)} are wanted`)
  if (bits > maximumRsaBits) throw new PkiError('ERR_KEY_UNSUPPORTED', `RSA of ${String(bits)} bits; at most ${String(maximumRsaBits)} are taken`)
  const isF4 = exponent.length === 3 && exponent[0] === 1 && exponent[1] === 0 && exponent[2] === 1
  if (!isF4 && rsaExponent === '65537') throw new PkiError('ERR_KEY_WEAK', 'an RSA exponent other than 65537')
  const factor = smallFactor(modulus)
  if (factor !== undefined) throw new PkiError('ERR_KEY_WEAK', `an RSA modulus that ${String(factor)} divides`)
  if (isRocaModulus(modulus)) throw new PkiError('ERR_KEY_WEAK', 'an RSA modulus of the generator of CVE-2017-15361 (ROCA)')
}

/** A prime below 752 that divides the modulus (Boulder's goodkey bound), by one pass over 16-bit limbs per group of primes. */
function smallFactor(modulus: Uint8Array): number | undefined {
  for (const group of primeGroups) {
    let rest = 0
    for (const octet of modulus) rest = (rest * 256 + octet) % group.product
    for (const prime of group.primes) if (rest % prime === 0) return prime
  }
  return undefined
}

/** Odd primes below 752, in groups whose product times 256 stays a safe integer. */
const primeGroups: readonly { readonly product: number; readonly primes: readonly number[] }[] = groups()

function groups(): { product: number; primes: number[] }[] {
  const found: { product: number; primes: number[] }[] = []
  for (let n = 3; n < 752; n += 2) {
    let prime = true
    for (let d = 3; d * d <= n; d += 2) if (n % d === 0) prime = false
    if (!prime) continue
    const last = found[found.length - 1]
    if (last !== undefined && last.product * n < 2 ** 44) {
      last.product *= n
      last.primes.push(n)
    } else {
      found.push({ product: n, primes: [n] })
    }
  }
  return found
}
