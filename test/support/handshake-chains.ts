// Chains for TLS handshakes, accepted or refused before OpenSSL gets them, and a slow way to send them.

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { PkiErrorCode } from '../../src/errors/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { buildCertificate } from '../../src/x509/index.ts'
import { compressedPoint, slowChain, slowCurve, slowField, slowRsa } from './slow-chain.ts'
import type { SlowChain } from './slow-chain.ts'

/** Writes a few octets at a time, each part in a segment of its own. */
export function inPieces(raw: Socket): Duplex {
  const stream = new Duplex({
    read: () => undefined,
    write: (octets: Buffer, _encoding, written) => {
      const next = (at: number): void => {
        if (at >= octets.length || raw.destroyed) written()
        else raw.write(octets.subarray(at, at + 97), () => setImmediate(next, at + 97))
      }
      next(0)
    },
  })
  raw.setNoDelay()
  raw.on('data', (octets) => stream.push(octets))
  raw.on('close', () => stream.destroy())
  raw.resume()
  return stream
}

/** Certificates that verify, each by the key of the next one. */
async function chainOf(algorithm: KeyAlgorithm, count: number): Promise<{ cert: string; key: string }> {
  const signer = await SoftwareSigner.generate(algorithm)
  const [notBefore, notAfter] = [new Date(Date.now() - 1000), new Date(Date.now() + 3_600_000)]
  const built = Array.from({ length: count }, (_, index) =>
    buildCertificate(
      {
        ...{ issuer: `CN=${index + 1}`, subject: `CN=${index}`, publicKey: signer.publicKey },
        ...{ notBefore, notAfter, extensions: {} },
      },
      signer,
    ),
  )
  const pems = (await Promise.all(built)).map((one) => one.toPem())
  return { cert: pems.join(''), key: exportPrivateKey(signer.privateKey()) }
}

/** By the algorithm of their keys. */
export const usualChains: readonly (readonly [
  KeyAlgorithm,
  { readonly cert: string; readonly key: string },
])[] = [
  ['P-256', await chainOf('P-256', 10)],
  ['P-384', await chainOf('P-384', 3)],
  ['P-521', await chainOf('P-521', 10)],
  ['Ed25519', await chainOf('Ed25519', 3)],
  ['RSA-2048', await chainOf('RSA-2048', 10)],
]

/** With the code that a server logs. */
export const refusedChains: readonly (readonly [string, SlowChain, PkiErrorCode])[] = [
  ['eleven certificates', slowChain(10, slowCurve('P-256', 256)), 'ERR_CREDENTIAL_INVALID'],
  ['explicit parameters', slowChain(1, slowField()), 'ERR_KEY_EXPLICIT_PARAMETERS'],
  ['a compressed point', slowChain(1, compressedPoint()), 'ERR_KEY_UNSUPPORTED'],
  ['sect571k1', slowChain(1, slowCurve('sect571k1', 570)), 'ERR_KEY_UNSUPPORTED'],
  ['a long exponent', slowChain(1, slowRsa(3072, 3072)), 'ERR_KEY_UNSUPPORTED'],
  ['a modulus of 16,376 bits', slowChain(1, slowRsa(16_376, 32)), 'ERR_KEY_MALFORMED'],
]
