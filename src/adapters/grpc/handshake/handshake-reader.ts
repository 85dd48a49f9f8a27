// Reads the octets of the peer in a TLS handshake before OpenSSL gets them, up to its last certificate.

import type { TLSSocket } from 'node:tls'
import { certificateFault } from './certificate-message.ts'
import type { HandshakeFault, TlsVersion } from './certificate-message.ts'
import { RecordProtection } from './record-protection.ts'

/** The content types of records (RFC 8446 §5.1). */
const recordTypes = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

/** The types of messages (RFC 8446 §4, RFC 5246 §7.4, RFC 8879 §7.3). */
const messageTypes = {
  certificate: 11,
  serverHelloDone: 14,
  clientKeyExchange: 16,
  finished: 20,
  compressedCertificate: 25,
} as const

/** The role of a peer in a handshake. */
export type Side = 'client' | 'server'

/**
 * For each role, the label of its secret in the key log, and the TLS 1.2 message that follows its
 * certificates.
 */
const sides = {
  client: {
    label: Buffer.from('CLIENT_HANDSHAKE_TRAFFIC_SECRET '),
    next: messageTypes.clientKeyExchange,
  },
  server: { label: Buffer.from('SERVER_HANDSHAKE_TRAFFIC_SECRET '), next: messageTypes.serverHelloDone },
} as const

/**
 * In TLS 1.2 the certificates are not encrypted. In TLS 1.3 they are: OpenSSL logs the secret when it has the
 * hello messages of both sides, before it reads a record that is encrypted under it. Records that this reader
 * cannot decrypt or parse are refused, so that OpenSSL never gets a certificate that was not read here.
 */
export class HandshakeReader {
  readonly #label: Buffer
  readonly #next: number
  #protection: RecordProtection | undefined
  /** The octets of an incomplete message. */
  #octets: Uint8Array = new Uint8Array()
  #isDone = false
  #hasChain = false

  /** @param sender The role of the peer whose octets are read. */
  constructor(sender: Side) {
    const { label, next } = sides[sender]
    this.#label = label
    this.#next = next
  }

  /** Whether no certificate can follow. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Whether the certificates of the peer were read: what follows makes OpenSSL import and verify them. */
  get hasChain(): boolean {
    return this.#hasChain
  }

  /** Reads a line of the key log (NSS Key Log Format) of a connection. */
  keylog(line: Buffer, above: Pick<TLSSocket, 'getCipher'>): void {
    const label = this.#label
    if (line.compare(label, 0, label.length, 0, label.length) !== 0) return
    const secret = line.toString('latin1').trim().split(' ').at(-1) as string
    this.#protection = RecordProtection.of(Buffer.from(secret, 'hex'), above.getCipher().standardName)
  }

  /** Reads one complete record. OpenSSL must have received all earlier records. */
  read(record: Buffer): HandshakeFault | undefined {
    switch (record[0]) {
      case recordTypes.changeCipherSpec:
      case recordTypes.alert:
        return undefined
      case recordTypes.handshake:
        return this.#readMessages(record.subarray(5), 'TLSv1.2')
      default:
        return this.#readEncrypted(record)
    }
  }

  #readEncrypted(record: Buffer): HandshakeFault | undefined {
    const inner = this.#protection?.decrypt(record)
    if (inner === undefined) return { reason: 'a record that cannot be decrypted' }
    return inner.type === recordTypes.handshake ? this.#readMessages(inner.content, 'TLSv1.3') : undefined
  }

  #readMessages(content: Uint8Array, version: TlsVersion): HandshakeFault | undefined {
    let octets = this.#octets.length === 0 ? content : Buffer.concat([this.#octets, content])
    for (;;) {
      const [type, high = 0, middle = 0, low = 0] = octets
      const end = 4 + high * 65_536 + middle * 256 + low
      if (octets.length < Math.max(4, end)) break
      const fault = this.#readMessage(type as number, octets.subarray(4, end), version)
      if (fault !== undefined) return fault
      octets = octets.subarray(end)
    }
    this.#octets = octets
    return undefined
  }

  #readMessage(type: number, body: Uint8Array, version: TlsVersion): HandshakeFault | undefined {
    if (type === messageTypes.certificate) {
      this.#hasChain = true
      return certificateFault(body, version)
    }
    if (type === messageTypes.compressedCertificate) return { reason: 'compressed certificates' }
    // The message that follows the certificates in TLS 1.2, and the last message in TLS 1.3. OpenSSL ends a
    // handshake in which one of them is out of order.
    if (type === (version === 'TLSv1.2' ? this.#next : messageTypes.finished)) this.#isDone = true
    return undefined
  }
}

/** The length of the first record with its header; undefined if the header is incomplete. */
export function recordLength(octets: Buffer): number | HandshakeFault | undefined {
  const [type] = octets
  if (type === undefined) return undefined
  // OpenSSL accepts no other type, except a ClientHello in the form of SSL 2.0, which this package never
  // sends and refuses here.
  if (type < recordTypes.changeCipherSpec || type > recordTypes.applicationData)
    return { reason: 'not a TLS record' }
  if (octets.length < 5) return undefined
  const length = octets.readUInt16BE(3)
  return length > maxRecordOctets ? { reason: 'a record that is too long' } : 5 + length
}

/** RFC 8446 §5.2, RFC 5246 §6.2.3. */
const maxRecordOctets = 2 ** 14 + 2048
