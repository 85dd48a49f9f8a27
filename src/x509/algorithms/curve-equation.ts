// Whether the coordinates of a public key are a point of its curve: SP 800-56A §5.6.2.3.4, without the import that node:crypto needs for it.

/** The curves y² = x³ - 3x + b over a prime field that keys may have. */
type CurveName = 'P-256' | 'P-384' | 'P-521'

/** Both coordinates below p, and the equation holds. Nothing here is secret, so it may take any time it likes. */
export function isOnCurve(curve: CurveName, coordinates: Uint8Array): boolean {
  const { p, b } = equations[curve]
  const half = coordinates.length / 2
  const x = toBigInt(coordinates.subarray(0, half))
  const y = toBigInt(coordinates.subarray(half))
  return x < p && y < p && (x * x * x - 3n * x + b - y * y) % p === 0n
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
