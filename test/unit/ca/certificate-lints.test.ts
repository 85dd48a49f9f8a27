// Each lint has a certificate, or a revocation list, that breaks it and nothing before it.

import { describe, expect, it } from 'vitest'
import { caLints, createIntermediateCertificate, createRootCertificate, leafLints, lintCertificate, listLints, runLints, workloadProfile } from '../../../src/ca/index.ts'
import type { LintInput } from '../../../src/ca/index.ts'
import { element, encodeGeneralizedTime, encodeTime, sequence } from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { Certificate, DistinguishedName, buildCertificate, buildRevocationList, encodeExtension, extensionOids, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { CertificateFields } from '../../../src/x509/index.ts'

const now = Math.floor(Date.now() / 1000) * 1000
const caSigner = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(caSigner, { subject: 'CN=root', trustDomain: 'example.org' })
const key = (await SoftwareSigner.generate('P-256')).publicKey
const uri = generalName.uri('spiffe://example.org/web')
const dns = generalName.dns('web.example.org')
type Extensions = NonNullable<CertificateFields['extensions']>
const extensions: Extensions = {
  authorityKeyIdentifier: caSigner.publicKey.keyIdentifier, subjectKeyIdentifier: key, keyUsage: ['digitalSignature'], basicConstraints: { ca: false },
  extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth], subjectAltName: [uri],
}
const fields: CertificateFields = { issuer: root.subject, publicKey: key, notBefore: new Date(now - 120_000), notAfter: new Date(now + 3_600_000), extensions }

async function leaf(changes: Partial<CertificateFields> = {}, changed: Partial<Extensions> = {}, signer = caSigner): Promise<Certificate> {
  return buildCertificate({ ...fields, ...changes, extensions: { ...extensions, ...changed } }, signer)
}

function outcome(certificate: Certificate, changes: Partial<LintInput> = {}): string {
  try {
    lintCertificate({ certificate, issuer: root, issuerTrustDomain: TrustDomain.parse('example.org'), publicKey: key, wantedNames: certificate.subjectAltName ?? [], profile: workloadProfile, nowMs: now, ...changes })
    return 'passes'
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_LINT' })
    return (error as Error).message.split(' ')[0]!
  }
}

/** The certificate with the content of its TBSCertificate changed as hexadecimal text; the lengths are made to fit. */
function changed(certificate: Certificate, from: string, to: string): Certificate {
  const hex = Buffer.from(certificate.tbs).toString('hex')
  expect(hex).toContain(from)
  const header = certificate.tbs[1]! < 0x80 ? 2 : (certificate.tbs[1]! & 0x7f) + 2
  const tbs = sequence(Buffer.from(hex.replace(from, to), 'hex').subarray(header))
  return Certificate.parse(sequence(tbs, Buffer.from('300a06082a8648ce3d040302', 'hex'), element(3, Uint8Array.of(0), certificate.signature)))
}

const other = (oid: string, critical: boolean, value: Uint8Array): Partial<Extensions> => ({ other: [{ oid, critical, value }] })
const without = (name: keyof Extensions): Partial<Extensions> => ({ [name]: undefined })
const odd = changed(await leaf(), '06082a8648ce3d030107', '06082a8648ce3d030101')
const weak = await SoftwareSigner.generate('RSA-2048')

