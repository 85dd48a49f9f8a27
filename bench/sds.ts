// sds/…: the CPU time of a change of a secret to a thousand streams, beside bare grpc-js streams of the same
// octets.

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js'
import { DiscoveryRequestSchema } from '../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { createSdsServer } from '../src/adapters/grpc/sds/index.ts'
import type { LocalServer } from '../src/adapters/grpc/local-server/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import type { SecretSource, ValidationSecret } from '../src/secrets/index.ts'
import { LatestValue } from '../src/secrets/internal.ts'
import { TrustDomain } from '../src/spiffe/index.ts'
import { createRootCertificate } from '../src/ca/index.ts'
import { measureCpuTurns } from './cpu-turns.ts'
import type { SelfMeasuredRow } from './row.ts'

const streams = 1_000
const path = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets'
const octets = (bytes: Uint8Array): Buffer => Buffer.from(bytes)
const directory = mkdtempSync(join(tmpdir(), 'bench-sds-'))
type Call = ClientDuplexStream<Uint8Array, Buffer>

/** A thousand streams over ten connections, and a count of what they got. */
class Readers {
  readonly #clients: Client[]
  readonly #calls: Call[]
  #received = 0
  #wanted = Infinity
  #done = (): void => undefined
  sample: Buffer = Buffer.alloc(0)

  constructor(address: string) {
    this.#clients = Array.from(
      { length: 10 },
      () => new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }),
    )
    const request = toBinary(
      DiscoveryRequestSchema,
      create(DiscoveryRequestSchema, { node: { id: 'bench' }, resourceNames: ['ROOTCA'] }),
    )
    this.#calls = Array.from({ length: streams }, (_, at) => {
      const call = this.#clients[at % 10]!.makeBidiStreamRequest(path, octets, octets)
      call.on('data', (bytes: Buffer) => {
        this.sample = bytes
        if (++this.#received === this.#wanted) this.#done()
      })
      call.on('error', () => undefined)
      call.write(request)
      return call
    })
  }

  /** Settles when every stream has got one more message. */
  next(): Promise<void> {
    this.#received = 0
    this.#wanted = streams
    return new Promise((resolve) => (this.#done = resolve))
  }

  close(): void {
    for (const call of this.#calls) call.cancel()
    for (const client of this.#clients) client.close()
  }
}

const latest = new LatestValue<ValidationSecret>()
const source: SecretSource = {
  get: () => Promise.resolve(latest.value as ValidationSecret),
  watch: (_name, signal) => latest.follow(signal),
}
const trustDomain = TrustDomain.from('example.org')
let versions: ValidationSecret[] = []
let sds: LocalServer
let bare: Server
let ours: Readers
let theirs: Readers
const bareCalls = new Set<ServerDuplexStream<Buffer, Buffer>>()
let round = 0

export const rows: readonly SelfMeasuredRow[] = [
  {
    name: 'sds/push-1000',
    bars: { 'bare grpc-js stream': 0.65 },
    goals: { 'bare grpc-js stream': 0.8 },
    measure: async (options) => {
      await setup()
      const name = 'sds/push-1000'
      const peers = { 'bare grpc-js stream': pushBare }
      const calls = Math.ceil(options.turnMs / 100)
      try {
        return await measureCpuTurns({ name, ours: push, peers, operations: streams, calls }, options)
      } finally {
        await teardown()
      }
    },
  },
]

async function setup(): Promise<void> {
  const signer = await SoftwareSigner.generate('P-256')
  const roots = await Promise.all(
    ['a', 'b'].map((name) =>
      createRootCertificate(signer, { subject: `CN=${name}`, trustDomain: 'example.org' }),
    ),
  )
  versions = roots.map((root) => ({
    type: 'validation',
    name: 'ROOTCA',
    authorities: [{ trustDomain, certificates: [root] }],
    crls: [],
  }))
  latest.set(versions[0]!)
  const limits = {
    minAnswerIntervalMs: 1,
    maxUnauthenticatedCallsPerSource: 2 * streams,
    maxStreams: streams,
  }
  const ready = join(directory, `sds-${process.pid}.sock`)
  sds = await createSdsServer({ address: `unix://${ready}`, secrets: source, ...limits })
  ours = new Readers(sds.address.replace('unix://', 'unix:'))
  await ours.next()
  bare = new Server()
  bare.addService(
    {
      stream: {
        path,
        requestStream: true,
        responseStream: true,
        requestSerialize: octets,
        requestDeserialize: octets,
        responseSerialize: octets,
        responseDeserialize: octets,
      },
    },
    {
      stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
        bareCalls.add(call)
        call.on('data', () => call.write(ours.sample))
        call.on('error', () => bareCalls.delete(call))
        call.on('cancelled', () => bareCalls.delete(call))
      },
    },
  )
  const other = join(directory, `bare-${process.pid}.sock`)
  await new Promise<void>((resolve, reject) =>
    bare.bindAsync(`unix:${other}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  )
  theirs = new Readers(`unix:${other}`)
  await theirs.next()
}

async function push(): Promise<void> {
  const arrived = ours.next()
  latest.set(versions[++round % 2]!)
  await arrived
}

async function pushBare(): Promise<void> {
  const arrived = theirs.next()
  for (const call of bareCalls) call.write(ours.sample)
  await arrived
}

async function teardown(): Promise<void> {
  ours.close()
  theirs.close()
  bare.forceShutdown()
  await sds.close(0)
}
