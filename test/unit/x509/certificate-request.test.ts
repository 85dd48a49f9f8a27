// Certification requests (RFC 2986, RFC 2985 section 5.4): attributes, the requested extensions, and the
// proof of possession.

import { sign } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
  setOf,
  tags,
  utf8String,
} from '../../../src/der/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  CertificateRequest,
  DistinguishedName,
  buildCertificateRequest,
  extensionOids as oids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import { encodeAltName, encodeExtension, isProvenRequest } from '../../../src/x509/internal.ts'
import type { Tolerance } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { algorithm, brokenName, concat, fromHex, hex, name, privateKey, spki } from './encodings.ts'

const signer = new SoftwareSigner(privateKey)
const extensionRequest = '1.2.840.113549.1.9.14'
const challengePassword = '1.2.840.113549.1.9.7'
const san = encodeExtension({
  oid: oids.subjectAltName,
  critical: false,
  value: encodeAltName([generalName.dns('a.example')]),
})
const attribute = (type: string, ...values: readonly Uint8Array[]): Uint8Array =>
  sequence(oid(type), setOf(...values))
const asksFor = (...extensions: readonly Uint8Array[]): Uint8Array =>
  attribute(extensionRequest, sequence(...extensions))
const password = attribute(challengePassword, utf8String('secret'))

interface Parts {
  readonly version?: Uint8Array
  readonly subject?: Uint8Array
  readonly spki?: Uint8Array
  readonly attributes?: readonly Uint8Array[]
  /** Instead of `[0] { attributes }`. */
  readonly set?: readonly Uint8Array[]
  readonly algorithm?: Uint8Array
  readonly after?: readonly Uint8Array[]
}

/** Signed, so that nothing but the part that is changed is wrong. */
function requestDer(parts: Parts = {}): Uint8Array {
  const info = sequence(
    parts.version ?? integer(0),
    parts.subject ?? name,
    parts.spki ?? spki,
    ...(parts.set ?? [explicit(0, ...(parts.attributes ?? []))]),
  )
  return sequence(
    info,
    parts.algorithm ?? algorithm,
    bitString(sign('sha256', info, privateKey)),
    ...(parts.after ?? []),
  )
}

describe('attributes', () => {
  it.each<readonly [string, readonly Uint8Array[], readonly string[], number]>([
    ['none', [], [], 0],
    ['a challenge password, which is passed over', [password], [challengePassword], 0],
    ['an extension request', [asksFor(san)], [extensionRequest], 1],
    ['both', [password, asksFor(san)], [challengePassword, extensionRequest], 1],
    ['both the other way round', [asksFor(san), password], [extensionRequest, challengePassword], 1],
    ['an extension request for nothing', [asksFor()], [extensionRequest], 0],
    [
      'one that is not known, of two values',
      [attribute('1.2.3.4', nullElement(), integer(1))],
      ['1.2.3.4'],
      0,
    ],
    [
      "an extension request under Microsoft's identifier",
      [attribute('1.3.6.1.4.1.311.2.1.14', sequence(san))],
      ['1.3.6.1.4.1.311.2.1.14'],
      1,
    ],
    [
      '32 of them',
      Array.from({ length: 32 }, (_, i) => attribute(`1.2.3.${i}`, nullElement())),
      Array.from({ length: 32 }, (_, i) => `1.2.3.${i}`),
      0,
    ],
  ])('%s', (_what, attributes, types, extensions) => {
    const request = CertificateRequest.parse(requestDer({ attributes }))
    expect(request.attributes).toEqual(types)
    expect(request.extensions).toHaveLength(extensions)
    expect(request.subjectAltName).toEqual(extensions === 0 ? undefined : [generalName.dns('a.example')])
    expect(() => {
      request.checkAll()
    }).not.toThrow()
    expect(request.verify().request).toBe(request)
  })

  it.each<readonly [string, Parts, string]>([
    ['left out altogether', { set: [] }, 'ERR_DER'],
    ['as a SET', { set: [setOf(password)] }, 'ERR_DER'],
    ['as a primitive [0]', { set: [element(0x80, new Uint8Array(0))] }, 'ERR_DER'],
    ['twice', { set: [explicit(0), explicit(0)] }, 'ERR_DER'],
    ['one that is no SEQUENCE', { attributes: [oid(challengePassword)] }, 'ERR_DER'],
    ['one without type', { attributes: [sequence(setOf(nullElement()))] }, 'ERR_DER'],
    [
      'one whose type is cut off',
      { attributes: [sequence(fromHex('06022a81'), setOf(nullElement()))] },
      'ERR_OID_INVALID',
    ],
    ['one without values', { attributes: [sequence(oid('1.2.3.4'))] }, 'ERR_DER'],
    ['an extension request of no value', { attributes: [attribute(extensionRequest)] }, 'ERR_CSR_MALFORMED'],
    [
      'one with more behind it',
      { attributes: [sequence(oid('1.2.3.4'), setOf(nullElement()), nullElement())] },
      'ERR_DER',
    ],
    ['a challenge password twice', { attributes: [password, password] }, 'ERR_CSR_MALFORMED'],
    ['an extension request twice', { attributes: [asksFor(san), asksFor()] }, 'ERR_CSR_MALFORMED'],
    [
      'an extension request of two values',
      { attributes: [attribute(extensionRequest, sequence(san), sequence(san))] },
      'ERR_DER',
    ],
    [
      'an extension request that is no SEQUENCE',
      { attributes: [attribute(extensionRequest, octetString(san))] },
      'ERR_DER',
    ],
    ['a request for an extension twice', { attributes: [asksFor(san, san)] }, 'ERR_EXTENSION_DUPLICATE'],
    [
      'a request with critical FALSE',
      { attributes: [asksFor(sequence(oid('1.2.3'), boolean(false), octetString(nullElement())))] },
      'ERR_DER',
    ],
    ['a request for something that is no extension', { attributes: [asksFor(nullElement())] }, 'ERR_DER'],
    [
      '33 of them',
      { attributes: Array.from({ length: 33 }, (_, i) => attribute(`1.2.3.${i}`, nullElement())) },
      'ERR_LIMIT_EXCEEDED',
    ],
  ])('not %s', (_what, parts, wanted) => {
    expect(() => CertificateRequest.parse(requestDer(parts))).toThrow(code(wanted))
  })
})

