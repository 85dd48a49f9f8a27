// OCSP requests and responses as bytes: what is read, and what is refused with which code.

import { describe, expect, it } from 'vitest'
import {
  boolean,
  element,
  encodeGeneralizedTime,
  encodeTime,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildOcspResponse,
  generalName,
} from '../../../src/x509/index.ts'
import { BasicOcspResponse, encodeGeneralName, encodeExtension } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'

const signer = await SoftwareSigner.generate('P-256')
const issuer = { subject: DistinguishedName.parse('CN=issuer'), publicKey: signer.publicKey }
const certificate = { serialNumberBytes: Uint8Array.of(0x12, 0x34) }
const id = OcspCertificateId.of(certificate, issuer)
const nothing = new Uint8Array(0)
const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  encodeExtension({ oid: type, critical, value })
const nonceOid = '1.3.6.1.5.5.7.48.1.2'
const some = extension('1.2.3.4', nullElement())
const must = extension('1.2.3.4', nullElement(), true)

describe('a certificate identifier', () => {
  it('is of one certificate of one issuer', () => {
    const another = { subject: DistinguishedName.parse('CN=another'), publicKey: issuer.publicKey }
    for (const hash of ['sha1', 'sha256'] as const) {
      const made = OcspCertificateId.parse(OcspCertificateId.of(certificate, issuer, hash).der)
      expect(made.hash).toBe(hash)
      expect(made.identifies(certificate, issuer)).toBe(true)
      expect(made.identifies(certificate, another)).toBe(false)
      expect(made.identifies({ serialNumberBytes: Uint8Array.of(0x12, 0x35) }, issuer)).toBe(false)
    }
  })

  it('by another hash identifies nothing', () => {
    const made = OcspCertificateId.parse(
      sequence(
        sequence(oid('2.16.840.1.101.3.4.2.4')),
        octetString(new Uint8Array(28)),
        octetString(new Uint8Array(28)),
        integer(1),
      ),
    )
    expect(made.hash).toBeUndefined()
    expect(made.identifies({ serialNumberBytes: Uint8Array.of(1) }, issuer)).toBe(false)
  })

  it.each([
    [
      'a serial number that is padded',
      sequence(
        sequence(oid('1.3.14.3.2.26')),
        octetString(nothing),
        octetString(nothing),
        element(2, Uint8Array.of(0, 1)),
      ),
    ],
    [
      'more than belongs there',
      sequence(
        sequence(oid('1.3.14.3.2.26')),
        octetString(nothing),
        octetString(nothing),
        integer(1),
        nullElement(),
      ),
    ],
  ])('refuses %s', (_, der) => {
    expect(() => OcspCertificateId.parse(der)).toThrow(code('ERR_DER'))
  })
})

describe('a request', () => {
  const request = (
    parts: {
      before?: readonly Uint8Array[]
      list?: readonly Uint8Array[]
      extensions?: readonly Uint8Array[]
      after?: readonly Uint8Array[]
      outside?: readonly Uint8Array[]
    } = {},
  ): Uint8Array =>
    sequence(
      sequence(
        ...(parts.before ?? []),
        sequence(...(parts.list ?? [sequence(id.der)])),
        ...(parts.extensions === undefined ? [] : [explicit(2, sequence(...parts.extensions))]),
        ...(parts.after ?? []),
      ),
      ...(parts.outside ?? []),
    )

  it.each([
    ['a plain one', {}],
    [
      'a name of the requestor',
      { before: [explicit(1, encodeGeneralName(generalName.dns('client.example')))] },
    ],
    ['a signature, which is not looked at', { outside: [explicit(0, sequence(nullElement()))] }],
    [
      'extensions that are not known',
      { extensions: [some], list: [sequence(id.der, explicit(0, sequence(some)))] },
    ],
    [
      'nonces of 1 and 128 octets',
      { extensions: [extension(nonceOid, octetString(Buffer.alloc(128, 1)), true)] },
    ],
  ])('is read with %s', (_, parts) => {
    expect(OcspRequest.parse(request(parts)).certificateIds[0]!.identifies(certificate, issuer)).toBe(true)
  })

  it.each([
    ['for no certificate', request({ list: [] }), 'ERR_OCSP_MALFORMED'],
    ['of version 2', request({ before: [explicit(0, integer(1))] }), 'ERR_OCSP_MALFORMED'],
    ['that says version 1', request({ before: [explicit(0, integer(0))] }), 'ERR_OCSP_MALFORMED'],
    ['with a critical extension', request({ extensions: [must] }), 'ERR_OCSP_MALFORMED'],
    [
      'with a critical extension for one certificate',
      request({ list: [sequence(id.der, explicit(0, sequence(must)))] }),
      'ERR_OCSP_MALFORMED',
    ],
    ['with an extension twice', request({ extensions: [some, some] }), 'ERR_EXTENSION_DUPLICATE'],
    ['with a list of no extensions', request({ extensions: [] }), 'ERR_DER'],
    [
      'with an empty nonce',
      request({ extensions: [extension(nonceOid, octetString(nothing))] }),
      'ERR_OCSP_MALFORMED',
    ],
    [
      'with a nonce of 129 octets',
      request({ extensions: [extension(nonceOid, octetString(new Uint8Array(129)))] }),
      'ERR_OCSP_MALFORMED',
    ],
    [
      'with bare octets as nonce',
      request({ extensions: [extension(nonceOid, Buffer.alloc(16, 1))] }),
      'ERR_DER',
    ],
    [
      'with two names of the requestor',
      request({
        before: [
          explicit(1, encodeGeneralName(generalName.dns('a')), encodeGeneralName(generalName.dns('b'))),
        ],
      }),
      'ERR_DER',
    ],
    [
      'with two signatures',
      request({ outside: [explicit(0, sequence(nullElement()), nullElement())] }),
      'ERR_DER',
    ],
    ['with more inside', request({ after: [nullElement()] }), 'ERR_DER'],
    ['with more behind', Buffer.concat([request(), Uint8Array.of(0)]), 'ERR_DER'],
    [
      'for 257 certificates',
      request({ list: Array.from({ length: 257 }, () => sequence(id.der)) }),
      'ERR_LIMIT_EXCEEDED',
    ],
    ['above 64 KiB', new Uint8Array(64 * 1024 + 1), 'ERR_LIMIT_EXCEEDED'],
  ])('is refused %s', (_, der, wanted) => {
    expect(() => OcspRequest.parse(der)).toThrow(code(wanted))
  })
})

