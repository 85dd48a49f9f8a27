// Octets of private keys and passphrases that are overwritten once a key was read.

import { generateKeyPairSync } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import { importPrivateKey } from '../../../src/keys/index.ts'
import { derivePkcs12 } from '../../../src/keys/private-key/pkcs12-key-derivation.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
const passphrase = 'correct horse'

/** The lengths of the buffers that were overwritten with zeros, and still are zero. */
function wipedBy(act: () => unknown): number[] {
  const fill = vi.spyOn(Buffer.prototype, 'fill')
  try {
    act()
    const wiped = (fill.mock.contexts as Buffer[]).filter((_each, index) => fill.mock.calls[index]?.[0] === 0)
    return [...new Set(wiped)]
      .filter((each) => each.every((octet) => octet === 0))
      .map(({ length }) => length)
  } finally {
    fill.mockRestore()
  }
}

const sorted = (lengths: readonly number[]): number[] => lengths.toSorted((a, b) => a - b)

it('of an encrypted key: the passphrase, the derived key, and each encoding', () => {
  const cipher = 'aes-256-cbc'
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher, passphrase }) as string
  // The encodings: without the public key, with it, and as decrypted.
  const expected = [passphrase.length, 32, 32, 67, pkcs8.length, pkcs8.length]
  expect(sorted(wipedBy(() => importPrivateKey(pem, { passphrase })))).toEqual(expected)
})

it('of an encrypted key that a wrong passphrase does not open', () => {
  const cipher = 'aes-256-cbc'
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher, passphrase }) as string
  const wiped = wipedBy(() => {
    expect(() => importPrivateKey(pem, { passphrase: 'wrong' })).toThrow()
  })
  expect(wiped).toEqual(expect.arrayContaining([5, 32]))
})

it('of a SEC 1 key: its number, and the encodings that are loaded', () => {
  const pem = privateKey.export({ type: 'sec1', format: 'pem' }) as string
  // Without and with the public key.
  expect(sorted(wipedBy(() => importPrivateKey(pem)))).toEqual([32, 67, pkcs8.length])
})

it('of the derivation of PKCS #12: the passphrase, the input, and every hash', () => {
  const octets = Buffer.from(passphrase)
  const derivation = { kind: 'pkcs12', salt: new Uint8Array(8).fill(1), rounds: 3 } as const
  // A key of 24 octets takes two blocks of three hashes each.
  const expected = [...Array.from({ length: 6 }, () => 20), 26, 28, 128]
  expect(sorted(wipedBy(() => derivePkcs12(derivation, 'key', 24, octets)))).toEqual(expected)
})
