// curl and nginx with our files: nginx serves what the file sink wrote and is reloaded by it; curl trusts the
// roots that were written and shows the certificate beside them, also to our own HTTPS server.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createFileSink } from '../../src/adapters/files/index.ts'
import { createHttpsServer, createTlsIdentity, peerOf } from '../../src/adapters/tls/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { Certificate } from '../../src/x509/index.ts'
import { openMesh } from '../support/mesh.ts'
import type { Mesh } from '../support/mesh.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const run = promisify(execFile)
const newFolder = temporaryFolders('nginx-')
const webId = 'spiffe://example.org/ns/prod/sa/web'
const clientId = 'spiffe://example.org/ns/prod/sa/client'

/** Everybody may have the name localhost: curl compares host names. */
function openMeshOfLocalhost(): Promise<Mesh> {
  const policy = callerIdentityPolicy({
    trustDomain: 'example.org',
    mayHaveName: (name) => name.type === 'dns' && name.value === 'localhost',
  })
  return openMesh([webId, clientId], { policy, dnsNames: ['localhost'] })
}

interface Answer {
  /** 0 where there is no answer. */
  readonly status: number
  readonly body: string
}

/** curl with the roots in `trusted`, and the certificate and key in `shown`. */
async function curl(target: readonly string[], trusted: string, shown?: string): Promise<Answer> {
  const files = ['--cacert', join(trusted, 'root-cert.pem')]
  if (shown !== undefined)
    files.push('--cert', join(shown, 'cert-chain.pem'), '--key', join(shown, 'key.pem'))
  const options = ['--silent', '--max-time', '60', '--write-out', '\n%{http_code}']
  const { stdout } = await run('curl', [...options, ...files, ...target]).catch(
    // A refusal: curl writes 000 and exits with the reason.
    (error: unknown) => ({ stdout: String((error as { readonly stdout?: string }).stdout) }),
  )
  const [, body, status] = /^([^]*)\n(\d+)$/.exec(stdout) ?? []
  return { status: Number(status), body: body ?? '' }
}

