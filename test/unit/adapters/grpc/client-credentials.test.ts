// Servers that a certificate client refuses in the handshake, and what its error says of their certificates.

import { createSecureServer } from 'node:http2'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createCertificateClient } from '../../../../src/adapters/grpc/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../../src/keys/index.ts'
import { buildCertificate, generalName } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { newRequest, testPki } from '../../../support/pki.ts'
import { slowChain, slowCurve, slowField, slowRsa } from '../../../support/slow-chain.ts'

const pki = await testPki()
const other = await testPki()
const { request } = await newRequest()
const hour = 3_600_000

interface ServerLeaf {
  readonly algorithm?: KeyAlgorithm
  readonly name?: string
  readonly fromMs?: number
  readonly toMs?: number
}

/** A certificate of a server below the root of `pki`. */
async function leafOf({ algorithm = 'P-256', name = 'localhost', fromMs = -hour, toMs = hour }: ServerLeaf) {
  const signer = await SoftwareSigner.generate(algorithm)
  const certificate = await buildCertificate(
    {
      ...{ subject: 'CN=the CA', issuer: pki.root.subject.toString(), publicKey: signer.publicKey },
      ...{ notBefore: new Date(Date.now() + fromMs), notAfter: new Date(Date.now() + toMs) },
      extensions: {
        subjectAltName: [generalName.dns(name)],
        authorityKeyIdentifier: pki.signer.publicKey.keyIdentifier,
      },
    },
    pki.signer,
  )
  return { certificate, cert: certificate.toPem(), key: exportPrivateKey(signer.privateKey()) }
}

type Version = 'TLSv1.2' | 'TLSv1.3'

/** Answers every call with UNAUTHENTICATED. */
async function serve(
  { cert, key }: { readonly cert: string; readonly key: string },
  version?: Version,
): Promise<string> {
  const server: Http2SecureServer = createSecureServer({
    ...{ cert, key },
    ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
  })
  server.on('stream', (stream) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' },
      { endStream: true },
    )
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, resolve))
  onTestFinished(() => void server.close())
  return `localhost:${(server.address() as AddressInfo).port}`
}

async function errorFrom(address: string, roots = pki.root.toPem(), serverName?: string): Promise<Error> {
  await using client = await createCertificateClient({
    ...{ address, tls: () => ({ roots }), retry: { attempts: 1 } },
    ...(serverName === undefined ? {} : { serverName }),
  })
  return await client.createCertificate(request).then(
    () => new Error('a certificate'),
    (error: unknown) => error as Error,
  )
}

const versions: readonly Version[] = ['TLSv1.2', 'TLSv1.3']

describe.each(versions)('over %s', (version) => {
  it.each<KeyAlgorithm>(['P-256', 'RSA-2048'])('reaches a server with a key of %s', async (algorithm) => {
    const address = await serve(await leafOf({ algorithm }), version)
    expect(await errorFrom(address)).toEqual(code('ERR_CA_UNAUTHENTICATED'))
  })

  it.each([
    ['more certificates than a path has', slowChain(74, slowRsa(3072, 3072)), 'more than 10 certificates'],
    ['a key whose exponent is long', slowChain(1, slowRsa(3072, 3072)), 'certificate 2: '],
    ['a key on an unsupported curve', slowChain(1, slowCurve('sect571k1', 570)), 'certificate 2: '],
    ['a key with explicit parameters', slowChain(1, slowField()), 'certificate 2: '],
  ])('refuses %s before OpenSSL gets it', async (_what, chain, reason) => {
    const error = await errorFrom(await serve(chain, version))
    expect(error).toEqual(code('ERR_CA_UNAVAILABLE'))
    expect(error.message).toContain(`the handshake of the server is refused: ${reason}`)
  })
})

describe('the error of a refused server', () => {
  it.each([
    ['CERT_HAS_EXPIRED', { fromMs: -2 * hour, toMs: -hour }],
    ['CERT_NOT_YET_VALID', { fromMs: hour, toMs: 2 * hour }],
  ])('names its certificate, both dates and the clock: %s', async (reason, times) => {
    const leaf = await leafOf(times)
    const { message } = await errorFrom(await serve(leaf))
    const { serialNumber, notBefore, notAfter } = leaf.certificate
    expect(message).toContain(`${reason}: "CN=the CA" (serial number ${serialNumber}, `)
    expect(message).toContain(`is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}; `)
    expect(message).toContain('the time is ')
  })

  it('names the issuer that no root has', async () => {
    const { message } = await errorFrom(await serve(await leafOf({})), other.root.toPem())
    expect(message).toContain(`issued by ${JSON.stringify(pki.root.subject.toString())}`)
  })

  it('names the name that was expected and those that were found', async () => {
    const address = await serve(await leafOf({ name: 'ca.example.org' }))
    const { message } = await errorFrom(address)
    expect(message).toContain('expected the name localhost, found "DNS:ca.example.org"; ')
    expect(await errorFrom(address, undefined, 'ca.example.org')).toEqual(code('ERR_CA_UNAUTHENTICATED'))
  })
})

it('refuses roots without a certificate', async () => {
  expect(await errorFrom('localhost:1', 'not PEM')).toEqual(code('ERR_INVALID_ARGUMENT'))
})

it('names the file that tls could not read, and repeats no other text', async () => {
  const failing = async (fault: Error): Promise<string> => {
    await using client = await createCertificateClient({
      ...{ address: 'localhost:1', retry: { attempts: 1 } },
      tls: () => Promise.reject(fault),
    })
    return await client.createCertificate(request).then(
      () => '',
      (error: unknown) => (error as Error).message,
    )
  }
  const absent = Object.assign(new Error('ENOENT'), { code: 'ENOENT', errno: -2, path: '/certs/root.pem' })
  expect(await failing(absent)).toContain('/certs/root.pem: no such file or directory (ENOENT)')
  expect(await failing(new Error('unexpected token in eyJhbGciOi'))).not.toContain('eyJ')
})