describe('values of an attribute that is not used', () => {
  const nested = Array.from({ length: 40 }).reduce<Uint8Array>((inner) => sequence(inner), nullElement())

  it.each<readonly [string, string, readonly Uint8Array[], string]>([
    ['none at all', '1.2.3.4', [], 'ERR_CSR_MALFORMED'],
    ['a password of no value', challengePassword, [], 'ERR_CSR_MALFORMED'],
    ['a length beyond the SET', '1.2.3.4', [fromHex('040501')], 'ERR_DER'],
    ['a BOOLEAN of one', challengePassword, [fromHex('010101')], 'ERR_DER'],
    ['nested beyond reason', '1.2.3.4', [nested], 'ERR_DER_DEPTH'],
    ['a SET OF that is not sorted', '1.2.3.4', [integer(2), integer(1)], 'ERR_DER'],
    [
      'a password with "@" as PrintableString',
      challengePassword,
      [element(tags.printableString, Buffer.from('se@cret'))],
      'ERR_STRING_INVALID',
    ],
    [
      'a Latin-1 unstructuredName',
      '1.2.840.113549.1.9.2',
      [element(tags.ia5String, Uint8Array.of(0xfc))],
      'ERR_STRING_INVALID',
    ],
  ])('are checked when they are asked for: %s', (_what, type, values, wanted) => {
    const octets = requestDer({
      attributes: [sequence(oid(type), element(tags.set, concat(...values))), asksFor(san)],
    })
    const request = CertificateRequest.parse(octets)
    expect([request.attributes, request.subjectAltName]).toEqual([
      [type, extensionRequest],
      [generalName.dns('a.example')],
    ])
    expect(request.verify().request.der).toEqual(octets)
    expect(inspect(request)).toContain(type)
    expect(() => request.attributeValues(type)).toThrow(code(wanted))
    expect(() => request.checkAll()).toThrow(code(wanted))
    if (type === challengePassword) expect(() => request.challengePassword).toThrow(PkiError)
    expect(request.attributeValues(extensionRequest)).toEqual([sequence(san)])
  })

  it('a password that is no string throws where it is decoded', () => {
    for (const values of [[integer(1)], [utf8String('a'), utf8String('b')]]) {
      const request = CertificateRequest.parse(
        requestDer({ attributes: [attribute(challengePassword, ...values)] }),
      )
      expect(request.attributeValues(challengePassword)).toEqual(values)
      expect(() => request.challengePassword).toThrow(code('ERR_CSR_MALFORMED'))
      expect(() => request.checkAll()).toThrow(code('ERR_CSR_MALFORMED'))
    }
  })
})

