// What readers hand out cannot be changed, and what they were given can: octets are copied, arrays and
// objects frozen.

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  Certificate,
  CertificateRequest,
  Crl,
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  PublicKey,
  buildCertificateRequest,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import { at, makeAnswer, makeChain, makeLeaf, makeList, respond } from '../validation/test-pki.ts'

const { root, ca } = await makeChain()
const point = [
  { name: { fullName: [generalName.uri('http://a.example/')] }, reasons: 2, crlIssuer: undefined },
]
const leaf = await makeLeaf(ca, {
  subject: DistinguishedName.parse('CN=web+O=Example,C=DE'),
  extensions: {
    basicConstraints: { ca: true, pathLength: 1 },
    keyUsage: ['keyCertSign', 'digitalSignature'],
    extendedKeyUsage: [keyPurposeOids.serverAuth],
    certificatePolicies: ['1.2.3'],
    policyMappings: [{ issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.4' }],
    policyConstraints: { requireExplicitPolicy: 1, inhibitPolicyMapping: undefined },
    nameConstraints: { permitted: [generalName.dns('example')] },
    crlDistributionPoints: point,
    authorityInfoAccess: [
      { method: '1.3.6.1.5.5.7.48.1', location: generalName.uri('http://ocsp.example/') },
    ],
    subjectAltName: [generalName.dns('web.example'), generalName.uri('spiffe://a.org/b')],
    subjectKeyIdentifier: ca.signer.publicKey,
  },
})
const request = await buildCertificateRequest(
  {
    subject: 'CN=web',
    extensions: { subjectAltName: [generalName.dns('web.example')] },
    challengePassword: 'secret word',
  },
  ca.signer,
)
const list = await makeList(ca, {
  issuingDistributionPoint: { name: { fullName: [generalName.uri('http://a.example/')] }, indirectCrl: true },
  entries: [
    {
      serialNumber: leaf.serialNumber,
      revocationDate: at(-1),
      certificateIssuer: [{ type: 'directoryName', name: ca.name }],
    },
  ],
})
const response = await respond([makeAnswer(ca, leaf)], ca.signer)
const id = OcspCertificateId.of(leaf, ca.certificate)
const ocspRequest = OcspRequest.of([id], { nonce: true })

/** Every property and getter of an object, its own and those of its classes. */
function membersOf(value: object): [string, unknown][] {
  const found = new Map<string, unknown>()
  for (let holder: object | null = value; holder !== null && holder !== Object.prototype;) {
    for (const [name, { get, value: own }] of Object.entries(Object.getOwnPropertyDescriptors(holder)))
      if (typeof own !== 'function' && !found.has(name))
        found.set(name, get === undefined ? own : (value as Record<string, unknown>)[name])
    holder = Object.getPrototypeOf(holder) as object | null
  }
  return [...found]
}

/** Paths of arrays and plain objects within a value that are not frozen. */
function loose(value: unknown, path: string, seen: Set<unknown>): string[] {
  if (typeof value !== 'object' || value === null || seen.has(value)) return []
  if (ArrayBuffer.isView(value) || value instanceof Date) return []
  seen.add(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null
  const found = isPlain && !Object.isFrozen(value) ? [path] : []
  const parts = isPlain ? Object.entries(value) : membersOf(value)
  return [...found, ...parts.flatMap(([name, part]) => loose(part, `${path}.${name}`, seen))]
}

describe('what is handed out is frozen', () => {
  it.each<[string, object]>([
    ['a certificate', leaf],
    ['a request', request],
    ['a proven request', request.verify()],
    ['a list', list],
    ['an entry', list.find(leaf.serialNumber, () => true) as object],
    ['an OCSP response', response],
    ['an OCSP request', ocspRequest],
    ['a certificate identifier', id],
    ['a name', leaf.subject],
    ['a key', leaf.publicKey],
    ['the attributes of a request', request.attributeValues('1.2.840.113549.1.9.7') as object],
  ])('%s', (name, value) => {
    expect(loose(value, name, new Set())).toEqual([])
  })
})

describe('octets that change afterwards change nothing', () => {
  it.each<[string, Uint8Array, (der: Uint8Array) => { readonly der: Uint8Array } | PublicKey]>([
    ['of a certificate', leaf.der, (der) => Certificate.parse(der)],
    ['of a certificate in any form', leaf.der, (der) => Certificate.from(der)],
    ['of a request', request.der, (der) => CertificateRequest.parse(der)],
    ['of a list', list.der, (der) => Crl.parse(der)],
    ['of a name', leaf.subject.der, (der) => DistinguishedName.fromDer(der)],
    ['of a key', leaf.publicKey.spki, (der) => PublicKey.fromSpki(der)],
    ['of a key in any form', leaf.publicKey.spki, (der) => PublicKey.from(der)],
    ['of an OCSP response', response.der, (der) => OcspResponse.parse(der)],
    ['of an OCSP request', ocspRequest.der, (der) => OcspRequest.parse(der)],
    ['of a certificate identifier', id.der, (der) => OcspCertificateId.parse(der)],
  ])('%s', (_what, original, parse) => {
    const bytes = Uint8Array.from(original)
    const read = parse(bytes)
    bytes.fill(0)
    expect('der' in read ? read.der : read.spki).toEqual(Uint8Array.from(original))
  })

  it('what is no octets is refused by name', () => {
    for (const parse of [DistinguishedName.fromDer, PublicKey.fromSpki, OcspCertificateId.parse])
      expect(() => parse('text' as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('what is shown', () => {
  it.each<[string, { toString(): string; toJSON(): unknown }, readonly string[]]>([
    [
      'a certificate',
      leaf,
      ['CN=web', 'DNS:web.example', 'URI:spiffe://a.org/b', 'P-256', leaf.serialNumber],
    ],
    ['a request', request, ['CN=web', 'DNS:web.example', 'P-256']],
    ['a list', list, ['CN=ca', 'revoked', '1']],
  ])('of %s is the same in util.inspect and toString, and toJSON has the names', (_what, value, wanted) => {
    expect(inspect(value)).toBe(value.toString())
    for (const text of wanted) expect(value.toString()).toContain(text)
    const json = JSON.stringify(value)
    expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value.toJSON())))
    expect(json).toMatch(/CN=(?:web|ca)/)
    // A secret of the request, and octets, are in neither.
    expect(`${value.toString()}${json}`).not.toContain('secret word')
  })

  it('of a list with an odd entry says so', () => {
    expect(list.toString()).not.toContain('odd')
    expect(JSON.stringify(list)).not.toContain('entryFaults')
  })

  it('of root and leaf has who signed, and both dates', () => {
    expect(root.certificate.toString()).toMatch(/signed by +itself/)
    expect(leaf.toString()).toContain('2026-01-01 00:00:00 UTC')
    expect(leaf.toString()).toContain('2026-12-31 23:59:59 UTC')
  })
})
