// http/ocsp-cached: an OCSP answer that the responder has signed already, beside a handler of node:http that
// answers the same octets.

import { once } from 'node:events'
import { Agent, createServer, get } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHttpHandler } from '../src/adapters/http/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { OcspCertificateId, OcspRequest, buildCertificateRequest } from '../src/x509/index.ts'
import { measureCpuTurns } from './cpu-turns.ts'
import type { MeasureOptions, MeasuredRow } from './measure.ts'
import type { SelfMeasuredRow } from './row.ts'

const id = SpiffeId.parse('spiffe://example.org/ns/production/sa/payments')
/** Requests at once, each on a connection of its own that stays open. */
const inFlight = 32
/** Certificates that are asked about in turn. */
const certificates = 64

export const rows: readonly SelfMeasuredRow[] = [
  {
    name: 'http/ocsp-cached',
    bars: { 'node:http': 0.55 },
    goals: { 'node:http': 0.8 },
    measure: measureOcsp,
  },
]

async function measureOcsp(options: MeasureOptions): Promise<MeasuredRow> {
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain: 'example.org' })
  const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
  const paths = await issueAndAsk(authority)
  const servers = [createServer(createHttpHandler({ authority }))]
  const ours = await listen(servers[0] as Server)
  const sample = await fetchOctets(ours, paths[0] as string, new Agent())
  servers.push(
    createServer((_request, response) => {
      response.writeHead(200, sample.headers).end(sample.octets)
    }),
  )
  const bare = await listen(servers[1] as Server)
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
  const ask = (port: number) => async (): Promise<void> => {
    await Promise.all(paths.slice(0, inFlight).map((path) => fetchOctets(port, path, agent)))
    await Promise.all(paths.slice(inFlight).map((path) => fetchOctets(port, path, agent)))
  }
  try {
    return await measureCpuTurns(
      {
        name: 'http/ocsp-cached',
        ours: ask(ours),
        peers: { 'node:http': ask(bare) },
        operations: certificates,
        calls: Math.ceil(options.turnMs / 10),
      },
      options,
    )
  } finally {
    agent.destroy()
    for (const server of servers) server.close()
  }
}

/** The paths of one request about each of the certificates; the first one signs the answer. */
async function issueAndAsk(
  authority: ReturnType<typeof createCertificateAuthority>,
): Promise<readonly string[]> {
  const service = createIssuanceService({ authority })
  const csr = (await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))).toPem()
  const caller = { identities: [id], credential: 'bench', claims: {} }
  const paths: string[] = []
  for (let at = 0; at < certificates; at++) {
    const { certificate } = await service.issue({ csr }, caller)
    const { der } = OcspRequest.of([OcspCertificateId.of(certificate, authority.certificate)])
    await authority.answerOcsp(der)
    paths.push(`/ocsp/${encodeURIComponent(Buffer.from(der).toString('base64'))}`)
  }
  return paths
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function fetchOctets(
  port: number,
  path: string,
  agent: Agent,
): Promise<{ readonly octets: Buffer; readonly headers: Record<string, string> }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const { date: _, connection: __, 'keep-alive': ___, ...headers } = response.headers
        if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`))
        else resolve({ octets: Buffer.concat(chunks), headers: headers as Record<string, string> })
      })
    }).on('error', reject)
  })
}
