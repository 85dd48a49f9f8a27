// Private keys encrypted by the schemes of PKCS#12: read as under PBES2, and a wrong passphrase is not taken
// for content that is not a private key.

import { createCipheriv, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { implicit, integer, octetString, oid, sequence } from '../../../src/der/index.ts'
import { importPrivateKey } from '../../../src/keys/index.ts'
import { pkcs12TripleDes } from '../../../src/keys/private-key/pbe-schemes.ts'
import type { CipherRow } from '../../../src/keys/private-key/pbe-schemes.ts'
import { derivePkcs12 } from '../../../src/keys/private-key/pkcs12-key-derivation.ts'
import { code } from '../../support/codes.ts'

const passphrase = 'secret'
const salt = randomBytes(8)
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const plainOf = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })
/** OneAsymmetricKey with its public key: RFC 5958 section 2. */
const version2 = sequence(
  integer(1),
  sequence(oid('1.3.101.112')),
  plainOf(ed.privateKey).subarray(-36),
  implicit(
    1,
    Buffer.concat([Buffer.of(0), ed.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)]),
  ),
)

/** Encrypted by a scheme of PKCS#12; `stated` is the number of iterations that the file states. */
function encrypted(scheme: string, plain: Uint8Array, stated = 2, rounds = stated): Uint8Array {
  const { cipher, keyOctets, ivOctets } = pkcs12TripleDes[scheme] as CipherRow
  const octets = Buffer.from(passphrase)
  const key = derivePkcs12({ salt, rounds }, 'key', keyOctets, octets)
  const iv = derivePkcs12({ salt, rounds }, 'iv', ivOctets, octets)
  const sealing = createCipheriv(cipher, key, iv)
  const sealed = Buffer.concat([sealing.update(plain), sealing.final()])
  const parameters = sequence(octetString(salt), integer(stated))
  return sequence(sequence(oid(scheme), parameters), octetString(sealed))
}

describe('a private key', () => {
  it.each([
    [
      'PBE-SHA1-3DES',
      'MFcwGwYKKoZIhvcNAQwBAzANBAh2yNPM14xs3AIBBQQ409eHmB5QxItwUAQvdgAbMvEKOv0YtUfXfkLKvXBZhb7Y4uFnf4zqRwBJ' +
        'qwqXxVPse3vXlsIq4ng=',
    ],
    [
      'PBE-SHA1-2DES',
      'MFcwGwYKKoZIhvcNAQwBBDANBAhNf3tvsAodrgIBBQQ4I8rH9puu0ANnuelKzo7THH48scrITBlc1aoOxImCMvlf3gL2l9gf2N0m' +
        'xGuIjyWuuoqvIWk1Mkc=',
    ],
  ])('written by openssl with %s is decrypted', (_name, base64) => {
    const chosen = 'grün und länger als die vierundsechzig Oktette eines Blocks'
    const key = importPrivateKey(Buffer.from(base64, 'base64'), { passphrase: chosen })
    expect(key.asymmetricKeyType).toBe('ed25519')
  })

  it.each<[string, Uint8Array, string]>([
    ['version 2', version2, 'ed25519'],
    ['a public key', ec.publicKey.export({ type: 'spki', format: 'der' }), 'ERR_KEY_MALFORMED'],
    ['SEC 1', ec.privateKey.export({ type: 'sec1', format: 'der' }), 'ERR_KEY_MALFORMED'],
    ['octets after the key', Buffer.concat([plainOf(ec.privateKey), Buffer.alloc(2)]), 'ERR_KEY_MALFORMED'],
    ['text', Buffer.from('this is not a key'), 'ERR_KEY_MALFORMED'],
    ['nothing', Buffer.alloc(0), 'ERR_KEY_MALFORMED'],
  ])('of PKCS#12 whose content is %s is named for that', (_what, plain, wanted) => {
    for (const scheme of Object.keys(pkcs12TripleDes)) {
      const read = (): string =>
        importPrivateKey(encrypted(scheme, plain), { passphrase }).asymmetricKeyType ?? ''
      if (wanted === 'ed25519') expect(read()).toBe(wanted)
      else expect(read).toThrow(code(wanted))
    }
  })

  it.each([
    ['1.2.840.113549.1.12.1.3', ['w104', 'w296', 'w429']],
    ['1.2.840.113549.1.12.1.4', ['w1161', 'w1490']],
  ])('a wrong passphrase of PKCS#12 that gives valid padding is named as wrong: %s', (scheme, wrong) => {
    const parameters = sequence(octetString(Buffer.alloc(8)), integer(1))
    const key = sequence(sequence(oid(scheme), parameters), octetString(Buffer.alloc(48)))
    for (const chosen of ['w1', ...wrong])
      expect(() => importPrivateKey(key, { passphrase: chosen })).toThrow(
        expect.objectContaining({
          code: 'ERR_KEY_PASSPHRASE',
          message: expect.stringMatching(/with this passphrase, or the file is damaged$/) as unknown,
        }),
      )
  })

  it('of PKCS#12 has at most 300,000 iterations', () => {
    const scheme = '1.2.840.113549.1.12.1.3'
    expect(() => importPrivateKey(encrypted(scheme, Buffer.alloc(8), 300_001, 1), { passphrase })).toThrow(
      code('ERR_LIMIT_EXCEEDED'),
    )
  })
})
