// Certificate files for nginx (here a stand-in), or any program that reads files: a whole set at any moment,
// and a reload after each renewal.

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { createFileSink } from 'spiffe-pki/files'
import { demoSource } from './main/demo-identity.ts'

await using source = await demoSource('spiffe://example.org/web')
const directory = mkdtempSync(join(tmpdir(), 'nginx-'))

// In nginx.conf: ssl_certificate DIRECTORY/cert-chain.pem; ssl_certificate_key DIRECTORY/key.pem;
// ssl_client_certificate DIRECTORY/root-cert.pem; ssl_verify_client on;
const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
const server = https.createServer((_request, response) => response.end('hello'))
function reload(): void {
  // In production: execFile('nginx', ['-s', 'reload'])
  server.setSecureContext({ cert: read('cert-chain.pem'), key: read('key.pem') })
  server.emit('reloaded')
}

await using sink = await createFileSink({ source, directory, mode: 0o640, onWritten: reload })
console.log('written to', directory, sink.lastError ?? 'without a failure')
server.listen(0, '127.0.0.1')
await once(server, 'listening')

for (let round = 0; round < 2; round++) {
  const { port } = server.address() as AddressInfo
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    ca: read('root-cert.pem'),
    checkServerIdentity: () => undefined,
  })
  await once(socket, 'secureConnect')
  console.log('nginx shows the serial number', socket.getPeerCertificate().serialNumber)
  socket.destroy()
  if (round === 0) await Promise.all([once(server, 'reloaded'), source.renew()])
}
server.close()
rmSync(directory, { recursive: true })
