// A workload: it gets an identity from the CA, serves with it, and calls others with it.

import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { createCertificateClient } from 'spiffe-pki/grpc'
import { SoftwareSigner, exportPrivateKey } from 'spiffe-pki/keys'
import { X509Svid, X509SvidValidator } from 'spiffe-pki/svid'
import { buildCertificateRequest, peerCertificates } from 'spiffe-pki/x509'
import type { EmbeddedCa } from './embedded-ca.ts'

/** A workload with its identity. */
export interface Workload {
  readonly name: string
  readonly svid: X509Svid
  readonly signer: SoftwareSigner
  readonly validator: X509SvidValidator
}

/** Makes a key, asks for a certificate, checks what comes back. */
export async function enrol(
  name: string,
  { ca, apiKey }: { readonly ca: EmbeddedCa; readonly apiKey: string },
): Promise<Workload> {
  const signer = await SoftwareSigner.generate('P-256')
  const validator = new X509SvidValidator({ bundles: ca.bundle })
  await using client = await createCertificateClient({
    address: ca.address,
    tls: () => ({ roots: ca.root.toPem() }),
    headers: { 'x-api-key': apiKey },
    verify: (chain) => validator.verify(chain),
  })
  const reply = await client.createCertificate(await buildCertificateRequest({}, signer))
  return { name, svid: new X509Svid(reply.chain), signer, validator }
}

/** A TLS server that answers one client alone. */
export async function serve(
  workload: Workload,
  { allow }: { readonly allow: string },
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer(
    { ...tlsMaterial(workload), requestCert: true, rejectUnauthorized: false },
    (socket) => {
      socket.on('error', () => socket.destroy())
      const verdict = workload.validator.verify(peerCertificates(socket), {
        id: allow,
        extendedKeyUsage: 'clientAuth',
      })
      if (verdict.ok) socket.end(`hello ${verdict.id.path}, this is ${workload.svid.id.path}`)
      else socket.destroy()
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

/** Connects, and sends nothing before the server has proved to be the one that is expected. */
export async function callPeer(
  workload: Workload,
  { port, expect }: { readonly port: number; readonly expect: string },
): Promise<{ peer: string; text: string }> {
  // Our validator decides, right below: OpenSSL knows host names and no SPIFFE IDs.
  const socket: TLSSocket = connect({
    ...tlsMaterial(workload),
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const verdict = workload.validator.verify(peerCertificates(socket), {
    id: expect,
    extendedKeyUsage: 'serverAuth',
  })
  if (!verdict.ok) {
    socket.destroy()
    throw new Error(verdict.rejected[0]?.message)
  }
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(socket, 'end')
  return { peer: verdict.id.toString(), text }
}

function tlsMaterial({ svid, signer }: Workload): { cert: string; key: string; minVersion: 'TLSv1.3' } {
  return { cert: svid.toPem(), key: exportPrivateKey(signer.privateKey()), minVersion: 'TLSv1.3' }
}
