// The server side of the load bench, in a process of its own: the certificate service, and a handler that
// does nothing of the same size.

import { createCertificateServer } from '../src/adapters/grpc/index.ts'
import { certificateServiceDefinition } from '../src/adapters/grpc/index.ts'
import { ApiKeyAuthenticator } from '../src/auth/index.ts'
import type { Caller } from '../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import type { IssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { ClientCertificateAuthenticator, CompositeAuthenticator } from '../src/auth/index.ts'
import { callerIdentityPolicy } from '../src/policy/index.ts'
import { buildCertificateRequest, generalName } from '../src/x509/index.ts'
import { benchStorage } from './issuance.ts'

/** Sent once it listens. */
export interface ServerReady {
  readonly address: string
  readonly roots: string
  readonly clientCertificate: string
  readonly clientKey: string
  readonly certificatePath: string
  readonly trivialPath: string
  /** Encoded requests, base64. */
  readonly requests: readonly string[]
}

const id = SpiffeId.parse('spiffe://example.org/ns/production/sa/load')
const caller: Caller = { identities: [id], credential: 'bench', claims: {} }
const caSigner = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(caSigner, { subject: 'CN=load', trustDomain: 'example.org' })
const authority = createCertificateAuthority({
  trustDomain: 'example.org',
  certificate: root,
  signer: caSigner,
  storage: benchStorage(),
})
const issuance = createIssuanceService({
  authority,
  policy: callerIdentityPolicy({
    trustDomain: id.trustDomain,
    mayHaveName: (name) => name.type === 'dns' && name.value === 'localhost',
  }),
})
const server = await createCertificateServer({
  issuance,
  authenticator: new CompositeAuthenticator({
    authenticators: [
      new ClientCertificateAuthenticator({ bundles: authority, revocation: authority.revocation }),
      new ApiKeyAuthenticator({
        keys: [{ id: 'load', digest: ApiKeyAuthenticator.digestOf('load'), identities: [id] }],
      }),
    ],
  }),
  tls: { ...(await credential()), clientRoots: root.toPem() },
  maxInFlight: 4096,
  maxStreams: 1024,
})
const reply = await issuance.issue({ csr: await newRequest() }, caller)
const sample = [reply.certificate.toPem(), root.toPem()]
const certificatePath = certificateServiceDefinition.CreateCertificate.path
const trivialPath = '/bench.Trivial/CreateCertificate'
server.grpcServer.addService(
  { Trivial: { ...certificateServiceDefinition.CreateCertificate, path: trivialPath } },
  {
    Trivial: (_call: unknown, answer: (error: null, value: unknown) => void) =>
      answer(null, { $typeName: 'istio.v1.auth.IstioCertificateResponse', certChain: sample }),
  },
)

const requests: string[] = []
for (let i = 0; i < 64; i++) {
  const csr = (await newRequest()).toPem()
  requests.push(
    certificateServiceDefinition.CreateCertificate.requestSerialize({
      $typeName: 'istio.v1.auth.IstioCertificateRequest',
      csr,
      validityDuration: 0n,
    }).toString('base64'),
  )
}
const client = await credential()
process.on('message', ({ measureSeconds }: { measureSeconds: number }) => {
  void measureInProcess(measureSeconds).then((perSecond) => process.send?.({ perSecond }))
})
process.on('disconnect', () => process.exit())
process.send?.({
  address: `localhost:${server.port}`,
  roots: root.toPem(),
  clientCertificate: client.certificateChain,
  clientKey: client.privateKey,
  certificatePath,
  trivialPath,
  requests,
} satisfies ServerReady)

async function newRequest(): ReturnType<typeof buildCertificateRequest> {
  return buildCertificateRequest(
    { extensions: { subjectAltName: [generalName.uri(id.toString())] } },
    await SoftwareSigner.generate('P-256'),
  )
}

async function credential(): Promise<{ certificateChain: string; privateKey: string }> {
  const key = await SoftwareSigner.generate('P-256')
  const csr = await buildCertificateRequest(
    { extensions: { subjectAltName: [generalName.uri(id.toString()), generalName.dns('localhost')] } },
    key,
  )
  const { certificate } = await issuance.issue({ csr }, caller)
  return { certificateChain: certificate.toPem(), privateKey: exportPrivateKey(key.privateKey()) }
}

/** `i`: what the service does for a request, without gRPC. */
async function measureInProcess(seconds: number): Promise<number> {
  const service: IssuanceService = issuance
  const csrs = await Promise.all(Array.from({ length: 64 }, async () => (await newRequest()).toPem()))
  const began = performance.now()
  let count = 0
  while (performance.now() - began < seconds * 1000) {
    const { certificate } = await service.issue({ csr: csrs[count % csrs.length]! }, caller)
    certificate.toPem()
    count++
  }
  return (count * 1000) / (performance.now() - began)
}
