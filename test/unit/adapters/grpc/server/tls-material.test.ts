// What the TLS material of a server must be.

import { createPrivateKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { secureContextOptions } from '../../../../../src/adapters/grpc/server/index.ts'
import type { ServerTlsMaterial } from '../../../../../src/adapters/grpc/server/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../../src/keys/index.ts'
import { buildCertificate, generalName } from '../../../../../src/x509/index.ts'
import { code } from '../../../../support/codes.ts'
import { testPki, tlsCredential } from '../../../../support/pki.ts'

const pki = await testPki()
const credential = await tlsCredential(pki)
const { certificate } = credential
const other = exportPrivateKey((await SoftwareSigner.generate('P-256')).privateKey())
const good: ServerTlsMaterial = {
  certificateChain: credential.certificateChain,
  privateKey: credential.privateKey,
  clientRoots: pki.root.toPem(),
}
const read = (given: unknown, at = certificate.notBeforeMs + 1): object =>
  secureContextOptions('ERR_SERVER_START', given as ServerTlsMaterial, at)

/** An issuer with another period, and a leaf by it. */
async function chainOf(
  periods: readonly (readonly [notBefore: number, notAfter: number])[],
): Promise<ServerTlsMaterial> {
  const leafSigner = await SoftwareSigner.generate('P-256')
  const issuer = await SoftwareSigner.generate('P-256')
  const date = (offset: number): Date => new Date(certificate.notBeforeMs + offset)
  const issuers = await Promise.all(
    periods.map(([notBefore, notAfter]) =>
      buildCertificate(
        {
          issuer: 'CN=above',
          subject: 'CN=issuer',
          publicKey: issuer.publicKey,
          notBefore: date(notBefore),
          notAfter: date(notAfter),
          extensions: { basicConstraints: { ca: true, pathLength: undefined }, keyUsage: ['keyCertSign'] },
        },
        pki.signer,
      ),
    ),
  )
  const leaf = await buildCertificate(
    {
      issuer: 'CN=issuer',
      subject: 'CN=localhost',
      publicKey: leafSigner.publicKey,
      notBefore: date(-3_600_000),
      notAfter: date(3_600_000),
      extensions: { subjectAltName: [generalName.dns('localhost')] },
    },
    issuer,
  )
  return {
    certificateChain: [leaf, ...issuers].map((one) => one.toPem()).join(''),
    privateKey: exportPrivateKey(leafSigner.privateKey()),
    clientRoots: '',
  }
}

describe('secureContextOptions', () => {
  it('takes material, with no tickets, no renegotiation and nothing below TLS 1.2', () => {
    expect(read(good)).toMatchObject({
      minVersion: 'TLSv1.2',
      cert: good.certificateChain,
      ca: good.clientRoots,
    })
    expect(read({ ...good, clientRoots: '' })).toBeDefined()
    expect(read({ ...good, more: 1 })).toBeDefined()
  })

  it.each<[what: string, given: unknown]>([
    ['nothing', undefined],
    ['a certificate that is not text', { ...good, certificateChain: Buffer.from(good.certificateChain) }],
    ['no key', { ...good, privateKey: undefined }],
    ['no roots', { certificateChain: good.certificateChain, privateKey: good.privateKey }],
  ])('refuses %s as an argument', (_what, given) => {
    expect(() => read(given)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each<[what: string, given: ServerTlsMaterial]>([
    ['an empty chain', { ...good, certificateChain: '' }],
    ['a chain that is not PEM', { ...good, certificateChain: 'certificate' }],
    ['a chain with a broken second block', { ...good, certificateChain: good.certificateChain + broken() }],
    ['a key that is not PEM', { ...good, privateKey: 'key' }],
    ['an encrypted key', { ...good, privateKey: encrypted() }],
    ['a key of another certificate', { ...good, privateKey: other }],
    ['roots that are not PEM', { ...good, clientRoots: 'roots' }],
  ])('refuses %s at the start, and with the other code later', (_what, given) => {
    expect(() => read(given)).toThrow(code('ERR_SERVER_START'))
    expect(() => secureContextOptions('ERR_INVALID_ARGUMENT', given, certificate.notBeforeMs + 1)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('refuses a leaf outside its validity period, whose last second belongs to it', () => {
    expect(() => read(good, certificate.notBeforeMs - 1)).toThrow(code('ERR_SERVER_START'))
    expect(read(good, certificate.notBeforeMs)).toBeDefined()
    expect(read(good, certificate.notAfterMs + 999)).toBeDefined()
    expect(() => read(good, certificate.notAfterMs + 1000)).toThrow(code('ERR_SERVER_START'))
  })

  it('refuses a chain whose only issuer has expired', async () => {
    const expired = await chainOf([[-7_200_000, -3_600_000]])
    expect(() => read(expired)).toThrow(code('ERR_SERVER_START'))
  })

  it('takes a chain with an expired issuer beside a valid one, in any order', async () => {
    const [past, now] = [[-7_200_000, -3_600_000] as const, [-3_600_000, 3_600_000] as const]
    expect(read(await chainOf([past, now]))).toBeDefined()
    expect(read(await chainOf([now, past]))).toBeDefined()
  })
})

function broken(): string {
  return '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n'
}

function encrypted(): string {
  const options = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  return createPrivateKey(good.privateKey).export(options) as string
}
