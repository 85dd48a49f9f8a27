// What a token gives as a signature, and what X.509 wants: RFC 3279 §2.2.3.

import { describe, expect, it } from 'vitest'
import { ecdsaSignatureToDer } from '../../../../src/adapters/pkcs11/objects/ec-point.ts'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { signingPlan } from '../../../../src/adapters/pkcs11/mechanisms.ts'
import { sequence, unsignedInteger } from '../../../../src/der/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { code } from '../../../support/codes.ts'

describe('ECDSA-Sig-Value', () => {
  const shapes = ['01', '7f', '80', 'ff', '0001', '0080', '00ff', '000001'].map((hex) =>
    Buffer.from(hex, 'hex'),
  )
  const numbers = (octets: number): Buffer[] =>
    shapes.flatMap((shape) => [
      Buffer.concat([shape, Buffer.alloc(octets - shape.length, 0xa5)]),
      Buffer.concat([Buffer.alloc(octets - shape.length), shape]),
    ])

  it.each([32, 48, 66])('is DER for each shape of two numbers of %i octets', (octets) => {
    for (const r of numbers(octets)) {
      for (const s of numbers(octets))
        expect(ecdsaSignatureToDer(Buffer.concat([r, s]), octets)).toEqual(
          sequence(unsignedInteger(r), unsignedInteger(s)),
        )
    }
  })

  const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)])
  it.each([
    { what: 'nothing', raw: Buffer.alloc(0) },
    { what: 'one octet less', raw: Buffer.alloc(63, 1) },
    { what: 'one octet more', raw: Buffer.alloc(65, 1) },
    { what: 'r of 0', raw: Buffer.concat([Buffer.alloc(32), one]) },
    { what: 's of 0', raw: Buffer.concat([one, Buffer.alloc(32)]) },
  ])('is not made of $what', ({ raw }) => {
    expect(() => ecdsaSignatureToDer(raw, 32)).toThrow(code('ERR_HSM_SIGNATURE'))
  })
})

describe('signatures that stay as they are', () => {
  it.each(['RSA-2048', 'RSA-PSS-2048', 'Ed25519'] as const)(
    'have the length of the key: %s',
    async (algorithm) => {
      const { publicKey, signatureAlgorithm } = await SoftwareSigner.generate(algorithm)
      const plan = signingPlan(
        signatureAlgorithm,
        publicKey,
        new Set([ck.CKM_RSA_PKCS, ck.CKM_RSA_PKCS_PSS, ck.CKM_EDDSA]),
      )
      const raw = Buffer.alloc(plan.rawOctets, 1)
      expect(plan.toX509(raw)).toEqual(new Uint8Array(raw))
      for (const wrong of [raw.subarray(1), Buffer.alloc(0), Buffer.concat([raw, raw])])
        expect(() => plan.toX509(wrong)).toThrow(code('ERR_HSM_SIGNATURE'))
    },
  )
})