describe.skipIf(!requires('curl') || !requires('nginx'))('nginx with the files of the sink', () => {
  let mesh: Mesh
  let stranger: Mesh
  let nginx: ChildProcess
  let folder: string
  let log = ''
  const sinks: AsyncDisposable[] = []
  const at = (name: string): string => join(folder, name)
  const arguments_ = (): string[] => ['-p', folder, '-c', at('nginx.conf')]

  beforeAll(async () => {
    folder = newFolder()
    mesh = await openMeshOfLocalhost()
    stranger = await openMeshOfLocalhost()
    const reload = async (): Promise<void> => {
      if (nginx !== undefined) await run('nginx', [...arguments_(), '-s', 'reload'])
    }
    const [web, client] = mesh.sources
    sinks.push(await createFileSink({ source: web!, directory: at('web'), onWritten: reload }))
    sinks.push(await createFileSink({ source: client!, directory: at('client') }))
    sinks.push(await createFileSink({ source: stranger.sources[1]!, directory: at('stranger') }))
    mkdirSync(at('temporary'))
    writeFileSync(at('nginx.conf'), configuration(folder))
    nginx = spawn('nginx', [...arguments_()], { stdio: ['ignore', 'ignore', 'pipe'] })
    nginx.stderr?.on('data', (data) => (log += String(data)))
    const answers = async (): Promise<boolean> => (await curl(socketOf('tls'), at('client'))).status === 200
    await vi.waitUntil(answers, { timeout: 60_000, interval: 100 })
  }, 120_000)

  afterAll(async () => {
    if (nginx?.exitCode === null) {
      nginx.kill('SIGTERM')
      await once(nginx, 'exit')
    }
    for (const sink of sinks) await sink[Symbol.asyncDispose]()
    await mesh?.[Symbol.asyncDispose]()
    await stranger?.[Symbol.asyncDispose]()
  })

  const socketOf = (name: 'tls' | 'mtls'): string[] => [
    '--unix-socket',
    at(`${name}.sock`),
    'https://localhost/',
  ]

  /** The serial number of the certificate that nginx shows. */
  async function shown(): Promise<string> {
    const socket = tls.connect({ path: at('tls.sock'), servername: 'localhost', rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    const certificate = Certificate.parse(socket.getPeerCertificate().raw)
    socket.destroy()
    return certificate.serialNumber
  }

  const written = (name: string): string =>
    Certificate.listFromPem(readFileSync(join(at(name), 'cert-chain.pem'), 'utf8'))[0]!.serialNumber

  /** nginx shows what the source has, and the client has its files. */
  async function settled(): Promise<void> {
    const [web, client] = mesh.sources.map(({ current }) => current.svid.leaf.serialNumber)
    await expect
      .poll(async () => [await shown(), written('client')], { timeout: 60_000, message: log })
      .toEqual([web, client])
  }

  async function bothWork(): Promise<void> {
    expect(await curl(socketOf('tls'), at('client'))).toEqual({ status: 200, body: 'tls' })
    // nginx verifies the chain, and gives the certificate's serial number on.
    const { status, body } = await curl(socketOf('mtls'), at('client'), at('client'))
    expect([status, body.split(' ')[0]]).toEqual([200, 'SUCCESS'])
  }

  it('answers over TLS, and over mTLS to a certificate of the same root', bothWork)

  it('refuses a client of another root, one without a certificate, and is refused by its roots', async () => {
    expect((await curl(socketOf('mtls'), at('client'), at('stranger'))).status).toBe(400)
    expect((await curl(socketOf('mtls'), at('client'))).status).toBe(400)
    expect((await curl(socketOf('tls'), at('stranger'))).status).toBe(0)
  })

  it('is reloaded by each renewal', async () => {
    await settled()
    const before = await shown()
    for (const source of mesh.sources) await source.renew()
    await settled()
    // A worker of before may take one more connection.
    await expect.poll(shown, { timeout: 60_000 }).not.toBe(before)
    await bothWork()
  })

  it('works while and after the root is rotated, and the old root is out then', async () => {
    await run('cp', ['-rL', at('client'), at('old-client')])
    await mesh.rotateRoot(async () => {
      await settled()
      await bothWork()
    })
    // The sets without the old root.
    for (const source of mesh.sources) await source.renew()
    await settled()
    await bothWork()
    const old = async (): Promise<number[]> => [
      (await curl(socketOf('tls'), at('old-client'))).status,
      (await curl(socketOf('mtls'), at('client'), at('old-client'))).status,
    ]
    await expect.poll(old, { timeout: 60_000 }).toEqual([0, 400])
  })

  it('curl is a peer of our HTTPS server, and a client of another root is not', async () => {
    await using identity = createTlsIdentity({ source: mesh.sources[0]! })
    const server = createHttpsServer(identity, { authorize: clientId }, (request, response) => {
      response.end(`hello, ${peerOf(request.socket)?.id.toString()}`)
    })
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const target = [
      '--noproxy',
      '*',
      '--resolve',
      `localhost:${(server.address() as AddressInfo).port}:127.0.0.1`,
      `https://localhost:${(server.address() as AddressInfo).port}/`,
    ]
    expect(await curl(target, at('client'), at('client'))).toEqual({
      status: 200,
      body: `hello, ${clientId}`,
    })
    // Of this root with another identity, of another root, and without a certificate.
    for (const other of [at('web'), at('stranger'), undefined])
      expect(await curl(target, at('client'), other)).toEqual({ status: 0, body: '' })
  })
})

/** Two servers on sockets in the folder: no port is taken. The processes belong to whoever runs the tests. */
function configuration(folder: string): string {
  const files = `
    ssl_certificate ${folder}/web/cert-chain.pem;
    ssl_certificate_key ${folder}/web/key.pem;`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/temporary/${kind};`)
    .join('\n  ')
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary}
  server {
    listen unix:${folder}/tls.sock ssl;${files}
    location / { return 200 "tls"; }
  }
  server {
    listen unix:${folder}/mtls.sock ssl;${files}
    ssl_client_certificate ${folder}/web/root-cert.pem;
    ssl_verify_client on;
    location / { return 200 "$ssl_client_verify $ssl_client_serial"; }
  }
}
`
}
