// OCSP responses that the reader refuses, with a signature of the issuer: what can be read of them accuses,
// and nothing clears (RFC 6960 §4.2.1).

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  encodeGeneralizedTime,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  readWhole,
  sequence,
  tags,
} from '../../../../src/der/index.ts'
import { createOcspChecker } from '../../../../src/validation/index.ts'
import { OcspCertificateId, OcspResponse } from '../../../../src/x509/index.ts'
import type { Signer } from '../../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../../src/x509/internal.ts'
import { at, judge, makeChain, newSigner } from '../test-pki.ts'

const chain = await makeChain()
const { ca, leaf } = chain
const [accused, unknown] = [
  ['ERR_REVOKED', 'ERR_REVOKED'],
  ['good', 'ERR_REVOCATION_UNKNOWN'],
]

type Parts = readonly Uint8Array[]
const concat = (...parts: Parts): Uint8Array => Buffer.concat(parts)
const general = (value: string): Uint8Array => element(0x18, Buffer.from(value))
const utc = (value: string): Uint8Array => element(0x17, Buffer.from(value))
const extension = (type: string, value: Uint8Array): Uint8Array => sequence(oid(type), octetString(value))
const critical = sequence(oid('1.2.3.4'), boolean(true), octetString(nullElement()))
const cutOff = Uint8Array.of(0x30, 9, 6)

/** The parts of a response, each of which a test may replace. */
interface Response {
  readonly status?: 'good' | 'revoked' | 'hold'
  readonly producedAt?: Parts
  readonly thisUpdate?: Uint8Array
  readonly nextUpdate?: Parts
  /** The parts of the CertID, changed. */
  readonly idOf?: (parts: Parts) => Parts
  /** After nextUpdate. */
  readonly afterSingle?: Parts
  readonly beside?: Parts
  /** After the single responses. */
  readonly afterResponses?: Parts
  readonly afterSignature?: Parts
  readonly afterBytes?: Parts
  readonly envelope?: number
  readonly after?: Uint8Array
  readonly by?: Signer
}

function elementsOf(der: Uint8Array): Parts {
  const reader = readWhole(der, tags.sequence, 'CertID')
  const parts: Uint8Array[] = []
  while (!reader.done) {
    reader.next()
    parts.push(reader.element())
  }
  return parts
}

const padded = (octets: number): Uint8Array =>
  element(tags.integer, concat(new Uint8Array(octets), leaf.serialNumberBytes))

function certificateIdWith({ idOf }: Response): Uint8Array {
  const { der } = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey })
  return idOf === undefined ? der : sequence(...idOf(elementsOf(der)))
}

async function responseWith(given: Response): Promise<Uint8Array> {
  const { status = 'revoked', by = ca.signer, nextUpdate } = given
  const keyHash = createHash('sha1').update(ca.signer.publicKey.subjectPublicKey).digest()
  const revokedAt = encodeGeneralizedTime(at(-2).getTime())
  const hold = status === 'hold' ? [explicit(0, element(10, Uint8Array.of(6)))] : []
  const tbs = sequence(
    explicit(2, octetString(keyHash)),
    ...(given.producedAt ?? [encodeGeneralizedTime(at(-1).getTime())]),
    sequence(
      sequence(
        certificateIdWith(given),
        status === 'good' ? element(0x80) : element(0xa1, concat(revokedAt, ...hold)),
        given.thisUpdate ?? encodeGeneralizedTime(at(-1).getTime()),
        ...(nextUpdate ?? [explicit(0, encodeGeneralizedTime(at(1).getTime()))]),
        ...(given.afterSingle ?? []),
      ),
      ...(given.beside ?? []),
    ),
    ...(given.afterResponses ?? []),
  )
  const algorithm = signatureAlgorithms[by.signatureAlgorithm].identifier
  const basic = sequence(tbs, algorithm, bitString(await by.sign(tbs)), ...(given.afterSignature ?? []))
  const type = oid('1.3.6.1.5.5.7.48.1.1')
  const bytes = explicit(0, sequence(type, octetString(basic), ...(given.afterBytes ?? [])))
  const envelope = sequence(element(10, Uint8Array.of(given.envelope ?? 0)), bytes)
  return concat(envelope, given.after ?? new Uint8Array(0))
}

/** What soft-fail and hard-fail say. */
async function judged(given: Response): Promise<string[]> {
  const response = await responseWith(given)
  return (['soft-fail', 'hard-fail'] as const).map((mode) =>
    judge(chain, createOcspChecker({ responses: [response], mode, scope: 'leaf' }), leaf),
  )
}

