// A backup as an attacker's input: every field changed, another kind put in its place, costs that nobody can
// pay.

import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { serialize } from 'node:v8'
import { beforeAll, describe, expect, it } from 'vitest'
import { MemoryKeyManager, SoftwareSigner, openKeyBackup, sealKeyBackup } from '../../../src/keys/index.ts'
import type { BackupProtection, EncryptedKeyBackup, KeyAlgorithm } from '../../../src/keys/index.ts'
import { code } from '../../support/codes.ts'

const recipient = generateKeyPairSync('x25519')
const stranger = generateKeyPairSync('x25519')
const passphrase = 'correct horse battery staple'
const about = { keyId: 'ca', algorithm: 'P-256', created: new Date('2026-01-01T00:00:00Z') } as const
const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

type Change = (backup: EncryptedKeyBackup) => unknown
const flip = (base64: string, at: number): string => {
  const octets = Buffer.from(base64, 'base64')
  octets[at < 0 ? octets.length + at : at]! ^= 1
  return octets.toString('base64')
}
/** With the checksum of what it then is: an attacker can count too. */
const resealed = (ciphertext: string) => ({
  ciphertext,
  checksum: createHash('sha256').update(Buffer.from(ciphertext, 'base64')).digest('hex'),
})

describe('a backup', () => {
  let forRecipient: EncryptedKeyBackup
  let forPassphrase: EncryptedKeyBackup
  beforeAll(async () => {
    forRecipient = await sealKeyBackup(key, about, { recipient: recipient.publicKey })
    forPassphrase = await sealKeyBackup(key, about, { passphrase })
  })

  const changes: readonly (readonly [string, string, Change])[] = [
    ['the id', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, keyId: 'root' })],
    ['the algorithm', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, algorithm: 'P-384' })],
    ['the algorithm, to sign by PSS', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, algorithm: 'RSA-PSS-2048' })],
    ['the time', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, created: '2026-01-02T00:00:00.000Z' })],
    [
      'the spelling of the time',
      'ERR_KEY_PASSPHRASE',
      (one) => ({ ...one, created: '2026-01-01T00:00:00Z' }),
    ],
    [
      'its protection, to one that is endless',
      'ERR_KEY_BACKUP',
      ({ protection, ...one }) => ({
        ...one,
        protection: {
          ...protection,
          [protection.kind === 'scrypt' ? 'salt' : 'ephemeralKey']: 'A'.repeat(4096),
        },
      }),
    ],
    ['the nonce', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, nonce: flip(one.nonce, 0) })],
    ['the first octet', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, ...resealed(flip(one.ciphertext, 0)) })],
    ['the tag', 'ERR_KEY_PASSPHRASE', (one) => ({ ...one, ...resealed(flip(one.ciphertext, -1)) })],
    [
      'the length of the tag',
      'ERR_KEY_PASSPHRASE',
      (one) => ({
        ...one,
        ...resealed(Buffer.from(one.ciphertext, 'base64').subarray(0, -1).toString('base64')),
      }),
    ],
    [
      'everything but the tag',
      'ERR_KEY_BACKUP',
      (one) => ({
        ...one,
        ...resealed(Buffer.from(one.ciphertext, 'base64').subarray(-16).toString('base64')),
      }),
    ],
    [
      'the first octet, but not the checksum',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, ciphertext: flip(one.ciphertext, 0) }),
    ],
    [
      'the checksum',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, checksum: one.checksum.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }),
    ],
    [
      'the case of the checksum',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, checksum: one.checksum.replace(/[a-f]/, (digit) => digit.toUpperCase()) }),
    ],
    ['the checksum away', 'ERR_KEY_BACKUP', (one) => ({ ...one, checksum: undefined })],
    ['the version: an older one', 'ERR_KEY_BACKUP', (one) => ({ ...one, version: 0 })],
    ['the version: a newer one', 'ERR_KEY_BACKUP', (one) => ({ ...one, version: 2 })],
    ['the version: a text', 'ERR_KEY_BACKUP', (one) => ({ ...one, version: '1' })],
    [
      'the nonce to 13 octets',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, nonce: Buffer.alloc(13).toString('base64') }),
    ],
    ['the id to a path', 'ERR_KEY_BACKUP', (one) => ({ ...one, keyId: '../../etc/passwd' })],
    ['the id to lines of a log', 'ERR_KEY_BACKUP', (one) => ({ ...one, keyId: 'ca\n2026 root logged in' })],
    ['the id to too much', 'ERR_KEY_BACKUP', (one) => ({ ...one, keyId: 'a'.repeat(129) })],
    ['the time to a text', 'ERR_KEY_BACKUP', (one) => ({ ...one, created: 'yesterday' })],
    [
      'the time to one that does not exist',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, created: '2026-13-01T00:00:00Z' }),
    ],
    ['the algorithm to a name of Object', 'ERR_KEY_BACKUP', (one) => ({ ...one, algorithm: 'constructor' })],
    ['the protection away', 'ERR_KEY_BACKUP', (one) => ({ ...one, protection: undefined })],
    [
      'the protection to a list',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, protection: Object.entries(one.protection) }),
    ],
    [
      'the kind of protection',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, protection: { ...one.protection, kind: 'none' } }),
    ],
    [
      'the protection by one member more',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, protection: { ...one.protection, more: 1 } }),
    ],
    [
      'the ciphertext to a megabyte',
      'ERR_KEY_BACKUP',
      (one) => ({ ...one, ...resealed(Buffer.alloc(1024 * 1024).toString('base64')) }),
    ],
  ]
  it.each(changes)('is not opened with %s changed: %s', async (_what, wanted, change) => {
    const changed = change(forRecipient) as EncryptedKeyBackup
    await expect(openKeyBackup(changed, { recipient: recipient.privateKey })).rejects.toThrow(code(wanted))
    await expect(
      new MemoryKeyManager().restoreKey(changed, { recipient: recipient.privateKey }),
    ).rejects.toThrow(code(wanted))
  })

  const raw = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')
  it.each([
    [
      'another ephemeral key',
      'ERR_KEY_PASSPHRASE',
      {
        ephemeralKey: Buffer.from(stranger.publicKey.export({ format: 'jwk' }).x!, 'base64url').toString(
          'base64',
        ),
      },
    ],
    // RFC 7748 §6.1: of such points every secret is 0, whoever computes it.
    ['the point 0', 'ERR_KEY_BACKUP', { ephemeralKey: raw('00'.repeat(32)) }],
    ['the point 1', 'ERR_KEY_BACKUP', { ephemeralKey: raw(`01${'00'.repeat(31)}`) }],
    [
      'a point of order 8',
      'ERR_KEY_BACKUP',
      { ephemeralKey: raw('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800') },
    ],
    [
      'a point of order 2',
      'ERR_KEY_BACKUP',
      { ephemeralKey: raw('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f') },
    ],
    ['a short ephemeral key', 'ERR_KEY_BACKUP', { ephemeralKey: raw('00'.repeat(31)) }],
    ['a long ephemeral key', 'ERR_KEY_BACKUP', { ephemeralKey: raw('00'.repeat(33)) }],
    ['no ephemeral key', 'ERR_KEY_BACKUP', { ephemeralKey: '' }],
    ['the id of another recipient', 'ERR_KEY_PASSPHRASE', { recipientKeyId: '00'.repeat(16) }],
    ['no id of a recipient', 'ERR_KEY_PASSPHRASE', { recipientKeyId: '' }],
  ])('is not opened with %s', async (_what, wanted, change) => {
    const changed = {
      ...forRecipient,
      protection: { ...forRecipient.protection, ...change },
    } as EncryptedKeyBackup
    await expect(openKeyBackup(changed, { recipient: recipient.privateKey })).rejects.toThrow(code(wanted))
  })

  it.each<[string, Record<string, unknown>]>([
    ['N of 2^30', { N: 2 ** 30 }],
    ['N of 2^53', { N: 2 ** 53 }],
    ['N of Infinity', { N: Infinity }],
    ['N of NaN', { N: Number.NaN }],
    ['N of 0', { N: 0 }],
    ['N of 1', { N: 1 }],
    ['N of -2', { N: -2 }],
    ['N of 1.5', { N: 1.5 }],
    ['N that is no power of two', { N: 2 ** 17 - 1 }],
    ['N of 2^32, of which 32 bits are 0', { N: 2 ** 32, r: 1 }],
    ['r of 2^20', { N: 2, r: 2 ** 20 }],
    ['p of 2^20', { N: 2, r: 1, p: 2 ** 20 }],
    ['r of 65', { N: 2, r: 65 }],
    ['p of 65', { N: 2, p: 65 }],
    ['twice the cost, and a little', { N: 2 ** 17, r: 17 }],
    ['r of 0', { r: 0 }],
    ['p of 0', { p: 0 }],
    ['N as a text', { N: '131072' }],
    ['N as a BigInt', { N: 131072n }],
    ['N away', { N: undefined }],
    ['a salt that is no base64', { salt: 'AAA' }],
    ['a salt of a list', { salt: ['AAAA'] }],
  ])('makes nobody pay for scrypt with %s', async (_what, change) => {
    const changed = {
      ...forPassphrase,
      protection: { ...forPassphrase.protection, ...change },
    } as EncryptedKeyBackup
    await expect(openKeyBackup(changed, { passphrase })).rejects.toThrow(code('ERR_KEY_BACKUP'))
  })

  it.each([
    ['less cost', { N: 1024 }],
    ['another salt', { salt: Buffer.alloc(16).toString('base64'), N: 1024 }],
    ['no salt', { salt: '', N: 1024 }],
  ])('is not opened with %s than it was sealed with', async (_what, change) => {
    const changed = {
      ...forPassphrase,
      protection: { ...forPassphrase.protection, ...change },
    } as EncryptedKeyBackup
    await expect(openKeyBackup(changed, { passphrase })).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
  })

  it.each([
    [`${passphrase}\n`, /the passphrase ends in a line feed/],
    [`\uFEFF${passphrase}`, /the passphrase begins with a byte order mark/],
    ['', /the passphrase is empty$/],
  ])('under %j is not opened, and what is wrong with the passphrase is told', async (given, words) => {
    const failed = openKeyBackup(forPassphrase, { passphrase: given })
    await expect(failed).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    await expect(failed).rejects.toThrow(words)
  })

  it('that is still text is told to be parsed', async () => {
    const text = JSON.stringify(forPassphrase) as never
    await expect(openKeyBackup(text, { passphrase })).rejects.toThrow(/no member version; .*from its JSON/)
    await expect(new MemoryKeyManager().restoreKey(text, { passphrase })).rejects.toThrow(/from its JSON/)
  })

  it('has one kind of protection, and no other opens it', async () => {
    await expect(openKeyBackup(forRecipient, { passphrase })).rejects.toThrow(code('ERR_KEY_BACKUP'))
    await expect(openKeyBackup(forPassphrase, { recipient: recipient.privateKey })).rejects.toThrow(
      code('ERR_KEY_BACKUP'),
    )
    await expect(
      openKeyBackup(
        { ...forRecipient, protection: forPassphrase.protection },
        { recipient: recipient.privateKey },
      ),
    ).rejects.toThrow(code('ERR_KEY_BACKUP'))
    await expect(
      openKeyBackup(
        { ...forPassphrase, protection: forRecipient.protection },
        { recipient: recipient.privateKey },
      ),
    ).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    await expect(openKeyBackup(forRecipient, { recipient: stranger.privateKey })).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
    await expect(openKeyBackup(forRecipient, { recipient: recipient.publicKey })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    expect((await openKeyBackup(forRecipient, { recipient: recipient.privateKey })).equals(key)).toBe(true)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['nobody', {}],
    ['a number', { passphrase: 5 }],
    ['a key of another kind', { recipient: generateKeyPairSync('ed25519').privateKey }],
    ['a JWK', { recipient: recipient.publicKey.export({ format: 'jwk' }) }],
  ])('is protected by a passphrase or a recipient, not by %s', async (_what, protection) => {
    await expect(sealKeyBackup(key, about, protection as BackupProtection)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    await expect(openKeyBackup(forRecipient, protection as BackupProtection)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it.each<[string, Partial<Record<'keyId' | 'algorithm' | 'created', unknown>>]>([
    ['an id that is none', { keyId: '../ca' }],
    ['a time that is none', { created: new Date(Number.NaN) }],
    ["another curve's algorithm", { algorithm: 'P-384' }],
    ["another key's algorithm", { algorithm: 'RSA-PSS-2048' }],
  ])('is not made with %s', async (_what, change) => {
    await expect(
      sealKeyBackup(key, { ...about, ...change } as never, { recipient: recipient.publicKey }),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each<[string, BackupProtection | undefined]>([
    ['a recipient that is not there', { passphrase, recipient: undefined } as never],
  ])('takes no notice of %s', async (_what, protection) => {
    expect((await sealKeyBackup(key, about, protection as BackupProtection)).protection.kind).toBe('scrypt')
    expect((await openKeyBackup(forPassphrase, protection as BackupProtection)).type).toBe('private')
  })

  it('is of a private key', async () => {
    await expect(
      sealKeyBackup(createPublicKey(key), about, { recipient: recipient.publicKey }),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('keeps the two ways of RSA apart', async () => {
    const signer = await SoftwareSigner.generate('RSA-PSS-2048')
    for (const algorithm of ['RSA-2048', 'RSA-PSS-2048'] as const satisfies readonly KeyAlgorithm[]) {
      const backup = await sealKeyBackup(
        signer.privateKey(),
        { ...about, algorithm },
        { recipient: recipient.publicKey },
      )
      const restored = await new MemoryKeyManager().restoreKey(backup, { recipient: recipient.privateKey })
      expect(restored.algorithm).toBe(algorithm)
      const other = algorithm === 'RSA-2048' ? 'RSA-PSS-2048' : 'RSA-2048'
      await expect(
        new MemoryKeyManager().restoreKey(
          { ...backup, algorithm: other },
          { recipient: recipient.privateKey },
        ),
      ).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    }
  })

  it('is used as it was opened, though it changes meanwhile', async () => {
    const keys = new MemoryKeyManager()
    const backup = { ...forRecipient } as { keyId: string; algorithm: string }
    const restoring = keys.restoreKey(backup as never, { recipient: recipient.privateKey })
    Object.assign(backup, { keyId: 'root', algorithm: 'RSA-PSS-2048' })
    expect((await restoring).id).toBe('ca')
    expect((await keys.listKeys()).map(({ id, algorithm }) => [id, algorithm])).toEqual([['ca', 'P-256']])
  })

  it('shares nothing with another of the same key', async () => {
    const again = await sealKeyBackup(key, about, { recipient: recipient.publicKey })
    expect(again.ciphertext).not.toBe(forRecipient.ciphertext)
    expect(again.nonce).not.toBe(forRecipient.nonce)
    expect(again.protection).not.toEqual(forRecipient.protection)
  })

  it('and its errors show no private octet, no passphrase and no hostile text', async () => {
    const secret = Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')
    const failures = await Promise.all(
      changes.map(([, , change]) =>
        openKeyBackup(change(forRecipient) as EncryptedKeyBackup, { recipient: recipient.privateKey }).catch(
          (error: unknown) => error,
        ),
      ),
    )
    failures.push(
      await openKeyBackup(
        { ...forPassphrase, protection: { ...forPassphrase.protection, N: 1024 } as never },
        { passphrase: 'a wrong pass phrase' },
      ).catch((error: unknown) => error),
    )
    const shown =
      inspect([failures, forRecipient, forPassphrase], { depth: 20, showHidden: true }) +
      JSON.stringify([failures, forRecipient]) +
      serialize(failures.map(String)).toString('latin1')
    for (const hidden of [
      secret.toString('hex'),
      secret.toString('base64'),
      secret.toString('base64url'),
      secret.toString('latin1'),
      passphrase,
      'a wrong pass phrase',
      'root logged in',
      'etc/passwd',
    ])
      expect(shown).not.toContain(hidden)
  })
})
