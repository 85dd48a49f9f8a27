// CA material from mounted files: reading, rotation, and what is refused.

import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  parsePluggedInMaterial,
  readPluggedInMaterial,
} from '../../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../src/keys/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const newFolder = temporaryFolders('plugged-in-')
const rootSigner = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(rootSigner, { subject: 'CN=root', trustDomain: 'example.org' })
const middleSigner = await SoftwareSigner.generate('P-384')
const middle = await createIntermediateCertificate(
  { certificate: root, signer: rootSigner },
  middleSigner.publicKey,
  { subject: 'CN=middle', pathLength: 1 },
)
const caSigner = await SoftwareSigner.generate('RSA-2048')
const ca = await createIntermediateCertificate(
  { certificate: middle, signer: middleSigner },
  caSigner.publicKey,
  { subject: 'CN=ca', trustDomain: 'example.org' },
)
const key = exportPrivateKey(caSigner.privateKey())
const istio = {
  'ca-cert.pem': ca.toPem(),
  'ca-key.pem': key,
  'cert-chain.pem': ca.toPem() + middle.toPem() + root.toPem(),
  'root-cert.pem': root.toPem(),
}
const kubernetes = { 'tls.crt': ca.toPem() + middle.toPem(), 'tls.key': key, 'ca.crt': root.toPem() }

function caught(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}