type LeafCase = readonly [lint: string, what: string, make: () => Promise<Certificate> | Certificate, changes?: Partial<LintInput>]
const leafCases: readonly LeafCase[] = [
  ['L1', 'version 1', async () => {
    const made = await leaf()
    const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex')
    const validity = sequence(encodeTime(made.notBeforeMs), encodeTime(made.notAfterMs))
    const tbs = sequence(element(2, made.serialNumberBytes), algorithm, made.issuer.der, validity, made.subject.der, made.publicKey.spki)
    return Certificate.parse(sequence(tbs, algorithm, element(3, Uint8Array.of(0), made.signature)))
  }],
  ['L2', 'a short serial number', () => leaf({ serialNumber: Uint8Array.of(1, 2) })],
  ['L3', 'a signature algorithm that is none of ours', async () => Certificate.parse(Buffer.from(Buffer.from((await leaf()).der).toString('hex').replaceAll('300a06082a8648ce3d040302', '300a06082a8648ce3d040301'), 'hex'))],
  ['L4', 'a key that nobody can use', () => odd, { publicKey: odd.publicKey }],
  ['L5', 'the name of another CA', () => leaf({ issuer: DistinguishedName.parse('CN=other') })],
  ['L6', 'an empty validity', () => leaf({ notAfter: fields.notBefore })],
  ['L6', "a validity beyond the CA's", () => leaf({ notAfter: new Date(root.notAfterMs + 1000) })],
  ['L7', 'a validity longer than the profile has', () => leaf({ notAfter: new Date(now + 91 * 86_400_000) })],
  ['L7', 'a beginning in the future', () => leaf({ notBefore: new Date(now + 60_000) })],
  ['L8', 'a GeneralizedTime before 2050', async () => {
    const made = await leaf()
    const seconds = (ms: number): string => Buffer.from(encodeGeneralizedTime(ms)).toString('hex')
    const utc = (ms: number): string => `170d${Buffer.from(encodeGeneralizedTime(ms)).subarray(4).toString('hex')}`
    return changed(made, `301e${utc(made.notBeforeMs)}${utc(made.notAfterMs)}`, `3020${utc(made.notBeforeMs)}${seconds(made.notAfterMs)}`)
  }],
  ['L10', 'an extension that is malformed', () => leaf({}, other(extensionOids.crlDistributionPoints, false, Uint8Array.of(5, 0)))],
  ['L11', 'an extension that no leaf has', () => leaf({}, other('1.2.3.4', false, Uint8Array.of(5, 0)))],
  ['L12', 'another key', () => leaf(), { publicKey: weak.publicKey }],
  ['L13', "the CA's own key", () => leaf({ publicKey: caSigner.publicKey }), { publicKey: caSigner.publicKey }],
  ['L14', 'a CA', () => leaf({}, { basicConstraints: { ca: true, pathLength: undefined } })],
  ['L14', 'no basic constraints', () => leaf({}, without('basicConstraints'))],
  ['L15', 'no key usage', () => leaf({}, without('keyUsage'))],
  ['L16', "a CA's key usage", () => leaf({}, { keyUsage: ['digitalSignature', 'keyCertSign'] })],
  ['L17', 'a key usage of RSA', () => leaf({}, { keyUsage: ['digitalSignature', 'keyEncipherment'] })],
  ['L18', 'one purpose alone', () => leaf({}, { extendedKeyUsage: [keyPurposeOids.serverAuth] })],
  ['L18', 'any purpose', () => leaf({}, { extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.any] })],
  ['L20', 'no alternative name', () => leaf({}, without('subjectAltName'))],
  ['L21', 'two URIs', () => leaf({}, { subjectAltName: [uri, generalName.uri('spiffe://example.org/api')] })],
  ['L21', 'no URI', () => leaf({}, { subjectAltName: [dns] })],
  ['L22', 'an ID without a path', () => leaf({}, { subjectAltName: [generalName.uri('spiffe://example.org')] })],
  ['L23', 'an ID of another trust domain', () => leaf({}, { subjectAltName: [generalName.uri('spiffe://example.com/web')] })],
  ['L24', 'a name that nobody decided on', () => leaf({}, { subjectAltName: [uri, dns] }), { wantedNames: [uri] }],
  ['L24', 'another address', () => leaf({}, { subjectAltName: [uri, generalName.ip('10.0.0.1')] }), { wantedNames: [uri, generalName.ip('10.0.0.2')] }],
  ['L25', 'a DNS name twice', () => leaf({}, { subjectAltName: [uri, dns, dns] })],
  ['L25', 'a DNS name in upper case', () => leaf({}, { subjectAltName: [uri, generalName.dns('WEB.example.org')] })],
  ['L27', 'too many names', () => leaf({}, { subjectAltName: [uri, ...Array.from({ length: 100 }, (_, i) => generalName.dns(`n${i}.example.org`))] })],
  ['L28', 'a relative name of two', () => leaf({ subject: DistinguishedName.parse('CN=a+O=b') })],
  ['L28', 'a control character', () => leaf({ subject: DistinguishedName.fromDer(sequence(element(0x31, sequence(element(6, Uint8Array.of(0x55, 4, 3)), element(0x0c, Buffer.from('a\u0001'))))) ) })],
  ['L28', 'a value that is too long', () => leaf({ subject: DistinguishedName.fromDer(sequence(element(0x31, sequence(element(6, Uint8Array.of(0x55, 4, 3)), element(0x0c, Buffer.alloc(65, 'a')))))) })],
  ['L29', 'the key identifier of another CA', () => leaf({}, { authorityKeyIdentifier: key.keyIdentifier })],
  ['L30', 'no subject key identifier', () => leaf({}, without('subjectKeyIdentifier'))],
  ['L32', 'a critical distribution point', () => leaf({}, other(extensionOids.crlDistributionPoints, true, sequence(sequence(element(0xa0, element(0xa0, element(0x86, Buffer.from('http://a/crl'))))))))],
  ['L32', 'a distribution point that is no HTTP address', () => leaf({}, { crlDistributionPoints: [{ name: { fullName: [generalName.uri('ldap://a/crl')] }, reasons: undefined, crlIssuer: undefined }] })],
]