describe('a response is not built', () => {
  const single = { certificateId: id, certificateStatus: { status: 'good' }, thisUpdate: new Date(0) }
  it.each<readonly [string, object]>([
    // "Good" would be signed as "unknown", and so would "Revoked".
    ['with a status that is none', { certificateStatus: { status: 'Revoked', revokedAt: new Date(0) } }],
    ['without a status', { certificateStatus: undefined }],
    ['with a misspelt nextUpdate', { nextUpdat: new Date(1e12) }],
    ['without thisUpdate', { thisUpdate: undefined }],
  ])('%s', async (_what, given) => {
    const responses = [{ ...single, ...given }] as Parameters<typeof buildOcspResponse>[0]['responses']
    await expect(buildOcspResponse({ producedAt: new Date(0), responses }, signer)).rejects.toEqual(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('a response', () => {
  const time = encodeGeneralizedTime(Date.parse('2026-06-01T00:00:00Z'))
  const good = element(0x80)
  const single = (...rest: readonly Uint8Array[]): Uint8Array =>
    sequence(id.der, ...(rest.length === 0 ? [good, time] : rest))
  const byKey = explicit(2, octetString(new Uint8Array(20)))
  interface Parts {
    before?: readonly Uint8Array[]
    responder?: Uint8Array
    produced?: Uint8Array
    singles?: readonly Uint8Array[]
    extensions?: readonly Uint8Array[]
    after?: readonly Uint8Array[]
    outside?: readonly Uint8Array[]
    signature?: Uint8Array
  }
  const basic = (parts: Parts = {}): Uint8Array =>
    sequence(
      sequence(
        ...(parts.before ?? []),
        parts.responder ?? byKey,
        parts.produced ?? time,
        sequence(...(parts.singles ?? [single()])),
        ...(parts.extensions === undefined ? [] : [explicit(1, sequence(...parts.extensions))]),
        ...(parts.after ?? []),
      ),
      sequence(oid('1.2.840.10045.4.3.2')),
      parts.signature ?? element(3, Uint8Array.of(0, 1)),
      ...(parts.outside ?? []),
    )
  const certificates = (count: number): Uint8Array =>
    explicit(0, sequence(...Array.from({ length: count }, () => sequence(nullElement()))))

  it.each([
    ['by key', {}],
    ['by name', { responder: explicit(1, issuer.subject.der) }],
    ['with certificates, which are not looked at', { outside: [certificates(16)] }],
    [
      'with extensions',
      {
        extensions: [some, extension(nonceOid, octetString(Uint8Array.of(1)))],
        singles: [single(good, time, explicit(1, sequence(some)))],
      },
    ],
    ['about 1,024 certificates', { singles: Array.from({ length: 1024 }, () => single()) }],
  ])('is read %s', (_, parts) => {
    const { responses } = BasicOcspResponse.parse(basic(parts))
    expect(responses[0]).toMatchObject({ certificateStatus: { status: 'good' }, nextUpdate: undefined })
  })

  it.each([
    ['unspecified, where no reason is given', element(0xa1, time), 'unspecified'],
    [
      'of a stated reason',
      element(0xa1, time, explicit(0, element(10, Uint8Array.of(6)))),
      'certificateHold',
    ],
  ])('says revoked, %s', (_, status, reason) => {
    expect(
      BasicOcspResponse.parse(basic({ singles: [single(status, time)] })).responses[0]!.certificateStatus,
    ).toEqual({ status: 'revoked', revokedAt: new Date('2026-06-01T00:00:00Z'), reason })
  })

  it.each([
    ['of version 2', { before: [explicit(0, integer(1))] }, 'ERR_OCSP_MALFORMED'],
    ['that says version 1', { before: [explicit(0, integer(0))] }, 'ERR_OCSP_MALFORMED'],
    ['of a responder of no kind', { responder: explicit(3, octetString(nothing)) }, 'ERR_OCSP_MALFORMED'],
    [
      'of a key hash of 32 octets',
      { responder: explicit(2, octetString(new Uint8Array(32))) },
      'ERR_OCSP_MALFORMED',
    ],
    ['of a name and more', { responder: explicit(1, issuer.subject.der, nullElement()) }, 'ERR_DER'],
    ['produced at a UTCTime', { produced: encodeTime(Date.parse('2026-06-01T00:00:00Z')) }, 'ERR_DER'],
    [
      'produced at a fraction of a second',
      { produced: element(24, Buffer.from('20260601000000.5Z')) },
      'ERR_TIME_INVALID',
    ],
    ['about no certificate', { singles: [] }, 'ERR_OCSP_MALFORMED'],
    [
      'about 1,025 certificates',
      { singles: Array.from({ length: 1025 }, () => single()) },
      'ERR_LIMIT_EXCEEDED',
    ],
    ['of a status of no kind', { singles: [single(element(0x83), time)] }, 'ERR_OCSP_MALFORMED'],
    [
      'of a status good with content',
      { singles: [single(element(0x80, Uint8Array.of(1)), time)] },
      'ERR_DER',
    ],
    ['without thisUpdate', { singles: [single(good)] }, 'ERR_DER'],
    ['with two times as nextUpdate', { singles: [single(good, time, explicit(0, time, time))] }, 'ERR_DER'],
    ['with more in an answer', { singles: [single(good, time, nullElement())] }, 'ERR_DER'],
    ['with an extension twice', { extensions: [some, some] }, 'ERR_EXTENSION_DUPLICATE'],
    [
      'with critical FALSE',
      { extensions: [sequence(oid('1.2.3.4'), boolean(false), octetString(nothing))] },
      'ERR_DER',
    ],
    [
      'with a nonce of 129 octets',
      { extensions: [extension(nonceOid, octetString(new Uint8Array(129)))] },
      'ERR_OCSP_MALFORMED',
    ],
    ['with bare octets as nonce', { extensions: [extension(nonceOid, Buffer.alloc(16, 1))] }, 'ERR_DER'],
    ['with 17 certificates', { outside: [certificates(17)] }, 'ERR_LIMIT_EXCEEDED'],
    ['with a signature of half an octet', { signature: element(3, Uint8Array.of(4, 0x10)) }, 'ERR_DER'],
    ['with more in the signed bytes', { after: [nullElement()] }, 'ERR_DER'],
    ['with more behind', { outside: [certificates(1), nullElement()] }, 'ERR_DER'],
  ] as const)('is refused %s', (_, parts, wanted) => {
    expect(() => BasicOcspResponse.parse(basic(parts))).toThrow(code(wanted))
  })

  it.each([
    ['a reason of no kind', element(0xa1, time, explicit(0, element(10, Uint8Array.of(7))))],
    ['two reasons', element(0xa1, time, explicit(0, element(10, Uint8Array.of(1))), nullElement())],
    ['a date with a fraction', element(0xa1, element(24, Buffer.from('20260601000000.5Z')))],
    ['no date', element(0xa1)],
  ])('of "revoked" with %s says "revoked"', (_what, status) => {
    const [answer] = BasicOcspResponse.parse(basic({ singles: [single(status, time)] })).responses
    expect(answer?.certificateStatus).toMatchObject({ status: 'revoked', reason: 'unspecified' })
  })

  it('that is too large is refused', () => {
    expect(() => BasicOcspResponse.parse(new Uint8Array(256 * 1024 + 1))).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it('with a refusal and an answer is neither', () => {
    const bytes = explicit(0, sequence(oid('1.3.6.1.5.5.7.48.1.1'), octetString(basic())))
    expect(OcspResponse.parse(sequence(element(10, Uint8Array.of(0)), bytes)).answer?.responses).toHaveLength(
      1,
    )
    expect(() => OcspResponse.parse(sequence(element(10, Uint8Array.of(3)), bytes))).toThrow(
      code('ERR_OCSP_MALFORMED'),
    )
  })

  it('is of the responder that it names, by name or key', async () => {
    const stranger = {
      subject: DistinguishedName.parse('CN=stranger'),
      publicKey: (await SoftwareSigner.generate('P-256')).publicKey,
    }
    const byName = BasicOcspResponse.parse(basic({ responder: explicit(1, issuer.subject.der) }))
    expect([byName.isBy(issuer), byName.isBy(stranger)]).toEqual([true, false])
    const { answer } = await buildOcspResponse(
      {
        producedAt: new Date(0),
        responses: [{ certificateId: id, certificateStatus: { status: 'good' }, thisUpdate: new Date(0) }],
      },
      signer,
    )
    expect([answer!.isBy(issuer), answer!.isBy(stranger)]).toEqual([true, false])
    expect([
      answer!.verifySignatureBy(issuer.publicKey),
      answer!.verifySignatureBy(stranger.publicKey),
    ]).toEqual([true, false])
  })
})
