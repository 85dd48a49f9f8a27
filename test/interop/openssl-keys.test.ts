// Private keys between openssl and us, both ways: PKCS#8, PKCS#1 and SEC 1, plain and encrypted, and
// signatures with what was read.

import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SoftwareSigner, exportPrivateKey, importPrivateKey } from '../../src/keys/index.ts'
import { keyAlgorithmOf, keyAlgorithms } from '../../src/keys/internal.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { PublicKey } from '../../src/x509/index.ts'
import { signatureAlgorithms } from '../../src/x509/internal.ts'
import { requires } from '../support/requires.ts'

const present = requires('openssl')
const directory = present ? mkdtempSync(join(tmpdir(), 'openssl-keys-')) : ''
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const openssl = (args: readonly string[], input: string | Buffer = ''): string =>
  execFileSync('openssl', args, {
    input,
    cwd: directory,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
const opensslBytes = (args: readonly string[], input: string | Buffer = ''): Buffer =>
  execFileSync('openssl', args, { input, cwd: directory, stdio: ['pipe', 'pipe', 'ignore'] })
const spki = (pem: string): string => openssl(['pkey', '-pubout'], pem)
const genpkey = (algorithm: string, ...options: readonly string[]): string =>
  openssl(['genpkey', '-algorithm', algorithm, ...options.flatMap((option) => ['-pkeyopt', option])])
const passphrase = 'correct horse'

const kinds = {
  'P-256': ['EC', 'ec_paramgen_curve:P-256'],
  'P-384': ['EC', 'ec_paramgen_curve:P-384'],
  'P-521': ['EC', 'ec_paramgen_curve:P-521'],
  Ed25519: ['ED25519'],
  'RSA-2048': ['RSA', 'rsa_keygen_bits:2048'],
  'RSA-3072': ['RSA', 'rsa_keygen_bits:3072'],
  'RSA-4096': ['RSA', 'rsa_keygen_bits:4096'],
} as const
type Kind = keyof typeof kinds
const names = Object.keys(kinds) as Kind[]
/** Each is made once, by openssl. */
const made = new Map<Kind, string>()
function keyOf(kind: Kind): string {
  const [algorithm, ...options] = kinds[kind]
  const pem = made.get(kind) ?? genpkey(algorithm, ...options)
  made.set(kind, pem)
  return pem
}
const traditional = (kind: Kind): 'pkcs1' | 'sec1' | undefined =>
  kind === 'Ed25519' ? undefined : kind.startsWith('RSA') ? 'pkcs1' : 'sec1'

describe.skipIf(!present)('private keys of openssl', () => {
  it.each(names)('%s is read in every form that openssl writes', (kind) => {
    const pkcs8 = keyOf(kind)
    const publicKey = PublicKey.from(spki(pkcs8))
    const forms: (string | Uint8Array)[] = [
      pkcs8,
      openssl(['pkcs8', '-topk8', '-nocrypt'], pkcs8),
      opensslBytes(['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER'], pkcs8),
    ]
    if (traditional(kind) !== undefined) forms.push(openssl(['pkey', '-traditional'], pkcs8))
    if (traditional(kind) === 'sec1') forms.push(openssl(['ec', '-no_public'], pkcs8))
    for (const form of forms) {
      const read = PublicKey.from(importPrivateKey(form))
      expect(keyAlgorithmOf(read)).toBe(kind)
      expect(read.equals(publicKey)).toBe(true)
    }
    for (const protection of [
      ['-v2', 'aes-256-cbc'],
      ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512'],
      ['-v2', 'des3'],
      ['-scrypt'],
      ['-v1', 'PBE-SHA1-3DES'],
      ['-v1', 'PBE-SHA1-2DES', '-iter', '3'],
    ]) {
      const encrypted = openssl(['pkcs8', '-topk8', ...protection, '-passout', `pass:${passphrase}`], pkcs8)
      expect(PublicKey.from(importPrivateKey(encrypted, { passphrase })).equals(publicKey)).toBe(true)
      expect(() => importPrivateKey(encrypted, { passphrase: 'wrong' })).toThrow(
        expect.objectContaining({ code: 'ERR_KEY_PASSPHRASE' }),
      )
    }
  })

  it.each(names)('%s is read by openssl in every form that we write', (kind) => {
    const key = importPrivateKey(keyOf(kind))
    const publicKey = PublicKey.from(key)
    const own = traditional(kind)
    for (const format of own === undefined ? (['pkcs8'] as const) : (['pkcs8', own] as const)) {
      const pem = exportPrivateKey(key, { format })
      expect(PublicKey.from(spki(pem)).equals(publicKey)).toBe(true)
      expect(openssl(['pkey', '-check', '-noout'], pem)).toContain('valid')
      expect(PublicKey.from(importPrivateKey(pem)).equals(publicKey)).toBe(true)
    }
    // The labels and octets are openssl's own.
    expect(exportPrivateKey(key)).toBe(openssl(['pkcs8', '-topk8', '-nocrypt'], keyOf(kind)))
    if (own !== undefined)
      expect(exportPrivateKey(key, { format: own })).toBe(openssl(['pkey', '-traditional'], keyOf(kind)))
    for (const format of (['pkcs1', 'sec1'] as const).filter((one) => one !== own)) {
      expect(() => exportPrivateKey(key, { format })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
    const opened = openssl(['pkcs8', '-passin', `pass:${passphrase}`], exportPrivateKey(key, { passphrase }))
    expect(PublicKey.from(importPrivateKey(opened)).equals(publicKey)).toBe(true)
  })

  it.each(Object.keys(keyAlgorithms) as KeyAlgorithm[])(
    '%s: what a key from openssl signs here, openssl verifies',
    async (algorithm) => {
      const pem = keyOf(algorithm.replace('-PSS', '') as Kind)
      const signer = new SoftwareSigner(importPrivateKey(pem), { pss: algorithm.includes('PSS') })
      expect(signer.algorithm).toBe(algorithm)
      expect(verifiedByOpenssl(pem, signer, await signer.sign(data))).toContain('Verified')
    },
  )

  it.each([
    ['nothing', 'rsassa-pss-SHA256', []],
    [
      'SHA-256',
      'rsassa-pss-SHA256',
      ['rsa_pss_keygen_md:sha256', 'rsa_pss_keygen_mgf1_md:sha256', 'rsa_pss_keygen_saltlen:32'],
    ],
    [
      'SHA-384',
      'rsassa-pss-SHA384',
      ['rsa_pss_keygen_md:sha384', 'rsa_pss_keygen_mgf1_md:sha384', 'rsa_pss_keygen_saltlen:20'],
    ],
    [
      'SHA-512',
      'rsassa-pss-SHA512',
      ['rsa_pss_keygen_md:sha512', 'rsa_pss_keygen_mgf1_md:sha512', 'rsa_pss_keygen_saltlen:64'],
    ],
  ] as const)('an RSASSA-PSS key that is bound to %s signs with %s', async (_, name, options) => {
    const pem = genpkey('RSA-PSS', 'rsa_keygen_bits:2048', ...options)
    const key = importPrivateKey(pem)
    expect(PublicKey.from(spki(exportPrivateKey(key))).equals(PublicKey.from(key))).toBe(true)
    const signer = new SoftwareSigner(key)
    expect([signer.algorithm, signer.signatureAlgorithm]).toEqual(['RSA-PSS-2048', name])
    expect(verifiedByOpenssl(pem, signer, await signer.sign(data))).toContain('Verified')
  })

  it('with parameters before the key is read', () => {
    const pem = openssl(['ecparam', '-name', 'prime256v1', '-genkey'])
    expect(pem).toContain('EC PARAMETERS')
    expect(keyAlgorithmOf(PublicKey.from(importPrivateKey(pem)))).toBe('P-256')
  })

  it.each([
    [
      'explicit parameters',
      'ERR_KEY_EXPLICIT_PARAMETERS',
      () => genpkey('EC', 'ec_paramgen_curve:P-256', 'ec_param_enc:explicit'),
    ],
    ['P-224', 'ERR_KEY_UNSUPPORTED', () => genpkey('EC', 'ec_paramgen_curve:P-224')],
    ['secp256k1', 'ERR_KEY_UNSUPPORTED', () => genpkey('EC', 'ec_paramgen_curve:secp256k1')],
    ['Ed448', 'ERR_KEY_UNSUPPORTED', () => genpkey('ED448')],
    ['X25519', 'ERR_KEY_UNSUPPORTED', () => genpkey('X25519')],
    ['RSA of 1024 bits', 'ERR_KEY_WEAK', () => genpkey('RSA', 'rsa_keygen_bits:1024')],
    [
      'RSA with the exponent 3',
      'ERR_KEY_WEAK',
      () => genpkey('RSA', 'rsa_keygen_bits:2048', 'rsa_keygen_pubexp:3'),
    ],
    [
      'RSASSA-PSS with a salt longer than its hash',
      'ERR_KEY_UNSUPPORTED',
      () =>
        genpkey(
          'RSA-PSS',
          'rsa_keygen_bits:2048',
          'rsa_pss_keygen_md:sha256',
          'rsa_pss_keygen_mgf1_md:sha256',
          'rsa_pss_keygen_saltlen:64',
        ),
    ],
    [
      'RSASSA-PSS bound to SHA-1',
      'ERR_KEY_UNSUPPORTED',
      () => genpkey('RSA-PSS', 'rsa_keygen_bits:2048', 'rsa_pss_keygen_md:sha1'),
    ],
    [
      'the encryption of the traditional form',
      'ERR_KEY_UNSUPPORTED',
      () => openssl(['rsa', '-traditional', '-aes256', '-passout', `pass:${passphrase}`], keyOf('RSA-2048')),
    ],
    ['no private half', 'ERR_PEM', () => spki(keyOf('P-256'))],
  ] as const)('with %s are refused: %s', (_, code, make) => {
    const pem = make()
    expect(() => importPrivateKey(pem, { passphrase })).toThrow(expect.objectContaining({ code }))
  })

  it(
    'with a compressed point are read: the public key is computed, and compared with the one that is ' +
      'stated',
    () => {
      const compressed = openssl(['ec', '-conv_form', 'compressed'], keyOf('P-256'))
      expect(importPrivateKey(compressed).equals(importPrivateKey(keyOf('P-256')))).toBe(true)
    },
  )

  it('are refused by a signer too, where nobody imported them first', () => {
    const pem = genpkey(
      'RSA-PSS',
      'rsa_keygen_bits:2048',
      'rsa_pss_keygen_md:sha256',
      'rsa_pss_keygen_mgf1_md:sha256',
      'rsa_pss_keygen_saltlen:64',
    )
    expect(() => new SoftwareSigner(createPrivateKey(pem))).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_UNSUPPORTED' }),
    )
  })
})

const data = Buffer.from('signed here, verified there')

function verifiedByOpenssl(
  pem: string,
  { signatureAlgorithm }: SoftwareSigner,
  signature: Uint8Array,
): string {
  const { hash, saltLength } = signatureAlgorithms[signatureAlgorithm]
  for (const [name, content] of [
    ['key.pub', spki(pem)],
    ['data', data],
    ['signature', signature],
  ] as const)
    writeFileSync(join(directory, name), content)
  if (hash === undefined)
    return openssl([
      'pkeyutl',
      '-verify',
      '-rawin',
      '-pubin',
      '-inkey',
      'key.pub',
      '-in',
      'data',
      '-sigfile',
      'signature',
    ])
  const padding =
    saltLength === undefined
      ? []
      : ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', `rsa_pss_saltlen:${saltLength}`]
  return openssl(['dgst', `-${hash}`, ...padding, '-verify', 'key.pub', '-signature', 'signature', 'data'])
}
