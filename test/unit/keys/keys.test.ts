// Key managers, signers, private keys and backups.

import { generateKeyPairSync, scryptSync } from 'node:crypto'
import '../../support/cheap-scrypt.ts'
import type { KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { element, integer, octetString, oid, readWhole, sequence, tags } from '../../../src/der/index.ts'
import type { DerReader } from '../../../src/der/index.ts'
import {
  MemoryKeyManager,
  SoftwareSigner,
  exportPrivateKey,
  importPrivateKey,
  openKeyBackup,
  sealKeyBackup,
} from '../../../src/keys/index.ts'
import { keyAlgorithms } from '../../../src/keys/internal.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { verifySignature } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const algorithms = Object.keys(keyAlgorithms) as KeyAlgorithm[]
const quick = algorithms.filter((name) => !/[34]\d{3}$/.test(name))

describe('SoftwareSigner', () => {
  it.each(algorithms)('%s signs what its public key verifies', async (algorithm) => {
    const signer = await SoftwareSigner.generate(algorithm)
    const data = Buffer.from('to be signed')
    const signature = await signer.sign(data)
    expect(signer.algorithm).toBe(algorithm)
    expect(verifySignature(signer.publicKey, signer.signatureAlgorithm, data, signature)).toBe(true)
    expect(
      verifySignature(signer.publicKey, signer.signatureAlgorithm, Buffer.from('other'), signature),
    ).toBe(false)
  })

  it.each([
    ['P-256', true],
    ['Ed25519', true],
    ['RSA-2048', true],
    ['P-384', false],
    ['RSA-3072', false],
  ] as const)('signs at once where that is quick: %s %s', async (algorithm, quick) => {
    const made = await SoftwareSigner.generate(algorithm)
    expect(made.sign(new Uint8Array(1)) instanceof Uint8Array).toBe(quick)
    const data = Buffer.from('data')
    const elsewhere = new SoftwareSigner(made.privateKey(), { threadPool: quick })
    const answer = elsewhere.sign(data)
    expect(answer instanceof Uint8Array).toBe(!quick)
    expect(verifySignature(elsewhere.publicKey, elsewhere.signatureAlgorithm, data, await answer)).toBe(true)
  })

  it('takes no public key', () => {
    expect(() => new SoftwareSigner(generateKeyPairSync('ed25519').publicKey)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('shows no private octet', async () => {
    const signer = await SoftwareSigner.generate('P-256')
    const secret = signer.privateKey().export({ format: 'jwk' }).d!
    const hex = Buffer.from(secret, 'base64url').toString('hex')
    const shown = inspect(signer, { depth: 10, showHidden: true }) + JSON.stringify(signer)
    expect(shown.includes(secret) || shown.includes(hex)).toBe(false)
  })
})

describe('private keys as text', () => {
  it.each(
    quick
      .flatMap((algorithm) =>
        (['pkcs8', 'pkcs1', 'sec1'] as const).map((format) => [algorithm, format] as const),
      )
      .filter(
        ([algorithm, format]) =>
          format === 'pkcs8' ||
          ((format === 'pkcs1') === algorithm.startsWith('RSA-') && algorithm !== 'Ed25519'),
      ),
  )('%s goes out and in as %s', async (algorithm, format) => {
    const { publicKey, ...signer } = await SoftwareSigner.generate(algorithm).then((made) => ({
      publicKey: made.publicKey,
      key: made.privateKey(),
    }))
    const pem = exportPrivateKey(signer.key, { format })
    expect(new SoftwareSigner(importPrivateKey(pem)).publicKey.equals(publicKey)).toBe(true)
    expect(new SoftwareSigner(importPrivateKey(Buffer.from(pem))).publicKey.equals(publicKey)).toBe(true)
  })

  it('goes out and in encrypted', async () => {
    const key = (await SoftwareSigner.generate('P-256')).privateKey()
    const pem = exportPrivateKey(key, { passphrase: 'correct horse' })
    expect(pem).toContain('BEGIN ENCRYPTED PRIVATE KEY')
    // scrypt, and not the few rounds of the platform's export.
    expect(Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64').toString('hex')).toContain(
      Buffer.from(oid('1.3.6.1.4.1.11591.4.11')).toString('hex'),
    )
    expect(exportPrivateKey(key, { passphrase: 'correct horse' })).not.toBe(pem)
    expect(
      importPrivateKey(exportPrivateKey(key, { passphrase: Buffer.from('correct horse') }), {
        passphrase: Buffer.from('correct horse'),
      }).equals(key),
    ).toBe(true)
    expect(importPrivateKey(pem, { passphrase: 'correct horse' }).equals(key)).toBe(true)
    expect(() => importPrivateKey(pem)).toThrow(code('ERR_KEY_PASSPHRASE'))
    expect(() => importPrivateKey(pem, { passphrase: 'wrong' })).toThrow(code('ERR_KEY_PASSPHRASE'))
  })

  it.each([
    { what: 'PBKDF2 of the platform', change: (der: Buffer) => der, wanted: undefined },
    {
      what: 'PBKDF2 with 2^31 - 1 rounds',
      change: (der: Buffer) => withRounds(der, 0x7fffffff),
      wanted: 'ERR_LIMIT_EXCEEDED',
    },
    {
      what: 'PBKDF2 with 2,000,001 rounds',
      change: (der: Buffer) => withRounds(der, 2_000_001),
      wanted: 'ERR_LIMIT_EXCEEDED',
    },
    {
      what: 'PBKDF2 with a negative count',
      change: (der: Buffer) => withRounds(der, 0x80000001),
      wanted: 'ERR_KEY_MALFORMED',
    },
    {
      what: 'scrypt with 2^21 blocks',
      change: () => encryptedBy(scrypt(2 ** 17, 8, 2)),
      wanted: 'ERR_KEY_PASSPHRASE',
    },
    {
      what: 'scrypt with more',
      change: () => encryptedBy(scrypt(2 ** 17, 8, 4)),
      wanted: 'ERR_LIMIT_EXCEEDED',
    },
    { what: 'scrypt without p', change: () => encryptedBy(scrypt(2, 1)), wanted: 'ERR_KEY_MALFORMED' },
    {
      what: 'a derivation that nobody knows',
      change: () => encryptedBy(sequence(oid('1.2.3.4'), sequence(octetString(salt), integer(1)))),
      wanted: 'ERR_KEY_UNSUPPORTED',
    },
    {
      what: 'no parameters',
      change: () => encryptedBy(sequence(oid('1.2.840.113549.1.5.12'))),
      wanted: 'ERR_KEY_MALFORMED',
    },
  ])('spends on an encrypted file what is reasonable: $what', async ({ change, wanted }) => {
    const key = (await SoftwareSigner.generate('P-256')).privateKey()
    const der = key.export({
      type: 'pkcs8',
      format: 'der',
      cipher: 'aes-256-cbc',
      passphrase: 'correct horse',
    })
    const pem = `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${Buffer.from(change(der))
      .toString('base64')
      .replace(/.{64}(?=.)/g, '$&\n')}\n-----END ENCRYPTED PRIVATE KEY-----\n`
    const read = () => importPrivateKey(pem, { passphrase: 'correct horse' })
    if (wanted === undefined) expect(read().equals(key)).toBe(true)
    else expect(read).toThrow(code(wanted))
  })

  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  it.each([
    {
      what: 'RSA of 1024 bits',
      input: () => exportPrivateKey(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      wanted: 'ERR_KEY_WEAK',
    },
    {
      what: 'an exponent of 3',
      input: () =>
        exportPrivateKey(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey),
      wanted: 'ERR_KEY_WEAK',
    },
    {
      what: 'secp256k1',
      input: () => exportPrivateKey(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      wanted: 'ERR_KEY_UNSUPPORTED',
    },
    {
      what: 'explicit parameters',
      input: () =>
        exportPrivateKey(
          generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey,
        ),
      wanted: 'ERR_KEY_EXPLICIT_PARAMETERS',
    },
    { what: 'two keys', input: () => exportPrivateKey(p256.privateKey).repeat(2), wanted: 'ERR_PEM' },
    {
      what: 'a public key',
      input: () => p256.publicKey.export({ type: 'spki', format: 'pem' }) as string,
      wanted: 'ERR_PEM',
    },
    { what: 'nonsense', input: () => Uint8Array.of(0x30, 0x00), wanted: 'ERR_KEY_MALFORMED' },
    { what: 'too much', input: () => ' '.repeat(100_000), wanted: 'ERR_LIMIT_EXCEEDED' },
    // A compressed point that is none: found by the fuzzer.
    {
      what: 'a broken public half',
      input: () =>
        Buffer.from(
          'MEcCAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcELTArAgEBBCAdDNiJh+Q/' +
            'U3v/Y1mLKKxb9adL9xdCU5I6BMnfGL4k0KEEAwIAAA==',
          'base64',
        ),
      wanted: 'ERR_KEY_MALFORMED',
    },
  ])('refuses $what', ({ input, wanted }) => {
    expect(() => importPrivateKey(input())).toThrow(code(wanted))
  })

  it('refuses a public half that belongs to another key', () => {
    const der = p256.privateKey.export({ type: 'pkcs8', format: 'der' })
    const point = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .publicKey.export({ type: 'spki', format: 'der' })
      .subarray(-64)
    point.copy(der, der.length - 64)
    expect(() => importPrivateKey(der)).toThrow(code('ERR_KEY_MALFORMED'))
  })

  const [pkcs8, sec1] = (['pkcs8', 'sec1'] as const).map((type) =>
    p256.privateKey.export({ type, format: 'der' }),
  ) as [Buffer, Buffer]
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const pkcs1 = rsa.export({ type: 'pkcs1', format: 'der' })
  const pem = (label: string, ...der: readonly Uint8Array[]): string =>
    `-----BEGIN ${label}-----\n${Buffer.concat(der)
      .toString('base64')
      .replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`
  const nothing = Uint8Array.of(5, 0)
  it.each([
    ['octets after PKCS#8', Buffer.concat([pkcs8, nothing])],
    ['a zero after PKCS#8', Buffer.concat([pkcs8, Uint8Array.of(0)])],
    ['another key after PKCS#8', Buffer.concat([pkcs8, pkcs8])],
    ['octets after PKCS#8 in PEM', pem('PRIVATE KEY', pkcs8, nothing)],
    ['octets after SEC 1', pem('EC PRIVATE KEY', sec1, nothing)],
    ['octets after PKCS#1', pem('RSA PRIVATE KEY', pkcs1, nothing)],
    ['SEC 1 under the label of PKCS#8', pem('PRIVATE KEY', sec1)],
    ['PKCS#8 under the label of SEC 1', pem('EC PRIVATE KEY', pkcs8)],
    ['PKCS#1 under the label of PKCS#8', pem('PRIVATE KEY', pkcs1)],
    ['PKCS#8 under the label of PKCS#1', pem('RSA PRIVATE KEY', pkcs8)],
    ['SEC 1 under the label of PKCS#1', pem('RSA PRIVATE KEY', sec1)],
    [
      'an indefinite length',
      Buffer.concat([Uint8Array.of(0x30, 0x80), pkcs8.subarray(3), Uint8Array.of(0, 0)]),
    ],
    ['a padded length', Buffer.concat([Uint8Array.of(0x30, 0x82, 0), pkcs8.subarray(2)])],
    ['a public key', p256.publicKey.export({ type: 'spki', format: 'der' })],
    ['half a key', pkcs8.subarray(0, 60)],
  ])('has one form, and nothing after it: not %s', (_what, input) => {
    expect(() => importPrivateKey(input)).toThrow(code('ERR_KEY_MALFORMED'))
  })

  it('loads after a call whose error OpenSSL still has in its queue', () => {
    expect(() => scryptSync('x', 'x', 32, { N: 2 ** 20, r: 1, p: 1, maxmem: 2 ** 31 })).toThrow()
    expect(importPrivateKey(pkcs8).equals(p256.privateKey)).toBe(true)
  })

  it.each([{ passphrase: undefined }, { passphrase: '' }, { passphrase: 'secret\n' }, { passfrase: 'x' }])(
    'is not exported with the options %j',
    (options) => {
      expect(() => exportPrivateKey(p256.privateKey, options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )

  it.each([undefined, null, 5, {}, [], new ArrayBuffer(8)])('is no %j', (input) => {
    expect(() => importPrivateKey(input as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([
    { what: 'two hashes', options: { hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha256', saltLength: 32 } },
    { what: 'SHA-1', options: { hashAlgorithm: 'sha1', mgf1HashAlgorithm: 'sha1', saltLength: 20 } },
    {
      what: 'a longer salt',
      options: { hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256', saltLength: 48 },
    },
  ])('of RSA-PSS that is bound to $what is refused by name, before it is asked to sign', ({ options }) => {
    const privateKey = boundRsa(options)
    expect(() => importPrivateKey(privateKey)).toThrow(code('ERR_KEY_UNSUPPORTED'))
    expect(() => new SoftwareSigner(privateKey)).toThrow(code('ERR_KEY_UNSUPPORTED'))
  })

  it.each([
    {},
    { hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256', saltLength: 32 },
    { hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512', saltLength: 64 },
  ])('of RSA-PSS that is bound to %j signs', async (options) => {
    const signer = new SoftwareSigner(importPrivateKey(boundRsa(options)))
    expect(signer.algorithm).toBe('RSA-PSS-2048')
    expect(
      verifySignature(signer.publicKey, signer.signatureAlgorithm, nothing, await signer.sign(nothing)),
    ).toBe(true)
  })

  it('signs octets, and nothing else', async () => {
    for (const algorithm of ['P-256', 'P-384'] as const) {
      const signer = await SoftwareSigner.generate(algorithm)
      for (const data of ['text', undefined, 5, [1]])
        expect(() => signer.sign(data as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    }
  })

  it('does not go out under an empty passphrase, and a public one not at all', () => {
    for (const passphrase of ['', new Uint8Array(0)])
      expect(() => exportPrivateKey(p256.privateKey, { passphrase })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => exportPrivateKey(p256.publicKey)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('is found in octets of a text, whatever the text begins with', () => {
    for (const before of ['', '0 of 1\n', '\n', 'Key: 1\r\n'])
      expect(
        importPrivateKey(Buffer.from(before + exportPrivateKey(p256.privateKey))).equals(p256.privateKey),
      ).toBe(true)
  })

  it('says which format a key has not', () => {
    expect(() => exportPrivateKey(p256.privateKey, { format: 'pkcs1' })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => exportPrivateKey(p256.privateKey, { format: 'sec1', passphrase: 'x' })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('MemoryKeyManager', () => {
  it('makes, finds, lists, rotates and destroys', async () => {
    await using keys = new MemoryKeyManager()
    const first = await keys.generateKey('ca', 'P-256')
    await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(code('ERR_KEY_EXISTS'))
    const second = await keys.rotateKey('ca')
    expect((await keys.getSigner('ca'))?.publicKey.equals(second.publicKey)).toBe(true)
    expect((await keys.getSigner('ca', 1))?.publicKey.equals(first.publicKey)).toBe(true)
    expect(
      (await keys.listKeys()).map(({ id, version, algorithm, current }) => ({
        id,
        version,
        algorithm,
        current,
      })),
    ).toEqual([
      { id: 'ca', version: 1, algorithm: 'P-256', current: false },
      { id: 'ca', version: 2, algorithm: 'P-256', current: true },
    ])
    await keys.destroyKey('ca', 1)
    expect(await keys.getSigner('ca', 1)).toBeUndefined()
    await expect(keys.destroyKey('ca', 1)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    await keys.destroyKey('ca')
    expect(await keys.getSigner('ca')).toBeUndefined()
    await expect(keys.rotateKey('ca')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it.each(['', '../x', 'a/b', '.hidden', 'x'.repeat(129)])('refuses the id %j', async (id) => {
    await expect(new MemoryKeyManager().generateKey(id, 'P-256')).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['a list', ['ca']],
    ['what becomes text', { toString: () => 'ca' }],
  ])('has no key called %s', async (_what, id) => {
    const manager = new MemoryKeyManager()
    await expect(manager.generateKey(id as string, 'P-256')).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    await expect(manager.getSigner(id as string)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  it('keeps no key that was being made when it was closed', async () => {
    const manager = new MemoryKeyManager()
    const making = manager.generateKey('ca', 'P-256')
    await manager[Symbol.asyncDispose]()
    await expect(making).rejects.toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  it('refuses every call once closed', async () => {
    const keys = new MemoryKeyManager()
    await keys[Symbol.asyncDispose]()
    await expect(keys.listKeys()).rejects.toThrow(code('ERR_CLOSED'))
  })
})

describe('backups', () => {
  const recipient = generateKeyPairSync('x25519')
  it.each([
    ['a passphrase', { passphrase: 'correct horse' }, { passphrase: 'correct horse' }],
    ['a recipient', { recipient: recipient.publicKey }, { recipient: recipient.privateKey }],
  ] as const)('go from one manager to another under %s', async (_what, sealing, opening) => {
    const [here, there] = [new MemoryKeyManager(), new MemoryKeyManager()]
    const original = await here.generateKey('ca', 'P-256')
    const backup = JSON.parse(JSON.stringify(await here.backupKey('ca', sealing)))
    const restored = await there.restoreKey(backup, opening)
    expect(restored.publicKey.equals(original.publicKey)).toBe(true)
    await expect(there.restoreKey(backup, opening)).rejects.toThrow(code('ERR_KEY_EXISTS'))
  })

  it('are refused when they are malformed, by a code', async () => {
    const key = (await SoftwareSigner.generate('P-256')).privateKey()
    const about = { keyId: 'ca', algorithm: 'P-256', created: new Date(0) } as const
    const backup = await sealKeyBackup(key, about, { passphrase: 'right' })
    const { protection, ...rest } = backup
    const forOther = await sealKeyBackup(key, about, { recipient: recipient.publicKey })
    const malformed: unknown[] = [
      null,
      5,
      {},
      rest,
      { ...backup, protection: null },
      { ...backup, protection: 'scrypt' },
      { ...backup, protection: { ...protection, kind: 'none' } },
      { ...backup, protection: { ...protection, salt: 5 } },
      { ...backup, protection: { ...protection, salt: '!' } },
      { ...backup, protection: { ...protection, more: 1 } },
      { ...backup, protection: { ...protection, N: 1 } },
      { ...backup, protection: { ...protection, N: 3 } },
      { ...backup, protection: { ...protection, r: 0 } },
      { ...backup, keyId: 5n },
      { ...backup, created: undefined },
      { ...backup, algorithm: 'DSA' },
      { ...backup, nonce: `!${backup.nonce}` },
      { ...backup, nonce: 'AAAA' },
      { ...backup, ciphertext: `${backup.ciphertext}\n` },
    ]
    for (const one of malformed)
      await expect(openKeyBackup(one as never, { passphrase: 'right' })).rejects.toThrow(
        code('ERR_KEY_BACKUP'),
      )
    const short = { ...forOther, protection: { ...forOther.protection, ephemeralKey: 'AAAA' } as never }
    await expect(openKeyBackup(short, { recipient: recipient.privateKey })).rejects.toThrow(
      code('ERR_KEY_BACKUP'),
    )
  })

  it('open for nobody else, and tell damage from a wrong key', async () => {
    const key = (await SoftwareSigner.generate('P-256')).privateKey()
    const backup = await sealKeyBackup(
      key,
      { keyId: 'ca', algorithm: 'P-256', created: new Date(0) },
      { passphrase: 'right' },
    )
    const forOther = await sealKeyBackup(
      key,
      { keyId: 'ca', algorithm: 'P-256', created: new Date(0) },
      { recipient: recipient.publicKey },
    )
    await expect(openKeyBackup(backup, { passphrase: 'wrong' })).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    await expect(openKeyBackup({ ...backup, keyId: 'other' }, { passphrase: 'right' })).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
    await expect(
      openKeyBackup(
        { ...backup, ciphertext: `${backup.ciphertext.slice(0, -8)}AAAAAAA=` },
        { passphrase: 'right' },
      ),
    ).rejects.toThrow(code('ERR_KEY_BACKUP'))
    await expect(
      openKeyBackup(
        { ...backup, protection: { ...backup.protection, N: 2 ** 24 } as never },
        { passphrase: 'right' },
      ),
    ).rejects.toThrow(code('ERR_KEY_BACKUP'))
    await expect(openKeyBackup({ ...backup, version: 2 as never }, { passphrase: 'right' })).rejects.toThrow(
      code('ERR_KEY_BACKUP'),
    )
    await expect(
      openKeyBackup(forOther, { recipient: generateKeyPairSync('x25519').privateKey }),
    ).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    await expect(openKeyBackup(forOther, { passphrase: 'right' })).rejects.toThrow(code('ERR_KEY_BACKUP'))
    await expect(
      sealKeyBackup(key, { keyId: 'ca', algorithm: 'P-256', created: new Date(0) }, { passphrase: '' }),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

/** The declaration of the platform wants what the platform does not. */
function boundRsa(options: object): KeyObject {
  return (generateKeyPairSync as unknown as (type: string, options: object) => { privateKey: KeyObject })(
    'rsa-pss',
    { modulusLength: 2048, ...options },
  ).privateKey
}

function nextOf(reader: DerReader): Uint8Array {
  reader.next()
  return reader.element()
}

const salt = Buffer.from('salt of 16 octet')

/** The count of rounds as four octets in place of the platform's two. */
function withRounds(der: Buffer, rounds: number): Uint8Array {
  const info = readWhole(der, tags.sequence, 'EncryptedPrivateKeyInfo')
  const pbes2 = info.expect(tags.sequence, 'algorithm').inner()
  pbes2.next()
  const parameters = pbes2.expect(tags.sequence, 'parameters').inner()
  const derivation = parameters.expect(tags.sequence, 'derivation').inner()
  const scheme = nextOf(derivation)
  const pbkdf2 = derivation.expect(tags.sequence, 'PBKDF2-params').inner()
  const itsSalt = nextOf(pbkdf2)
  pbkdf2.next()
  const count = Buffer.alloc(4)
  count.writeUInt32BE(rounds)
  const trimmed = rounds < 0x800000 ? count.subarray(1) : count
  const rest: Uint8Array[] = []
  while (!pbkdf2.done) rest.push(nextOf(pbkdf2))
  return sequence(
    sequence(
      oid('1.2.840.113549.1.5.13'),
      sequence(
        sequence(scheme, sequence(itsSalt, element(tags.integer, trimmed), ...rest)),
        nextOf(parameters),
      ),
    ),
    nextOf(info),
  )
}

function scrypt(...costs: readonly number[]): Uint8Array {
  return sequence(
    oid('1.3.6.1.4.1.11591.4.11'),
    sequence(octetString(salt), ...costs.map((cost) => integer(cost))),
  )
}

/** Whatever is inside, the derivation comes first. */
function encryptedBy(derivation: Uint8Array): Uint8Array {
  const aes256Cbc = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16)))
  return sequence(
    sequence(oid('1.2.840.113549.1.5.13'), sequence(derivation, aes256Cbc)),
    octetString(Buffer.alloc(144)),
  )
}