describe('lints of leaves', () => {
  it('let a good one pass', async () => {
    expect(outcome(await leaf())).toBe('passes')
    expect(outcome(await leaf({ subject: DistinguishedName.parse('O=Example') }, { subjectAltName: [uri, dns, generalName.ip('10.0.0.1')], crlDistributionPoints: [{ name: { fullName: [generalName.uri('http://a/crl')] }, reasons: undefined, crlIssuer: undefined }] }))).toBe('passes')
  })

  it.each(leafCases.map((one) => [one[0], one[1], one] as const))('%s refuses %s', async (lint, _, [, , make, changes]) => {
    expect(outcome(await make(), changes)).toBe(lint)
  })

  it('each has a case here, or is one that a lint before it refuses as well', () => {
    const shadowed = ['L19', 'L26', 'L31']
    expect(leafLints.map(({ id }) => id).filter((id) => !shadowed.includes(id) && !leafCases.some(([lint]) => lint === id))).toEqual([])
  })

  it.each([
    ['L19', () => leaf({}, { keyUsage: ['keyAgreement'] })],
    ['L26', () => leaf({}, { subjectAltName: [uri, generalName.email('a@example.org')] })],
    ['L31', () => leaf({}, { nameConstraints: { permitted: [dns] } })],
  ] as const)('%s refuses by itself what another would refuse first', async (id, make) => {
    const certificate = await make()
    const lint = leafLints.find((one) => one.id === id)!
    expect(lint.check({ certificate, issuer: root, issuerTrustDomain: undefined, publicKey: key, wantedNames: [], profile: workloadProfile, nowMs: now, names: certificate.subjectAltName ?? [], id: undefined })).toBeTypeOf('string')
    expect(outcome(certificate)).not.toBe('passes')
  })
})

describe('lints of CA certificates and lists', () => {
  const caExtensions: Extensions = { basicConstraints: { ca: true, pathLength: 0 }, keyUsage: ['keyCertSign', 'cRLSign'], subjectKeyIdentifier: key, authorityKeyIdentifier: caSigner.publicKey.keyIdentifier }
  const ca = (changes: Partial<CertificateFields> = {}, other: Partial<Extensions> = {}): Promise<Certificate> =>
    buildCertificate({ issuer: root.subject, subject: DistinguishedName.parse('CN=ca'), publicKey: key, notBefore: fields.notBefore, notAfter: fields.notAfter, ...changes, extensions: { ...caExtensions, ...other } }, caSigner)
  const refused = (run: () => void): string => {
    try {
      run()
      return 'passes'
    } catch (error) {
      return (error as Error).message.split(' ')[0]!
    }
  }

  it.each([
    ['passes', 'an intermediate as we make them', () => createIntermediateCertificate({ certificate: root, signer: caSigner }, key, { subject: 'CN=ca', trustDomain: 'example.org' })],
    ['L36', 'no CA', () => ca({}, { basicConstraints: { ca: false } })],
    ['L36', 'any path length', () => ca({}, { basicConstraints: { ca: true, pathLength: undefined } })],
    ['L37', 'another key usage', () => ca({}, { keyUsage: ['keyCertSign', 'cRLSign', 'keyEncipherment'] })],
    ['L37', 'no key usage', () => ca({}, { keyUsage: undefined })],
    ['L38', 'no subject key identifier', () => ca({}, { subjectKeyIdentifier: undefined })],
    ['L38', 'the name of another issuer', () => ca({ issuer: DistinguishedName.parse('CN=other') })],
    ['L39', 'a workload for a trust domain', () => ca({}, { subjectAltName: [uri] })],
    ['L40', 'name constraints that are not critical', () => ca({}, other(extensionOids.nameConstraints, false, sequence(element(0xa0, sequence(element(0x82, Buffer.from('example.org')))))))],
    ['L41', 'longer than its issuer', () => ca({ notAfter: new Date(root.notAfterMs + 1000) })],
  ] as const)('%s: %s', async (wanted, _, make) => {
    const certificate = await make()
    expect(refused(() => runLints(caLints, { certificate, issuer: root }))).toBe(wanted)
  })

  it('lets a root of any path length pass', () => {
    expect(refused(() => runLints(caLints, { certificate: root, issuer: root }))).toBe('passes')
    expect(encodeExtension({ oid: '1.2.3', critical: false, value: new Uint8Array(0) }).length).toBeGreaterThan(0)
  })

  it.each([
    ['passes', {}, 0n],
    ['L43', {}, 1n],
    ['L43', { authorityKeyIdentifier: key.keyIdentifier }, 0n],
    ['L48', { issuer: DistinguishedName.parse('CN=other') }, 0n],
  ] as const)('%s for a list with %o after number %s', async (wanted, changes, lastNumber) => {
    const list = await buildRevocationList({ issuer: root.subject, thisUpdate: new Date(now), nextUpdate: new Date(now + 60_000), crlNumber: 1, authorityKeyIdentifier: caSigner.publicKey.keyIdentifier, entries: [], ...changes }, caSigner)
    expect(refused(() => runLints(listLints, { list, issuer: root, lastNumber }))).toBe(wanted)
  })

  it('each has a number of its own', () => {
    const ids = [...leafLints, ...caLints, ...listLints].map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })
})
