// What holds a private key shows nothing of it: printed, as JSON, cloned, serialized, walked through, or in
// whatever it throws.

import '../../support/cheap-scrypt.ts'
import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { afterAll, describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../src/adapters/files/index.ts'
import { CertificateWorkerPool } from '../../../src/adapters/workers/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import {
  FailoverKeyManager,
  MemoryKeyManager,
  SoftwareSigner,
  bridgeToWebCrypto,
  exportPrivateKey,
  importPrivateKey,
  openKeyBackup,
  sealKeyBackup,
} from '../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { encodePem } from '../../../src/internal/pem.ts'

const directory = mkdtempSync(join(tmpdir(), 'secrets-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const passphrase = 'Tr0ub4dor&3-horse'

/** A secret as it might be met: as text, as numbers, inside of more base64. */
function formsOf(octets: Buffer): string[] {
  // At each of three alignments, without the characters that depend on what stands around.
  const inBase64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), octets])
      .toString('base64')
      .replace(/=+$/, '')
      .slice(shift === 0 ? 0 : 4, -2)
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [
    ...inBase64,
    octets.toString('hex'),
    octets.toString('hex').toUpperCase(),
    octets.toString('latin1'),
    [...octets].join(','),
    [...octets].join(', '),
    octets.toString('hex').replace(/..(?=.)/g, '$& '),
  ]
}

function secretsOf(key: KeyObject): string[] {
  const { d, p, q, dp, dq, qi } = key.export({ format: 'jwk' })
  return [d, p, q, dp, dq, qi]
    .filter((one) => one !== undefined)
    .flatMap((one) => formsOf(Buffer.from(one, 'base64url')))
}

/** Every way to look at a value that this platform has. */
function shown(value: unknown): string {
  const texts = [
    inspect(value, {
      depth: 30,
      showHidden: true,
      showProxy: true,
      getters: true,
      maxArrayLength: null,
      maxStringLength: null,
      breakLength: Infinity,
    }),
    format('%o %O %j %s', value, value, value, value),
  ]
  texts.push(
    JSON.stringify(value, (_name, one: unknown) => (typeof one === 'bigint' ? String(one) : one)) ?? '',
  )
  for (const copy of [
    () => serialize(value).toString('latin1'),
    () => inspect(structuredClone(value), { depth: 30, showHidden: true }),
  ]) {
    try {
      texts.push(copy())
    } catch (error) {
      // What cannot be cloned gives nothing away but that.
      texts.push(inspect(error))
    }
  }
  texts.push(walked(value, new Set()))
  return texts.join('\n')
}

/** All that properties lead to, prototypes and getters included. */
function walked(value: unknown, seen: Set<unknown>): string {
  if (typeof value === 'string') return value
  if (value === null || typeof value !== 'object') return inspect(value)
  if (seen.has(value) || seen.size > 5000) return ''
  seen.add(value)
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  const parts: string[] = []
  for (
    let at: object | null = value;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    for (const name of Reflect.ownKeys(at)) {
      try {
        parts.push(String(name), walked(Reflect.get(value, name) as unknown, seen))
      } catch {
        // A getter that wants another `this`.
      }
    }
  }
  return parts.join('\n')
}

describe('a passphrase of another type', () => {
  it('is refused and not quoted', async () => {
    const key = (await SoftwareSigner.generate('P-256')).privateKey()
    const encrypted = exportPrivateKey(key, { passphrase: '271828182845' })
    const about = { keyId: 'ca', algorithm: 'P-256' as const, created: new Date(0) }
    const wrong = 271_828_182_845 as unknown as string
    const attempts: (() => unknown)[] = [
      () => importPrivateKey(encrypted, { passphrase: wrong }),
      () => exportPrivateKey(key, { passphrase: wrong }),
      () => sealKeyBackup(key, about, { passphrase: wrong }),
    ]
    for (const attempt of attempts) {
      const failure: unknown = await Promise.resolve()
        .then(attempt)
        .catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      expect(shown(failure)).not.toContain('271828182845')
      expect(shown(failure)).not.toContain('271_828_182_845')
    }
  })
})

