// Private keys between openssl and us, both ways.

import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner, exportPrivateKey, importPrivateKey, keyAlgorithmOf } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { PublicKey } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'

const openssl = (args: readonly string[], input = ''): string => execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] })
const spki = (pem: string): string => openssl(['pkey', '-pubout'], pem)
const passphrase = 'correct horse'
const rows: readonly { readonly algorithm: KeyAlgorithm, readonly genpkey: readonly string[] }[] = [
  { algorithm: 'P-256', genpkey: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'] },
  { algorithm: 'P-384', genpkey: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'] },
  { algorithm: 'P-521', genpkey: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-521'] },
  { algorithm: 'Ed25519', genpkey: ['ED25519'] },
  { algorithm: 'RSA-2048', genpkey: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] },
  { algorithm: 'RSA-3072', genpkey: ['RSA', '-pkeyopt', 'rsa_keygen_bits:3072'] },
]

describe.skipIf(!requires('openssl'))('private keys of openssl', () => {
  it.each(rows)('$algorithm is read in every form that openssl writes', ({ algorithm, genpkey }) => {
    const pkcs8 = openssl(['genpkey', '-algorithm', ...genpkey])
    const forms = algorithm === 'Ed25519' ? [pkcs8] : [pkcs8, openssl(['pkey', '-traditional'], pkcs8)]
    for (const pem of forms) {
      const publicKey = PublicKey.from(importPrivateKey(pem))
      expect(keyAlgorithmOf(publicKey)).toBe(algorithm)
      expect(publicKey.equals(PublicKey.from(spki(pem)))).toBe(true)
    }
    for (const protection of [['-v2', 'aes-256-cbc'], ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512'], ['-scrypt']]) {
      const encrypted = openssl(['pkcs8', '-topk8', ...protection, '-passout', `pass:${passphrase}`], pkcs8)
      expect(PublicKey.from(importPrivateKey(encrypted, { passphrase })).equals(PublicKey.from(spki(pkcs8)))).toBe(true)
    }
  })

  it.each(rows)('$algorithm is read by openssl in every form that we write', async ({ algorithm }) => {
    const signer = await SoftwareSigner.generate(algorithm)
    const key = signer.privateKey()
    const formats = algorithm === 'Ed25519' ? (['pkcs8'] as const) : (['pkcs8', algorithm.startsWith('RSA') ? 'pkcs1' : 'sec1'] as const)
    for (const format of formats) expect(PublicKey.from(spki(exportPrivateKey(key, { format }))).equals(signer.publicKey)).toBe(true)
    const opened = openssl(['pkcs8', '-passin', `pass:${passphrase}`], exportPrivateKey(key, { passphrase }))
    expect(PublicKey.from(importPrivateKey(opened)).equals(signer.publicKey)).toBe(true)
  })

  it('with parameters before the key is read', () => {
    const pem = openssl(['ecparam', '-name', 'prime256v1', '-genkey'])
    expect(pem).toContain('EC PARAMETERS')
    expect(keyAlgorithmOf(PublicKey.from(importPrivateKey(pem)))).toBe('P-256')
  })

  it('with explicit parameters is refused', () => {
    const pem = openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'])
    expect(() => importPrivateKey(pem)).toThrow(expect.objectContaining({ code: 'ERR_KEY_UNSUPPORTED' }))
  })
})
