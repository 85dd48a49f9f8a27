// Istio's certificate service for tests: a server with what it logs, and calls without our client in the way.

import { Client, Metadata, compressionAlgorithms, credentials } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { afterEach } from 'vitest'
import { certificateServiceDefinition, createCertificateServer } from '../../src/adapters/grpc/index.ts'
import type { CertificateServer } from '../../src/adapters/grpc/certificate-service/index.ts'
import type { CertificateServerOptions } from '../../src/adapters/grpc/certificate-service/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { callerOf, testPki, tlsCredential } from './pki.ts'
import type { TestPki } from './pki.ts'

/** A server, and every line that it wrote. */
export interface TestServer extends AsyncDisposable {
  readonly pki: TestPki
  readonly server: CertificateServer
  readonly log: Record<string, unknown>[]
}

/** Everybody is `workloadId`, unless the options say otherwise. */
export async function startTestServer(
  options: Partial<CertificateServerOptions> = {},
  pki?: TestPki,
): Promise<TestServer> {
  const made = pki ?? (await testPki())
  const log: Record<string, unknown>[] = []
  const note =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void =>
      void log.push({ ...fields, level, message })
  const server = await createCertificateServer({
    issuance: made.issuance,
    authenticator: { name: 'everybody', authenticate: async () => callerOf() },
    tls: { ...(await tlsCredential(made)), clientRoots: made.root.toPem() },
    logger: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    ...options,
  })
  return { pki: made, server, log, [Symbol.asyncDispose]: () => server.close(0) }
}

/** Takes what a test opens, to be closed after it in the order in which it was opened. */
export function closedAfterEach(): <T extends AsyncDisposable>(one: T) => T {
  const open: AsyncDisposable[] = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one[Symbol.asyncDispose]()
  })
  return (one) => {
    open.push(one)
    return one
  }
}

/** What came back. */
export interface RawAnswer {
  /** 0 is OK. */
  readonly code: number
  readonly details: string
  readonly certChain: readonly string[]
  readonly error: ServiceError | undefined
}

/** How a raw call is made. */
export interface RawOptions {
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly deadline?: number
  readonly signal?: AbortSignal
  readonly gzip?: boolean
}

/** Sends these octets as the message, on a connection of its own. */
export async function callRaw(
  server: CertificateServer,
  roots: Certificate,
  message: Uint8Array,
  { gzip = false, ...options }: RawOptions = {},
): Promise<RawAnswer> {
  const client = new Client(
    `localhost:${server.port}`,
    credentials.createSsl(Buffer.from(roots.toPem())),
    gzip ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {},
  )
  try {
    return await callBy(client, message, options)
  } finally {
    client.close()
  }
}

/** The same on the connection of a client. */
export function callBy(
  client: Client,
  message: Uint8Array,
  { headers = [], deadline, signal }: Omit<RawOptions, 'gzip'> = {},
): Promise<RawAnswer> {
  const metadata = new Metadata()
  for (const [name, value] of headers) metadata.add(name, value)
  const { path, responseDeserialize } = certificateServiceDefinition.CreateCertificate
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(
      path,
      (octets: Buffer) => octets,
      responseDeserialize,
      Buffer.from(message),
      metadata,
      deadline === undefined ? {} : { deadline },
      (error, reply) => {
        resolve({
          code: error?.code ?? 0,
          details: error?.details ?? '',
          certChain: reply?.certChain ?? [],
          error: error ?? undefined,
        })
      },
    )
    signal?.addEventListener('abort', () => call.cancel(), { once: true })
  })
}

/** Protobuf by hand, so that nothing of what is tested makes what it is tested with. */
export const proto = {
  varint(value: bigint): Buffer {
    const octets: number[] = []
    let rest = BigInt.asUintN(64, value)
    for (; rest > 127n; rest >>= 7n) octets.push(Number(rest & 127n) | 128)
    return Buffer.from([...octets, Number(rest)])
  },
  /** A field of wire type 0. */
  number(field: number, value: bigint): Buffer {
    return Buffer.concat([Buffer.from([field << 3]), proto.varint(value)])
  },
  /** A field of wire type 2. */
  octets(field: number, value: Uint8Array | string): Buffer {
    const content = Buffer.from(value as string)
    return Buffer.concat([Buffer.from([(field << 3) | 2]), proto.varint(BigInt(content.length)), content])
  },
  /** `google.protobuf.Struct` as field 4 of a request; each value is an encoded `google.protobuf.Value`. */
  metadata(
    entries: Readonly<Record<string, Uint8Array>> | readonly (readonly [string | Uint8Array, Uint8Array])[],
  ): Buffer {
    const list = Array.isArray(entries)
      ? (entries as readonly (readonly [string | Uint8Array, Uint8Array])[])
      : Object.entries(entries as Record<string, Uint8Array>)
    return proto.octets(4, proto.struct(list))
  },
  struct(entries: readonly (readonly [string | Uint8Array, Uint8Array])[]): Buffer {
    return Buffer.concat(
      entries.map(([key, value]) =>
        proto.octets(1, Buffer.concat([proto.octets(1, key), proto.octets(2, value)])),
      ),
    )
  },
  text: (value: string | Uint8Array): Buffer => proto.octets(3, value),
  nothing: (): Buffer => proto.number(1, 0n),
  truth: (value: boolean): Buffer => proto.number(4, value ? 1n : 0n),
  double(value: number): Buffer {
    const octets = Buffer.alloc(9)
    octets[0] = (2 << 3) | 1
    octets.writeDoubleLE(value, 1)
    return octets
  },
}
