// PKCS#8 under a passphrase: what is written opens, and what costs more than it may, or is of another scheme,
// is not tried.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { integer, octetString, oid, sequence } from '../../../src/der/index.ts'
import { deriveKey, isAffordable } from '../../../src/internal/passphrase.ts'
import { encodePem } from '../../../src/internal/pem.ts'
import { exportPrivateKey, importPrivateKey } from '../../../src/keys/index.ts'
import { decryptPkcs8, encryptPkcs8 } from '../../../src/keys/internal.ts'
import { code } from '../../support/codes.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const passphrase = 'correct horse'
const { der, secret, salt } = await encryptPkcs8(privateKey, passphrase)

interface Fields {
  readonly pbes2: string
  readonly kdf: string
  readonly cipher: string
  readonly cost: readonly number[]
  readonly iv: Uint8Array
}

/** An EncryptedPrivateKeyInfo with the salt of the good one. */
function made(changes: Partial<Fields> = {}): Uint8Array {
  const { pbes2, kdf, cipher, cost, iv } = {
    pbes2: '1.2.840.113549.1.5.13',
    kdf: '1.3.6.1.4.1.11591.4.11',
    cipher: '2.16.840.1.101.3.4.1.42',
    cost: [2 ** 14, 8, 5],
    iv: new Uint8Array(16),
    ...changes,
  }
  const derivation = sequence(oid(kdf), sequence(octetString(salt), ...cost.map((one) => integer(one))))
  return sequence(
    sequence(oid(pbes2), sequence(derivation, sequence(oid(cipher), octetString(iv)))),
    octetString(new Uint8Array(48)),
  )
}

describe('an encrypted private key', () => {
  it('opens, with what scrypt made of the passphrase, by text and by octets', async () => {
    for (const given of [passphrase, Buffer.from(passphrase)]) {
      const opened = await decryptPkcs8(der, given)
      expect(opened.key.equals(privateKey)).toBe(true)
      expect([opened.secret, opened.salt]).toEqual([secret, new Uint8Array(salt)])
    }
    expect(secret).toHaveLength(32)
  })

  it('is one that the platform opens, and importPrivateKey', () => {
    expect(
      createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8', passphrase }).equals(
        privateKey,
      ),
    ).toBe(true)
    expect(importPrivateKey(encodePem('ENCRYPTED PRIVATE KEY', der), { passphrase }).equals(privateKey)).toBe(
      true,
    )
  })

  it('is also what exportPrivateKey writes', async () => {
    const pem = exportPrivateKey(privateKey, { passphrase })
    const bytes = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64')
    expect((await decryptPkcs8(bytes, passphrase)).key.equals(privateKey)).toBe(true)
  })

  it.each(['\uFEFFsecret', 's\0e\0', Buffer.from('secret', 'utf16le'), Buffer.from('\uFEFFsecret')])(
    'is not made under %j, which nobody typed',
    async (given) => {
      await expect(encryptPkcs8(privateKey, given)).rejects.toThrow(/byte order mark|code 0/)
    },
  )

  it('is never the same twice', async () => {
    expect((await encryptPkcs8(privateKey, passphrase)).der).not.toEqual(der)
  })

  it.each<[string, Uint8Array, string, string]>([
    ['with a wrong passphrase', der, 'wrong', 'ERR_KEY_PASSPHRASE'],
    ['with an empty one', der, '', 'ERR_KEY_PASSPHRASE'],
    ['that is none', new Uint8Array(0), passphrase, 'ERR_KEY_MALFORMED'],
    ['that goes on', Buffer.concat([der, Buffer.alloc(1)]), passphrase, 'ERR_KEY_MALFORMED'],
    ['that is cut short', der.subarray(0, -1), passphrase, 'ERR_KEY_MALFORMED'],
    [
      'that is not encrypted',
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      passphrase,
      'ERR_KEY_MALFORMED',
    ],
    ['by the right scheme, of nothing', made(), passphrase, 'ERR_KEY_PASSPHRASE'],
    ['by PBES1', made({ pbes2: '1.2.840.113549.1.5.10' }), passphrase, 'ERR_KEY_UNSUPPORTED'],
    ['by PBKDF2', made({ kdf: '1.2.840.113549.1.5.12' }), passphrase, 'ERR_KEY_MALFORMED'],
    ['by AES-128', made({ cipher: '2.16.840.1.101.3.4.1.2' }), passphrase, 'ERR_KEY_UNSUPPORTED'],
    ['with an IV of 12 octets', made({ iv: new Uint8Array(12) }), passphrase, 'ERR_KEY_MALFORMED'],
    ['without a cost', made({ cost: [] }), passphrase, 'ERR_KEY_MALFORMED'],
    ['at twice the cost', made({ cost: [2 ** 15, 8, 5] }), passphrase, 'ERR_KEY_PASSPHRASE'],
    ['at more', made({ cost: [2 ** 16, 8, 5] }), passphrase, 'ERR_LIMIT_EXCEEDED'],
    [
      'at a cost that is no power of two',
      made({ cost: [2 ** 14 + 1, 8, 5] }),
      passphrase,
      'ERR_KEY_MALFORMED',
    ],
    ['of blocks alone', made({ cost: [2, 65, 1] }), passphrase, 'ERR_LIMIT_EXCEEDED'],
    ['of lanes alone', made({ cost: [2, 1, 65] }), passphrase, 'ERR_LIMIT_EXCEEDED'],
  ])('%s', async (_what, bytes, given, wanted) => {
    await expect(decryptPkcs8(bytes, given)).rejects.toThrow(code(wanted))
  })
})

describe('the cost of scrypt in an input', () => {
  const own = { N: 2 ** 14, r: 8, p: 5 }
  it.each<[string, number, number, number, boolean]>([
    ['our own', 2 ** 14, 8, 5, true],
    ['twice our own', 2 ** 15, 8, 5, true],
    ['more', 2 ** 15, 8, 6, false],
    ['the least', 2, 1, 1, true],
    ['64 blocks', 2, 64, 1, true],
    ['65 blocks', 2, 65, 1, false],
    ['64 lanes', 2, 1, 64, true],
    ['65 lanes', 2, 1, 65, false],
    ['N of 1', 1, 1, 1, false],
    ['N of 0', 0, 8, 5, false],
    ['N of 3', 3, 8, 5, false],
    ['N of -2', -2, 8, 5, false],
    ['N of 1.5', 1.5, 1, 1, false],
    ['N of 2^32', 2 ** 32, 1, 1, false],
    ['N of Infinity', Infinity, 8, 5, false],
    ['N of NaN', Number.NaN, 8, 5, false],
    ['r of 0', 2, 0, 1, false],
    ['p of 0', 2, 1, 0, false],
    ['r of NaN', 2, Number.NaN, 1, false],
  ])('%s', (_what, N, r, p, affordable) => {
    expect(isAffordable({ N, r, p }, own)).toBe(affordable)
  })

  it('is an error of the code that is named, where scrypt takes it for none', async () => {
    await expect(deriveKey('x', new Uint8Array(16), { N: 3, r: 8, p: 1 }, 'ERR_KEY_BACKUP')).rejects.toThrow(
      code('ERR_KEY_BACKUP'),
    )
  })
})
