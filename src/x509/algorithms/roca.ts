// Recognises RSA moduli made by the broken generator of CVE-2017-15361 ("ROCA"): its primes are 65537^a plus a multiple of a
// primorial M, so the modulus is a power of 65537 modulo every prime that divides M. Public data only; no factoring.

/** Whether the modulus has the fingerprint; by chance one in some 2^27 has it. */
export function isRocaModulus(modulus: Uint8Array): boolean {
  return subgroups.every(({ prime, powers }) => powers.has(remainder(modulus, prime)))
}

function remainder(modulus: Uint8Array, prime: number): number {
  let rest = 0
  for (const octet of modulus) rest = (rest * 256 + octet) % prime
  return rest
}

/** For each odd prime up to 167, which divide M for every key size: the powers of 65537; those where every rest is one tell nothing. */
const subgroups: readonly { readonly prime: number; readonly powers: ReadonlySet<number> }[] = findSubgroups()

function findSubgroups(): { prime: number; powers: Set<number> }[] {
  const found = []
  for (let prime = 3; prime <= 167; prime += 2) {
    let isPrime = true
    for (let d = 3; d * d <= prime; d += 2) if (prime % d === 0) isPrime = false
    if (!isPrime) continue
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
    if (powers.size < prime - 1) found.push({ prime, powers })
  }
  // The smallest subgroups refuse most: an ordinary modulus is done after one or two.
  return found.sort((a, b) => a.powers.size / a.prime - b.powers.size / b.prime)
}