describe('plugged-in CA material', () => {
  it.each([
    { layout: 'Istio', files: istio },
    { layout: 'kubernetes.io/tls', files: kubernetes },
    { layout: 'Istio, and a ca.crt beside it', files: { ...istio, 'ca.crt': 'nonsense' } },
    {
      layout: 'both: kubernetes.io/tls wins',
      files: { ...kubernetes, 'ca-cert.pem': 'nonsense', 'cert-chain.pem': 'nonsense' },
    },
  ])('$layout', ({ files }) => {
    const material = parsePluggedInMaterial(files)
    expect(material?.chain.map(({ subject }) => subject.toString())).toEqual(['CN=middle'])
    const { certificate, signer, chain, roots } = material!
    expect(
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate,
        signer,
        chain,
        roots,
      }).trustBundle().x509Authorities,
    ).toHaveLength(1)
  })

  it.each([
    { limit: 'a path length that allows the CA and not its leaves', options: { pathLength: 0 } },
    {
      limit: 'a name constraint of another trust domain',
      options: { nameConstraints: { permitted: [generalName.uri('other.example')] } },
    },
  ])(
    'takes the other one of two issuers with one name and key, where one has $limit',
    async ({ options }) => {
      const limited = await createCrossCertificate({ certificate: root, signer: rootSigner }, middle, options)
      for (const two of [
        [middle, limited],
        [limited, middle],
      ]) {
        const text = two.map((one) => one.toPem()).join('')
        const material = parsePluggedInMaterial({ ...istio, 'cert-chain.pem': text })!
        const authority = createCertificateAuthority({ trustDomain: 'example.org', ...material })
        expect(authority.chain.map(({ serialNumber }) => serialNumber)).toEqual([
          ca.serialNumber,
          middle.serialNumber,
        ])
      }
    },
  )

  it('needs no chain above what is trusted itself', () => {
    const trusted = { 'ca-cert.pem': ca.toPem(), 'ca-key.pem': key, 'root-cert.pem': ca.toPem() }
    expect(parsePluggedInMaterial(trusted)?.chain).toEqual([])
  })

  it('needs no chain below the root', () => {
    const direct = {
      'ca-cert.pem': root.toPem(),
      'ca-key.pem': exportPrivateKey(rootSigner.privateKey()),
      'cert-chain.pem': '',
      'root-cert.pem': root.toPem(),
    }
    expect(parsePluggedInMaterial(direct)?.chain).toEqual([])
  })

  it('refuses an issuer with the right key and another name, and no certificate at all', async () => {
    const namesake = await createIntermediateCertificate(
      { certificate: root, signer: rootSigner },
      middleSigner.publicKey,
      { subject: 'CN=other', pathLength: 1 },
    )
    for (const files of [
      { ...istio, 'cert-chain.pem': namesake.toPem() },
      { ...istio, 'cert-chain.pem': ca.toPem() },
      { ...istio, 'ca-cert.pem': 'nonsense' },
    ]) {
      expect(() => parsePluggedInMaterial(files)).toThrow(code('ERR_CA_MATERIAL'))
    }
  })

  it.each([
    { what: 'a missing key', files: { ...istio, 'ca-key.pem': undefined }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a missing root', files: { ...istio, 'root-cert.pem': undefined }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'an empty certificate', files: { ...istio, 'ca-cert.pem': ' ' }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a missing tls.crt', files: { ...kubernetes, 'tls.crt': undefined }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a tls.key alone', files: { 'tls.key': key }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a ca.crt alone', files: { 'ca.crt': root.toPem() }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a missing tls.key', files: { ...kubernetes, 'tls.key': undefined }, wanted: 'ERR_CA_MATERIAL' },
    { what: 'a missing ca.crt', files: { ...kubernetes, 'ca.crt': undefined }, wanted: 'ERR_CA_MATERIAL' },
    {
      what: 'a missing chain above an intermediate',
      files: { ...istio, 'cert-chain.pem': undefined },
      wanted: 'ERR_CA_MATERIAL',
    },
  ])('refuses $what', ({ files, wanted }) => {
    expect(() => parsePluggedInMaterial(files)).toThrow(code(wanted))
  })

  it.each([
    { what: 'a key that is none', file: 'ca-key.pem', text: root.toPem(), wanted: 'ERR_PEM' },
    {
      what: 'an encrypted key',
      file: 'ca-key.pem',
      text: exportPrivateKey(caSigner.privateKey(), { passphrase: 'not given' }),
      wanted: 'ERR_KEY_PASSPHRASE',
    },
    { what: 'a certificate that is none', file: 'ca-cert.pem', text: key, wanted: 'ERR_PEM' },
    { what: 'roots that are none', file: 'root-cert.pem', text: 'nonsense', wanted: 'ERR_PEM' },
    { what: 'a chain that is none', file: 'cert-chain.pem', text: 'nonsense', wanted: 'ERR_PEM' },
  ])('names the file with $what', ({ file, text, wanted }) => {
    const error = caught(() => parsePluggedInMaterial({ ...istio, [file]: text }))
    expect(error).toMatchObject({ code: 'ERR_CA_MATERIAL', cause: { code: wanted } })
    expect((error as Error).message).toContain(file)
  })

  it('says what is missing before what is wrong in the others', () => {
    const error = caught(() => parsePluggedInMaterial({ 'ca-cert.pem': 'nonsense' }))
    expect(error).toEqual(code('ERR_CA_MATERIAL'))
    expect(error).not.toHaveProperty('cause')
  })

  it('is not passed over where it cannot be read', async () => {
    const directory = newFolder()
    await writeFile(join(directory, 'file'), '')
    await mkdir(join(directory, 'odd', 'ca-key.pem'), { recursive: true })
    await symlink('nowhere', join(directory, 'ca-cert.pem'))
    for (const path of ['file', 'odd', '.'])
      await expect(readPluggedInMaterial(join(directory, path))).rejects.toThrow(code('ERR_CA_MATERIAL'))
  })

  it('refuses the key of another certificate when it is used', () => {
    const { certificate, chain, roots } = parsePluggedInMaterial(istio)!
    expect(() =>
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate,
        chain,
        roots,
        signer: rootSigner,
      }),
    ).toThrow(code('ERR_CA_MATERIAL'))
  })

  it('calls a file without content empty, and not one of those that were found', () => {
    const parse = (): unknown => parsePluggedInMaterial({ ...istio, 'ca-key.pem': '' })
    expect(parse).toThrow(/ca-key\.pem is empty/)
    expect(parse).not.toThrow(/ca-key\.pem.* found/)
  })

  it('is undefined where there is none', async () => {
    const directory = newFolder()
    expect(await readPluggedInMaterial(directory)).toBeUndefined()
    expect(await readPluggedInMaterial(join(directory, 'absent'))).toBeUndefined()
    for (const [name, text] of Object.entries(istio)) await writeFile(join(directory, name), text)
    expect((await readPluggedInMaterial(directory))?.certificate.equals(ca)).toBe(true)
  })
})