describe.each<KeyAlgorithm>(['P-256', 'Ed25519', 'RSA-2048'])('a key of %s', (algorithm) => {
  it('is nowhere in what holds it', async () => {
    const memory = new MemoryKeyManager()
    const signer = await memory.generateKey('ca', algorithm)
    const files = await FileKeyManager.open({
      directory: join(directory, algorithm),
      passphrase: () => passphrase,
    })
    const recipient = generateKeyPairSync('x25519')
    const backup = await memory.backupKey('ca', { recipient: recipient.publicKey })
    const restored = await files.restoreKey(backup, { recipient: recipient.privateKey })
    const failover = new FailoverKeyManager({ managers: [memory, files] })
    const certificate = await createRootCertificate(signer, {
      subject: 'CN=root',
      trustDomain: 'example.org',
    })
    const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
    await using pool = new CertificateWorkerPool({
      signer,
      workers: 1,
      workerModule: new URL('../../support/certificate-worker.mjs', import.meta.url),
    })
    const bridge = await bridgeToWebCrypto(signer)
    const hidden = [
      ...secretsOf(signer.privateKey()),
      ...secretsOf(recipient.privateKey),
      ...formsOf(Buffer.from(passphrase)),
      passphrase,
    ]
    const things: Record<string, unknown> = {
      memory,
      signer,
      files,
      restored,
      failover,
      'a signer of the two': await failover.getSigner('ca'),
      backup,
      authority,
      certificate,
      pool,
      bridge,
      'its private key': bridge.keys.privateKey,
      keys: await failover.listKeys(),
      'the platform object': signer.privateKey(),
    }
    for (const [what, thing] of Object.entries(things)) {
      const text = shown(thing)
      for (const form of hidden) expect(text.includes(form), `${what} shows a secret`).toBe(false)
    }
    // The search itself finds what is there.
    const found = shown({ der: signer.privateKey().export({ type: 'pkcs8', format: 'der' }) })
    expect(secretsOf(signer.privateKey()).some((form) => found.includes(form))).toBe(true)
    expect(
      secretsOf(signer.privateKey()).some((form) =>
        shown({ pem: exportPrivateKey(signer.privateKey()).replaceAll('\n', '') }).includes(form),
      ),
    ).toBe(true)
  })

  it('is nowhere in what its readers throw', async () => {
    const { privateKey: key } = { privateKey: (await SoftwareSigner.generate(algorithm)).privateKey() }
    const der = key.export({ type: 'pkcs8', format: 'der' })
    const pem = exportPrivateKey(key)
    const encrypted = exportPrivateKey(key, { passphrase })
    const body = pem.split('\n').slice(1, -2)
    const recipient = generateKeyPairSync('x25519')
    const about = { keyId: 'ca', algorithm, created: new Date(0) }
    const backup = await sealKeyBackup(key, about, { recipient: recipient.publicKey })
    const attempts: readonly (() => unknown)[] = [
      () => importPrivateKey(pem + pem),
      () => importPrivateKey(pem.replace('END PRIVATE', 'END PUBLIC')),
      () => importPrivateKey(pem.replace('PRIVATE KEY', body[0]!)),
      () => importPrivateKey(body.join('\n')),
      () => importPrivateKey(`x${pem}`),
      () => importPrivateKey(pem.replace(body[0]!, `${body[0]!}:`)),
      () => importPrivateKey(pem.replace(body[0]!, body[0]!.slice(1))),
      () => importPrivateKey(`-----BEGIN ${body[0]!}`),
      () => importPrivateKey(encodePem('RSA PRIVATE KEY', der)),
      () => importPrivateKey(encodePem('EC PRIVATE KEY', der)),
      () => importPrivateKey(encodePem('ENCRYPTED PRIVATE KEY', der), { passphrase }),
      () => importPrivateKey(Buffer.concat([der, der])),
      () => importPrivateKey(der.subarray(0, -1)),
      () => importPrivateKey(der.subarray(1)),
      () => importPrivateKey(encrypted),
      () => importPrivateKey(encrypted, { passphrase: 'another-passphrase' }),
      () => importPrivateKey(encodePem('PRIVATE KEY', der.subarray(5))),
      () => exportPrivateKey(key, { format: 'sec1', passphrase }),
      () => exportPrivateKey(key, { format: algorithm === 'RSA-2048' ? 'sec1' : 'pkcs1' }),
      () => exportPrivateKey(key, { format: 'raw' as never, passphrase }),
      () => sealKeyBackup(key, { ...about, algorithm: 'P-521' }, { passphrase }),
      () => sealKeyBackup(key, about, { passphrase, recipient: key } as never),
      () => openKeyBackup(backup, { passphrase }),
      () => openKeyBackup(backup, { recipient: key }),
      () => openKeyBackup(backup, { recipient: generateKeyPairSync('x25519').privateKey }),
      () =>
        openKeyBackup({ ...backup, ciphertext: der.toString('base64') }, { recipient: recipient.privateKey }),
      () => new SoftwareSigner(key).sign(pem as never),
      ...Array.from({ length: 40 }, (_, i) => () => {
        const changed = Buffer.from(der)
        changed[Math.floor((i * der.length) / 40)]! ^= 0x41
        return importPrivateKey(changed)
      }),
    ]
    const hidden = [...secretsOf(key), ...body.slice(1, -1), passphrase, 'another-passphrase']
    let thrown = 0
    for (const attempt of attempts) {
      const failure: unknown = await Promise.resolve()
        .then(attempt)
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      if (failure === undefined) continue
      thrown++
      expect(failure).toMatchObject({ name: 'PkiError' })
      const text = shown(failure)
      for (const form of hidden)
        expect(
          text.includes(form),
          `attempt ${attempts.indexOf(attempt)}: ${(failure as Error).message.slice(0, 60)}`,
        ).toBe(false)
    }
    expect(thrown).toBeGreaterThan(25)
  })
})