const odd: Readonly<Record<string, Response>> = {
  'octets after it': { after: Uint8Array.of(0, 0) },
  'another status outside the signed octets': { envelope: 3 },
  'an element after the type and the octets': { afterBytes: [nullElement()] },
  'an element after the signature': { afterSignature: [nullElement()] },
  'certificates that are cut off': { afterSignature: [explicit(0, sequence(cutOff))] },
  'certificates of another type': { afterSignature: [explicit(0, integer(1))] },
  'more than 16 certificates': {
    afterSignature: [explicit(0, sequence(...Array.from({ length: 17 }, () => sequence(integer(1)))))],
  },
  'an element after the extensions': { afterResponses: [nullElement()] },
  'octets that are no element after the responses': { afterResponses: [cutOff] },
  'extensions of another type': { afterResponses: [explicit(1, integer(1))] },
  'an extension that is cut off': { afterResponses: [explicit(1, sequence(cutOff))] },
  'an extension without a value': { afterResponses: [explicit(1, sequence(sequence(oid('1.2.3'))))] },
  'an extension twice': {
    afterResponses: [
      explicit(1, sequence(extension('1.2.3', nullElement()), extension('1.2.3', nullElement()))),
    ],
  },
  'a padded serial number': { idOf: (parts) => parts.with(3, padded(1)) },
  'a serial number that is padded with 200 octets': { idOf: (parts) => parts.with(3, padded(200)) },
  'an element at the end of its CertID': { idOf: (parts) => [...parts, nullElement()] },
  'an element at the end of its single response': { afterSingle: [nullElement()] },
  'octets that are no element at the end of its single response': { afterSingle: [cutOff] },
  'single extensions of another type': { afterSingle: [explicit(1, integer(1))] },
  'a single extension that is cut off': { afterSingle: [explicit(1, sequence(cutOff))] },
  'octets that are no element beside its single response': { beside: [cutOff] },
  'more than 1,024 single responses': { beside: Array.from({ length: 1024 }, () => sequence(integer(1))) },
  'a producedAt in UTCTime': { producedAt: [utc('260531230000Z')] },
  'a producedAt that is no date': { producedAt: [nullElement()] },
  'no producedAt': { producedAt: [] },
  'a thisUpdate in UTCTime': { thisUpdate: utc('260531230000Z') },
  'a thisUpdate with a fraction': { thisUpdate: general('20260531230000.5Z') },
  'a thisUpdate with an offset': { thisUpdate: general('20260601003000+0100') },
  'a nextUpdate in UTCTime': { nextUpdate: [explicit(0, utc('260602000000Z'))] },
  'a nextUpdate with an offset': { nextUpdate: [explicit(0, general('20260601003000-0100'))] },
  'a nextUpdate without seconds': { nextUpdate: [explicit(0, general('202606020000Z'))] },
}

/** With these, the response is not known to be current. */
const uncertain: Readonly<Record<string, Response>> = {
  'that has passed': { nextUpdate: [explicit(0, general('20260601003000+0100'))] },
  'that is no date': { nextUpdate: [explicit(0, nullElement())] },
  'in local time': { nextUpdate: [explicit(0, general('20260602000000'))] },
  'of two dates': {
    nextUpdate: [explicit(0, concat(general('20260602000000Z'), general('20260602000000Z')))],
  },
  'that is given twice': {
    nextUpdate: [1, 2].map((hour) => explicit(0, encodeGeneralizedTime(at(hour).getTime()))),
  },
  'without its tag': { nextUpdate: [general('20260602000000Z')] },
  'that is cut off': { nextUpdate: [Uint8Array.of(0xa0, 17, 0x18)] },
}

describe('a signed response that the reader refuses', () => {
  it.each(Object.entries(odd))('with %s accuses, and clears nobody', async (_what, given) => {
    const octets = await responseWith(given)
    expect(() => OcspResponse.parse(octets)).toThrow()
    expect(await judged(given)).toEqual(accused)
    expect(await judged({ ...given, status: 'hold' })).toEqual(accused)
    expect(await judged({ ...given, status: 'good' })).toEqual(unknown)
  })

  it.each(Object.entries(uncertain))('with a nextUpdate %s shows what is permanent', async (_what, given) => {
    expect(await judged(given)).toEqual(accused)
    expect(await judged({ ...given, status: 'hold' })).toEqual(unknown)
    expect(await judged({ ...given, status: 'good' })).toEqual(unknown)
  })

  it.each<readonly [string, Response]>([
    ['a thisUpdate that is no date', { thisUpdate: nullElement() }],
    ['a thisUpdate in local time', { thisUpdate: general('20260531230000') }],
    ['a thisUpdate of the future', { thisUpdate: utc('260602000000Z') }],
    ['a producedAt of the future', { producedAt: [utc('260602000000Z')] }],
    ['an unknown critical extension', { afterResponses: [explicit(1, sequence(critical, cutOff))] }],
    [
      'an unknown critical extension of a single response',
      { afterSingle: [explicit(1, sequence(critical, cutOff))] },
    ],
    ['a signature of another key', { by: newSigner(), after: Uint8Array.of(0) }],
  ])('with %s accuses nobody', async (_what, given) => {
    expect(await judged(given)).toEqual(unknown)
  })
})
