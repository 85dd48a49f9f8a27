// The records of one side of a TLS 1.3 handshake, decrypted (RFC 8446 §5.2, §7.3).

import { createDecipheriv, createHmac } from 'node:crypto'
import type { CipherGCMTypes, CipherChaCha20Poly1305Types } from 'node:crypto'

interface Suite {
  readonly cipher: CipherGCMTypes | CipherChaCha20Poly1305Types
  readonly hash: 'sha256' | 'sha384'
  readonly keyOctets: 16 | 32
}

/** The cipher suites that Node offers for TLS 1.3. */
const suites: ReadonlyMap<string, Suite> = new Map([
  ['TLS_AES_128_GCM_SHA256', { cipher: 'aes-128-gcm', hash: 'sha256', keyOctets: 16 }],
  ['TLS_AES_256_GCM_SHA384', { cipher: 'aes-256-gcm', hash: 'sha384', keyOctets: 32 }],
  ['TLS_CHACHA20_POLY1305_SHA256', { cipher: 'chacha20-poly1305', hash: 'sha256', keyOctets: 32 }],
])

/** The content of a record, and its type. */
export interface InnerRecord {
  readonly type: number
  readonly content: Buffer
}

/** Decrypts the records under one traffic secret, in their order. */
export class RecordProtection {
  readonly #suite: Suite
  readonly #key: Buffer
  readonly #iv: Buffer
  #sequence = 0

  constructor(secret: Uint8Array, suite: Suite) {
    this.#suite = suite
    this.#key = expand(suite, secret, keyLabel(suite.keyOctets)).subarray(0, suite.keyOctets)
    this.#iv = expand(suite, secret, ivLabel).subarray(0, ivOctets)
  }

  /** The protection for a cipher suite by its standard name; undefined for an unknown suite. */
  static of(secret: Uint8Array, suiteName: string): RecordProtection | undefined {
    const suite = suites.get(suiteName)
    return suite === undefined ? undefined : new RecordProtection(secret, suite)
  }

  /** Undefined for a record that is not the next one under this secret. */
  decrypt(record: Buffer): InnerRecord | undefined {
    const end = record.length - tagOctets
    if (end <= headerOctets) return undefined
    const nonce = Buffer.from(this.#iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(ivOctets - 4) ^ this.#sequence) >>> 0, ivOctets - 4)
    const { cipher } = this.#suite
    const decipher = createDecipheriv(cipher as CipherGCMTypes, this.#key, nonce, {
      authTagLength: tagOctets,
    })
    decipher.setAAD(record.subarray(0, headerOctets)).setAuthTag(record.subarray(end))
    const plain = decipher.update(record.subarray(headerOctets, end))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    this.#sequence++
    let last = plain.length - 1
    while (plain[last] === 0) last-- // padding
    return last < 0 ? undefined : { type: plain[last] as number, content: plain.subarray(0, last) }
  }
}

/** HKDF-Expand of one block (RFC 5869 §2.3); `hkdfSync` of Node always extracts first. */
function expand({ hash }: Suite, secret: Uint8Array, label: Buffer): Buffer {
  return createHmac(hash, secret).update(label).digest()
}

/** HkdfLabel (RFC 8446 §7.1) with an empty context, and the number of the block. */
function hkdfLabel(name: string, octets: number): Buffer {
  const label = Buffer.from(`tls13 ${name}`)
  return Buffer.concat([Buffer.of(0, octets, label.length), label, Buffer.of(0, 1)])
}

const ivOctets = 12
const tagOctets = 16
const headerOctets = 5
const ivLabel = hkdfLabel('iv', ivOctets)
const [keyLabel16, keyLabel32] = [hkdfLabel('key', 16), hkdfLabel('key', 32)]
const keyLabel = (octets: 16 | 32): Buffer => (octets === 16 ? keyLabel16 : keyLabel32)
