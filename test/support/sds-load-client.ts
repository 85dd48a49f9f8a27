// Many SDS clients in one process, on node:http2 alone: each stream subscribes to the roots, acknowledges
// what it gets, and connects again when its connection ends.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { pemOf, secretsIn } from './sds-client.ts'

const path = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets'

/** One subscriber. */
export class LoadStream {
  /** The first of the roots that it has, in PEM. */
  pem = ''
  /** Called after each answer. */
  onAnswer: () => void = () => undefined
  #stream: ClientHttp2Stream | undefined

  open(session: ClientHttp2Session): void {
    this.pem = ''
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let buffered = Buffer.alloc(0)
    stream.on('data', (octets: Buffer) => {
      buffered = Buffer.concat([buffered, octets])
      while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
        const end = 5 + buffered.readUInt32BE(1)
        this.#take(buffered.subarray(5, end))
        buffered = buffered.subarray(end)
      }
    })
    stream.on('error', () => undefined)
    this.#stream = stream
    this.#send({ node: { id: 'load' }, resourceNames: ['ROOTCA'] })
  }

  /** Reads nothing more; what the windows of HTTP/2 allow still arrives. */
  pause(): void {
    this.#stream?.pause()
  }

  #take(octets: Uint8Array): void {
    const response = fromBinary(DiscoveryResponseSchema, octets)
    const [pem = ''] = secretsIn(response).map(pemOf)
    this.pem = pem.slice(0, pem.indexOf(endOfCertificate) + endOfCertificate.length)
    this.#send({
      versionInfo: response.versionInfo,
      responseNonce: response.nonce,
      resourceNames: ['ROOTCA'],
    })
    this.onAnswer()
  }

  #send(request: object): void {
    const message = toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, request))
    const frame = Buffer.alloc(5 + message.length)
    frame.writeUInt32BE(message.length, 1)
    frame.set(message, 5)
    this.#stream?.write(frame)
  }
}

/** So many streams over so many connections, each open until `close`. */
export class LoadClients {
  readonly streams: readonly LoadStream[]
  readonly #socket: string
  readonly #sessions = new Map<number, ClientHttp2Session>()
  readonly #perConnection: number
  #isClosed = false

  constructor(socket: string, streams: number, perConnection: number) {
    this.#socket = socket
    this.#perConnection = perConnection
    this.streams = Array.from({ length: streams }, () => new LoadStream())
    this.connect()
  }

  connect(): void {
    for (let at = 0; at < this.streams.length / this.#perConnection; at++) this.#open(at)
  }

  /** Ends all connections at once; each is made again. */
  cut(): void {
    for (const stream of this.streams) stream.pem = ''
    for (const session of [...this.#sessions.values()]) session.destroy()
  }

  /** How many streams have these roots. */
  having(pem: string): number {
    return this.streams.filter((stream) => stream.pem === pem).length
  }

  /** Settles when every stream has these roots. */
  all(pem: string): Promise<void> {
    return new Promise((resolve) => {
      let left = this.streams.length - this.having(pem)
      if (left === 0) resolve()
      for (const stream of this.streams) {
        let has = stream.pem === pem
        stream.onAnswer = () => {
          if (has || stream.pem !== pem) return
          has = true
          if (--left === 0) resolve()
        }
      }
    })
  }

  close(): void {
    this.#isClosed = true
    for (const session of this.#sessions.values()) session.destroy()
  }

  #open(at: number): void {
    if (this.#isClosed) return
    const session = connect('http://localhost', { createConnection: () => connectSocket(this.#socket) })
    this.#sessions.set(at, session)
    session.on('error', () => undefined)
    // A server that has no room ends the connection: after a while, not at once, as every client does.
    session.once('close', () => setTimeout(() => this.#open(at), 50 + Math.random() * 200).unref())
    const first = at * this.#perConnection
    for (const stream of this.streams.slice(first, first + this.#perConnection)) stream.open(session)
  }
}

const endOfCertificate = '-----END CERTIFICATE-----\n'