describe('a tolerance that an error names', () => {
  const oddName = sequence(setOf(sequence(oid('2.5.4.3'), element(tags.printableString, Buffer.from('a_b')))))
  it.each<readonly [Tolerance, Parts]>([
    [
      'explicit-defaults',
      {
        attributes: [asksFor(sequence(oid(oids.keyUsage), boolean(false), octetString(fromHex('03020780'))))],
      },
    ],
    ['invalid-string-octets', { subject: oddName }],
  ])('accepts the request, in every form: %s', (name, parts) => {
    const octets = requestDer(parts)
    const strictly = (): void => CertificateRequest.parse(octets).checkAll()
    expect(strictly).toThrow(`the tolerance '${name}' accepts it`)
    const options = { tolerances: [name] }
    const read = CertificateRequest.parse(octets, options)
    for (const request of [
      read,
      CertificateRequest.from(octets, options),
      CertificateRequest.from(read.toPem(), options),
      CertificateRequest.fromPem(read.toPem(), options),
    ]) {
      request.checkAll()
      expect([request.tolerances, request.der]).toEqual([[name], octets])
      expect(request.verify().request).toBe(request)
    }
    expect(() => CertificateRequest.parse(octets, { tolerance: [name] } as never)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('the frame', () => {
  it.each<readonly [string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'ERR_DER'],
    ['version 2', requestDer({ version: integer(1) }), 'ERR_CSR_MALFORMED'],
    ['version -1', requestDer({ version: integer(-1) }), 'ERR_DER'],
    ['version 1, padded', requestDer({ version: fromHex('02020000') }), 'ERR_DER'],
    ['a subject that is no SEQUENCE', requestDer({ subject: utf8String('CN=a') }), 'ERR_DER'],
    ['more behind the signature', requestDer({ after: [nullElement()] }), 'ERR_DER'],
    ['more behind the request', concat(requestDer(), nullElement()), 'ERR_DER'],
    [
      'more than 64 KiB',
      requestDer({ attributes: [attribute('1.2.3.4', octetString(new Uint8Array(64 * 1024)))] }),
      'ERR_CSR_TOO_LARGE',
    ],
    ['an algorithm that is none', requestDer({ algorithm: sequence() }), 'ERR_DER'],
  ])('is not %s', (_what, der, wanted) => {
    expect(() => CertificateRequest.parse(der)).toThrow(code(wanted))
  })

  it('is up to 64 KiB, as octets, as text and as it is', () => {
    const of = (octets: number): Uint8Array =>
      requestDer({ attributes: [attribute('1.2.3.4', octetString(new Uint8Array(octets)))] })
    // A signature of ECDSA is of 70 octets, or of a few less.
    let whole = of(65_300)
    while (whole.length !== 65_536) whole = of(65_300 + 65_536 - of(65_300).length)
    const request = CertificateRequest.parse(whole)
    expect(CertificateRequest.from(request)).toBe(request)
    expect(CertificateRequest.from(request.toPem()).der).toEqual(whole)
    expect(() => CertificateRequest.parse(concat(whole, Uint8Array.of(0)))).toThrow(code('ERR_CSR_TOO_LARGE'))
  })

  it('is not PEM of more than 64 KiB', () => {
    for (const read of [CertificateRequest.fromPem, CertificateRequest.from])
      expect(() => read(' '.repeat(100_000))).toThrow(code('ERR_CSR_TOO_LARGE'))
    expect(
      CertificateRequest.parse(
        requestDer({ attributes: [attribute('1.2.3.4', octetString(new Uint8Array(63 * 1024)))] }),
      ).toPem(),
    ).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n/)
  })

  it.each<readonly [string, Parts, (request: CertificateRequest) => unknown, string]>([
    ['subject', { subject: brokenName }, ({ subject }) => subject.rdns, 'ERR_NAME_INVALID'],
    [
      'key',
      {
        spki: sequence(
          sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
          bitString(Uint8Array.of(4)),
        ),
      },
      ({ publicKey }) => publicKey.keyObject(),
      'ERR_KEY_MALFORMED',
    ],
    [
      'extension that is asked for',
      {
        attributes: [
          asksFor(
            encodeExtension({ oid: oids.basicConstraints, critical: true, value: sequence(boolean(false)) }),
            san,
          ),
        ],
      },
      ({ basicConstraints }) => basicConstraints,
      'ERR_DER',
    ],
  ])('a broken %s throws when it is read', (_what, parts, read, wanted) => {
    const request = CertificateRequest.parse(requestDer(parts))
    expect(() => read(request)).toThrow(code(wanted))
    expect(() => {
      request.checkAll()
    }).toThrow(code(wanted))
    expect(request.keyUsage).toBeUndefined()
  })
})

describe('the proof of possession', () => {
  it('is only what verify gave', () => {
    const request = CertificateRequest.parse(requestDer())
    const proven = request.verify()
    expect(proven.publicKey).toBe(request.publicKey)
    expect(isProvenRequest(proven)).toBe(true)
    for (const forged of [
      { request, publicKey: request.publicKey },
      Object.create(proven) as unknown,
      { ...proven },
      request,
      null,
      undefined,
      'proven',
    ])
      expect(isProvenRequest(forged)).toBe(false)
  })

  it.each<readonly [string, () => Uint8Array | Promise<Uint8Array>, string]>([
    [
      'another key',
      async () => requestDer({ spki: (await SoftwareSigner.generate('P-256')).publicKey.spki }),
      'ERR_CSR_SIGNATURE',
    ],
    [
      'a key that is not on its curve',
      () => requestDer({ spki: Uint8Array.from(spki).fill(1, spki.length - 8) }),
      'ERR_KEY_MALFORMED',
    ],
    [
      'a key that is not supported',
      () =>
        requestDer({
          spki: sequence(
            sequence(oid('1.2.840.10045.2.1'), oid('1.3.132.0.33')),
            bitString(concat(Uint8Array.of(4), new Uint8Array(56))),
          ),
        }),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'an algorithm that is not known',
      () => requestDer({ algorithm: sequence(oid('1.2.3.4')) }),
      'ERR_ALGORITHM_UNSUPPORTED',
    ],
    [
      'an algorithm of another kind of key',
      () => requestDer({ algorithm: sequence(oid('1.3.101.112')) }),
      'ERR_CSR_SIGNATURE',
    ],
  ])('fails with %s', async (_what, make, wanted) => {
    const request = CertificateRequest.parse(await make())
    expect(() => request.verify()).toThrow(code(wanted))
  })
})

describe('a proof of possession that does not verify', () => {
  it('names the algorithm of another key', () => {
    const request = CertificateRequest.parse(requestDer({ algorithm: sequence(oid('1.3.101.112')) }))
    expect(() => request.verify()).toThrow(/signed with Ed25519, but its own key is P-256/)
  })

  it.each([
    [64, /not an ECDSA-Sig-Value \(RFC 3279 2\.2\.3\); it may be r \|\| s/],
    [63, /not an ECDSA-Sig-Value \(RFC 3279 2\.2\.3\)$/],
  ] as const)('names a signature of %i octets as one of another form', (octets, message) => {
    const { info } = CertificateRequest.parse(requestDer())
    const der = sequence(info, algorithm, bitString(new Uint8Array(octets).fill(7)))
    expect(() => CertificateRequest.parse(der).verify()).toThrow(message)
  })
})

describe('built', () => {
  it('and read back', async () => {
    const extensions = {
      subjectAltName: [generalName.uri('spiffe://td.example/a')],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [keyPurposeOids.clientAuth],
      basicConstraints: { ca: false },
    } as const
    const request = await buildCertificateRequest(
      { subject: DistinguishedName.parse('CN=a'), extensions },
      signer,
    )
    expect(request.subject.toString()).toBe('CN=a')
    expect(request.attributes).toEqual([extensionRequest])
    expect(request.subjectAltName).toEqual(extensions.subjectAltName)
    expect(request.keyUsage?.names).toEqual(['digitalSignature'])
    expect(request.extendedKeyUsage).toEqual([keyPurposeOids.clientAuth])
    expect(request.basicConstraints).toEqual({ ca: false })
    expect(request.publicKey.equals(signer.publicKey)).toBe(true)
    expect(isProvenRequest(request.verify())).toBe(true)
  })

  it('with nothing asked for has attributes, and none in them', async () => {
    const request = await buildCertificateRequest({}, signer)
    expect(hex(request.info).endsWith('a000')).toBe(true)
    expect([request.subject.isEmpty, request.attributes.length, request.extensions.length]).toEqual([
      true,
      0,
      0,
    ])
  })

  it('not with a name that cannot be', async () => {
    await expect(buildCertificateRequest({ extensions: { subjectAltName: [] } }, signer)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    await expect(
      buildCertificateRequest({ extensions: { subjectAltName: [generalName.uri('a b')] } }, signer),
    ).rejects.toThrow(code('ERR_NAME_INVALID'))
  })
})
