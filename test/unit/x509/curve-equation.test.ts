// Points on and off their curve, without an import.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { verifyPath } from '../../../src/validation/index.ts'
import { PublicKey } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { makeAuthority, makeLeaf, mutate, newSigner, rejectionOf, time } from '../validation/test-pki.ts'

describe('PublicKey.isOnCurve', () => {
  it.each(['P-256', 'P-384', 'P-521'] as const)('%s', (namedCurve) => {
    for (let i = 0; i < 20; i++) {
      const { spki } = PublicKey.from(generateKeyPairSync('ec', { namedCurve }).publicKey)
      expect(PublicKey.fromSpki(spki).isOnCurve).toBe(true)
      for (const at of [1, 20, 40]) {
        const key = PublicKey.fromSpki(mutate(spki, spki.length - at, 1))
        expect(key.isOnCurve).toBe(false)
        expect(() => key.keyObject()).toThrow(code('ERR_KEY_MALFORMED'))
      }
      expect(PublicKey.fromSpki(Uint8Array.from(spki).fill(0xff, spki.length - 8)).isOnCurve).toBe(false)
    }
  })

  it('is true for keys without a curve', () => {
    expect(PublicKey.from(generateKeyPairSync('ed25519').publicKey).isOnCurve).toBe(true)
    expect(PublicKey.from(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey).isOnCurve).toBe(true)
  })

  it('is asked of a leaf, whose key nobody imports', async () => {
    const root = await makeAuthority('root')
    const signer = newSigner()
    const publicKey = PublicKey.fromSpki(mutate(signer.publicKey.spki, signer.publicKey.spki.length - 1, 1))
    const leaf = await makeLeaf(root, {
      signer: {
        id: 'x',
        publicKey,
        signatureAlgorithm: signer.signatureAlgorithm,
        sign: (data) => signer.sign(data),
      },
    })
    const verdict = verifyPath(leaf, { anchors: [root.certificate], time })
    expect(rejectionOf(verdict)).toBe('ERR_PATH_ALGORITHM')
  })
})
