// What is refused in the material of a CA is named: the place, the certificate with its dates, and the field.

import { describe, expect, it } from 'vitest'
import { element, oid, sequence } from '../../../src/der/index.ts'
import {
  createCertificateAuthority,
  createRootCertificate,
  parsePluggedInMaterial,
} from '../../../src/ca/index.ts'
import { withoutTolerances } from '../../../src/ca/authority/signing-material.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../src/keys/index.ts'
import { Certificate, buildCertificate, extensionOids } from '../../../src/x509/index.ts'
import { certificateParts, resign } from '../validation/test-pki.ts'

const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=good', trustDomain: 'example.org' })
const { notBefore, notAfter } = root
const malformed = (oid: string, value: Uint8Array): { oid: string; critical: true; value: Uint8Array } => ({
  oid,
  critical: true,
  value,
})
const odd = (extensions: Parameters<typeof buildCertificate>[0]['extensions']): Promise<Certificate> =>
  buildCertificate(
    {
      issuer: 'CN=odd',
      subject: 'CN=odd',
      publicKey: signer.publicKey,
      serialNumber: Uint8Array.of(0x1a),
      notBefore,
      notAfter,
      extensions,
    },
    signer,
  )
const dates = [notBefore, notAfter].map((date) => date.toISOString().replace('.000Z', 'Z')).join(' to ')
const described = `"CN=odd", serial 1A, ${dates}`

function faultOf(make: () => unknown): PkiError {
  try {
    make()
  } catch (error) {
    if (error instanceof PkiError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const oddName = sequence(element(0x31, sequence(oid('2.5.4.3'), element(0x13, Buffer.from('odd_name')))))
const boolean01 = sequence(element(1, Uint8Array.of(1)))
const ca = { ca: true } as const
const roots: readonly (readonly [string, Parameters<typeof odd>[0], string])[] = [
  ['no CA', {}, 'it is not a CA certificate'],
  ['no keyCertSign', { basicConstraints: ca, keyUsage: ['digitalSignature'] }, 'lacks keyCertSign'],
  [
    'basic constraints that cannot be read',
    { other: [malformed(extensionOids.basicConstraints, boolean01)] },
    'basicConstraints: cA',
  ],
  [
    'key usage that cannot be read',
    { basicConstraints: ca, other: [malformed(extensionOids.keyUsage, element(3, Uint8Array.of(0)))] },
    'keyUsage: ',
  ],
]

describe('a root beside a good one', () => {
  it.each(roots)('with %s is named', async (_name, extensions, field) => {
    const second = await odd(extensions)
    const error = faultOf(() =>
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: root,
        signer,
        roots: [root, second],
      }),
    )
    expect(error.code).toBe('ERR_CA_MATERIAL')
    expect(error.message).toMatch(/^roots: /u)
    expect(error.message).toContain(field)
    expect(error.message).toContain(described)
  })

  it('that cannot be parsed is named by its index', () => {
    const broken = [root, root.der.slice(0, -1)]
    const error = faultOf(() =>
      createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer, roots: broken }),
    )
    expect(error.message).toMatch(/^roots\[1\]: /u)
  })
})

describe('a certificate that a tolerance would accept', () => {
  const explicitFalse = {
    other: [malformed(extensionOids.basicConstraints, sequence(element(1, Uint8Array.of(0))))],
  }

  it('is refused in the material of a CA, also if the caller has parsed it with the tolerance', async () => {
    const parsed = Certificate.parse((await odd(explicitFalse)).der, { tolerances: ['explicit-defaults'] })
    const error = faultOf(() =>
      createCertificateAuthority({ trustDomain: 'example.org', certificate: parsed, signer, roots: [root] }),
    )
    expect(error.code).toBe('ERR_CA_MATERIAL')
    expect(error.message).toContain(
      "'explicit-defaults' accepts it elsewhere, but not in the material of a CA",
    )
  })

  it('is refused in files, with the name of the file', async () => {
    const text = (await odd(explicitFalse)).toPem()
    const error = faultOf(() =>
      parsePluggedInMaterial({
        'ca-cert.pem': text,
        'ca-key.pem': exportPrivateKey(signer.privateKey()),
        'root-cert.pem': root.toPem(),
      }),
    )
    expect(error.code).toBe('ERR_CA_MATERIAL')
    expect(error.message).toMatch(/^ca-cert\.pem: basicConstraints: .* not in the material of a CA/u)
  })
})

describe('plugged-in material without a path', () => {
  const refusal = async (
    edit: (der: Certificate) => Promise<Certificate>,
    other: ReturnType<typeof malformed>[] = [],
  ): Promise<string> => {
    const key = await SoftwareSigner.generate('P-256')
    const issuing = await buildCertificate(
      {
        issuer: root.subject,
        subject: 'CN=odd',
        publicKey: key.publicKey,
        serialNumber: Uint8Array.of(0x1a),
        notBefore,
        notAfter,
        extensions: { basicConstraints: ca, keyUsage: ['keyCertSign', 'cRLSign'], other },
      },
      signer,
    )
    const certificate = await edit(issuing)
    return faultOf(() =>
      parsePluggedInMaterial({
        'ca-cert.pem': certificate.toPem(),
        'ca-key.pem': exportPrivateKey(key.privateKey()),
        'root-cert.pem': root.toPem(),
      }),
    ).message
  }

  it('names the certificate at fault', async () => {
    const message = await refusal((made) => Promise.resolve(made), [malformed('1.2.3.4', sequence())])
    expect(message).toContain('the critical extension 1.2.3.4 is not supported')
    expect(message).toContain(described)
  })

  it('names the file and field of a name that cannot be read', async () => {
    const { subject } = certificateParts
    const message = await refusal(async ({ tbs }) =>
      Certificate.parse(await resign(tbs, signer, (parts) => parts.with(subject, oddName))),
    )
    expect(message).toMatch(/^ca-cert\.pem: subject: attribute CN .* not in the material of a CA/u)
  })

  it('says in the middle of a message that a tolerance does not apply', () => {
    const message = "x; the tolerance 'leading-dot-constraints' accepts it; certificate y"
    expect(withoutTolerances(message)).toMatch(/accepts it elsewhere, but not .*; certificate y$/u)
  })
})

describe('names that cannot be read', () => {
  const named = (...places: number[]): Promise<Uint8Array> =>
    resign(root.tbs, signer, (parts) => parts.map((part, at) => (places.includes(at) ? oddName : part)))
  const { issuer, subject } = certificateParts

  it.each([
    ['subject', [issuer, subject]],
    ['issuer', [issuer]],
  ])('are refused in the CA certificate: %s', async (_field, places) => {
    const certificate = await named(...places)
    const error = faultOf(() =>
      createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, roots: [root] }),
    )
    expect(error.code).toBe('ERR_STRING_INVALID')
    expect(error.message).toMatch(/^certificate \(CN=\w+\): \w+: attribute CN /u)
  })

  it('are accepted in another root, which bundles omit', async () => {
    const roots = [root, await named(issuer, subject)]
    const made = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer, roots })
    expect(made.roots).toHaveLength(2)
  })
})
