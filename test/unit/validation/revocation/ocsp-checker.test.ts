// What an answer of OCSP says of a certificate, and what a checker makes of it: RFC 6960.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { element, sequence } from '../../../../src/der/index.ts'
import {
  combineRevocationCheckers,
  createCrlChecker,
  createOcspChecker,
  verifyPath,
} from '../../../../src/validation/index.ts'
import type { RevocationChecker } from '../../../../src/validation/index.ts'
import type { OcspCheckerOptions } from '../../../../src/validation/revocation/index.ts'
import {
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  keyPurposeOids,
} from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../../src/x509/internal.ts'
import type { OcspResponseFields } from '../../../../src/x509/ocsp/ocsp-response-builder.ts'
import type { OcspCertificateStatus } from '../../../../src/x509/ocsp/ocsp-single-response.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import { code } from '../../../support/codes.ts'
import {
  at,
  judge,
  makeAnswer,
  makeChain,
  makeLeaf,
  makeList,
  makeResponder,
  newSigner,
  respond as respondWith,
  time,
} from '../test-pki.ts'
import type { Changes, OcspAnswer } from '../test-pki.ts'

const { root, ca } = await makeChain()
const issuer = { subject: ca.name, publicKey: ca.signer.publicKey }
const leaf = await makeLeaf(ca, { subject: DistinguishedName.parse('CN=leaf') })
const chain = { root, ca, leaf }

const responderSigner = newSigner()
const responder = (
  extensions: ExtensionFields = {},
  changes: Changes = {},
  by: Parameters<typeof makeResponder>[0] = ca,
): Promise<Certificate> => makeResponder(by, { signer: responderSigner, ...changes, extensions })
/** Without an authority key identifier (RFC 5280 §4.2.1.1): it accuses, and clears nothing. */
const odd = (extensions: ExtensionFields = {}, changes: Changes = {}): Promise<Certificate> =>
  responder({ authorityKeyIdentifier: undefined, ...extensions }, changes)
/** One whose own status is asked for. */
const checked = (changes: Changes = {}): Promise<Certificate> => responder({ other: [] }, changes)
const signatureAt = (der: Uint8Array): number =>
  Buffer.from(der).indexOf(OcspResponse.parse(der).answer!.signature) + 20

const good: OcspCertificateStatus = { status: 'good' }
const revoked: OcspCertificateStatus = { status: 'revoked', revokedAt: at(-0.5), reason: 'keyCompromise' }
const single = (changes: Partial<OcspAnswer> = {}): OcspAnswer => makeAnswer(ca, leaf, changes)
const respond = (
  changes: Partial<OcspAnswer> = {},
  fields: Partial<OcspResponseFields> = {},
  signer = ca.signer,
): Promise<OcspResponse> => respondWith([single(changes)], signer, fields)
const verdict = (revocation: RevocationChecker): string => judge(chain, revocation)

async function outcome(
  response: OcspResponse | Uint8Array | Promise<OcspResponse>,
  options: Partial<OcspCheckerOptions> = {},
): Promise<string> {
  return verdict(
    createOcspChecker({ responses: [await response], mode: 'hard-fail', scope: 'leaf', ...options }),
  )
}

describe('OCSP checks', () => {
  const other = { subject: root.name, publicKey: root.signer.publicKey }
  it.each([
    { what: 'a good answer of the issuer', response: () => respond(), wanted: 'good' },
    {
      what: 'one identified by SHA-256',
      response: () => respond({ certificateId: OcspCertificateId.of(leaf, issuer, 'sha256') }),
      wanted: 'good',
    },
    { what: 'revoked', response: () => respond({ certificateStatus: revoked }), wanted: 'ERR_REVOKED' },
    {
      what: 'revoked for no stated reason',
      response: () => respond({ certificateStatus: { ...revoked, reason: 'unspecified' } }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'a responder that does not know it',
      response: () => respond({ certificateStatus: { status: 'unknown' } }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'another certificate',
      response: () => respond({ certificateId: OcspCertificateId.of(ca.certificate, issuer) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'another issuer',
      response: () => respond({ certificateId: OcspCertificateId.of(leaf, other) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'the right name and another key',
      response: () =>
        respond({
          certificateId: OcspCertificateId.of(leaf, { subject: ca.name, publicKey: root.signer.publicKey }),
        }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a signature of somebody else',
      response: () => respond({}, {}, root.signer),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'past its next update',
      response: () => respond({ thisUpdate: at(-3), nextUpdate: at(-2) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'revoked, past its next update',
      response: () => respond({ certificateStatus: revoked, thisUpdate: at(-3), nextUpdate: at(-2) }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'revoked, past its next update, when little is asked',
      response: () => respond({ certificateStatus: revoked, thisUpdate: at(-3), nextUpdate: at(-2) }),
      options: { mode: 'soft-fail' as const },
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'revoked, older than is taken',
      response: () => respond({ certificateStatus: revoked }),
      options: { maxAgeSeconds: 1800 },
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'revoked, without an end',
      response: () => respond({ certificateStatus: revoked, nextUpdate: undefined }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'on hold, past its next update',
      response: () =>
        respond({
          certificateStatus: { ...revoked, reason: 'certificateHold' },
          thisUpdate: at(-3),
          nextUpdate: at(-2),
        }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'revoked in the future',
      response: () => respond({ certificateStatus: revoked, thisUpdate: at(0.5), nextUpdate: at(2) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'revoked long ago, by somebody else',
      response: () =>
        respond({ certificateStatus: revoked, thisUpdate: at(-3), nextUpdate: at(-2) }, {}, root.signer),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'revoked long ago and good today',
      response: () =>
        respond(
          {},
          {
            responses: [
              single({ certificateStatus: revoked, thisUpdate: at(-3), nextUpdate: at(-2) }),
              single(),
            ],
          },
        ),
      wanted: 'good',
    },
    {
      what: 'good first and revoked later, for a shorter time',
      response: () =>
        respond(
          {},
          {
            responses: [
              single({ thisUpdate: at(-3) }),
              single({ certificateStatus: revoked, thisUpdate: at(-2), nextUpdate: at(-1) }),
            ],
          },
        ),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'good first, revoked later for a shorter time, and good again',
      response: () =>
        respond(
          {},
          {
            responses: [
              single({ thisUpdate: at(-3) }),
              single({ certificateStatus: revoked, thisUpdate: at(-2), nextUpdate: at(-1) }),
              single(),
            ],
          },
        ),
      wanted: 'good',
    },
    {
      what: 'good first and on hold later, for a shorter time',
      response: () =>
        respond(
          {},
          {
            responses: [
              single({ thisUpdate: at(-3) }),
              single({
                certificateStatus: { ...revoked, reason: 'certificateHold' },
                thisUpdate: at(-2),
                nextUpdate: at(-1),
              }),
            ],
          },
        ),
      wanted: 'good',
    },
    {
      what: 'good long ago and revoked long ago',
      response: () =>
        respond(
          {},
          {
            responses: [
              single({ thisUpdate: at(-3), nextUpdate: at(-2) }),
              single({ certificateStatus: revoked, thisUpdate: at(-3), nextUpdate: at(-2) }),
            ],
          },
        ),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'from the future',
      response: () => respond({ thisUpdate: at(0.5), nextUpdate: at(2) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'made in the future',
      response: () => respond({}, { producedAt: at(0.5) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a little ahead of our clock',
      response: () => respond({ thisUpdate: at(0.01), nextUpdate: at(2) }),
      wanted: 'good',
    },
    {
      what: 'without an end',
      response: () => respond({ nextUpdate: undefined }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'without an end, of an age that is taken',
      response: () => respond({ nextUpdate: undefined }),
      options: { maxAgeSeconds: 7200 },
      wanted: 'good',
    },
    {
      what: 'older than is taken',
      response: () => respond(),
      options: { maxAgeSeconds: 1800 },
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'the nonce of the request',
      response: () => respond({}, { nonce: Buffer.alloc(32, 1) }),
      options: { nonce: Buffer.alloc(32, 1) },
      wanted: 'good',
    },
    {
      what: 'no nonce',
      response: () => respond(),
      options: { nonce: Buffer.alloc(32, 1) },
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'another nonce',
      response: () => respond({}, { nonce: Buffer.alloc(32, 2) }),
      options: { nonce: Buffer.alloc(32, 1) },
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a delegated responder',
      response: async () => respond({}, { certificates: [await responder()] }, responderSigner),
      wanted: 'good',
    },
    {
      what: 'a delegated responder that says revoked',
      response: async () =>
        respond({ certificateStatus: revoked }, { certificates: [await responder()] }, responderSigner),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'a responder whose certificate breaks a rule of the profile',
      response: async () => respond({}, { certificates: [await odd()] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    ...(['hard-fail', 'soft-fail'] as const).map((mode) => ({
      what: `such a responder that says revoked, ${mode}`,
      response: async () =>
        respond({ certificateStatus: revoked }, { certificates: [await odd()] }, responderSigner),
      options: { mode },
      wanted: 'ERR_REVOKED',
    })),
    ...(['hard-fail', 'soft-fail'] as const).map((mode) => ({
      what: `such a responder of unknown status that says revoked, ${mode}`,
      response: async () =>
        respond(
          { certificateStatus: revoked },
          { certificates: [await odd({ other: [] })] },
          responderSigner,
        ),
      options: { mode },
      wanted: 'ERR_REVOKED',
    })),
    ...(
      [
        ['has expired', () => odd({}, { notAfter: at(-0.5) })],
        ['is not valid yet', () => odd({}, { notBefore: at(0.5) })],
        ['has not the purpose', () => odd({ extendedKeyUsage: [keyPurposeOids.serverAuth] })],
        ['has a key for encryption', () => odd({ keyUsage: ['keyEncipherment'] })],
      ] as const
    ).map(([why, certificate]) => ({
      what: `such a responder that ${why} accuses nobody`,
      response: async () =>
        respond({ certificateStatus: revoked }, { certificates: [await certificate()] }, responderSigner),
      options: { mode: 'hard-fail' as const },
      wanted: 'ERR_REVOCATION_UNKNOWN',
    })),
    {
      what: 'a responder without its certificate',
      response: () => respond({}, {}, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder without the purpose',
      response: async () =>
        respond(
          {},
          { certificates: [await responder({ extendedKeyUsage: [keyPurposeOids.serverAuth] })] },
          responderSigner,
        ),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder of any purpose',
      response: async () =>
        respond(
          {},
          { certificates: [await responder({ extendedKeyUsage: [keyPurposeOids.any] })] },
          responderSigner,
        ),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder of no stated purpose',
      response: async () =>
        respond({}, { certificates: [await responder({ extendedKeyUsage: undefined })] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder that expired',
      response: async () =>
        respond({}, { certificates: [await responder({}, { notAfter: at(-0.5) })] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder of another CA',
      response: async () => respond({}, { certificates: [await responder({}, {}, root)] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder that its CA did not sign',
      response: async () =>
        respond(
          {},
          {
            certificates: [
              await responder(
                { authorityKeyIdentifier: ca.signer.publicKey.keyIdentifier },
                {},
                { ...ca, signer: root.signer },
              ),
            ],
          },
          responderSigner,
        ),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder whose key is for encryption',
      response: async () =>
        respond({}, { certificates: [await responder({ keyUsage: ['keyEncipherment'] })] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a responder that may be revoked itself, and nobody says',
      response: async () => respond({}, { certificates: [await checked()] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'two answers, the second of them revoked',
      response: () => respond({}, { responses: [single(), single({ certificateStatus: revoked })] }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'two answers, the first of them too old',
      response: () =>
        respond({}, { responses: [single({ thisUpdate: at(-3), nextUpdate: at(-2) }), single()] }),
      wanted: 'good',
    },
    {
      what: "the leaf's own key",
      response: async () => respond({}, { certificates: [leaf] }, responderSigner),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a signature that was changed',
      response: async () => {
        const { der } = await respond()
        return Uint8Array.from([...der.subarray(0, -1), der.at(-1)! ^ 1])
      },
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    { what: 'a refusal', response: () => OcspResponse.refusal('tryLater'), wanted: 'ERR_REVOCATION_UNKNOWN' },
    {
      what: 'bytes that are no response',
      response: () => Uint8Array.of(0x30, 0),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
  ])('$what: $wanted', async ({ response, options, wanted }) => {
    expect(await outcome(await response(), options)).toBe(wanted)
  })

  it('lets no answer of before the theft clear a certificate that was revoked since', async () => {
    const [before, since] = [
      await respond({ thisUpdate: at(-3) }),
      await respond({ certificateStatus: revoked, thisUpdate: at(-2), nextUpdate: at(-1) }),
    ]
    for (const responses of [
      [before, since],
      [since, before],
    ])
      expect(verdict(createOcspChecker({ responses, mode: 'hard-fail', scope: 'leaf' }))).toBe('ERR_REVOKED')
    const again = [before, since, await respond()]
    for (const responses of [again, again.toReversed()])
      expect(verdict(createOcspChecker({ responses, mode: 'hard-fail', scope: 'leaf' }))).toBe('good')
  })

  it.each<[string, object]>([
    ['a mode that is misspelt', { mode: 'softfail' }],
    ['no mode', { mode: undefined }],
    ['a scope that is misspelt', { scope: 'Leaf' }],
  ])('refuses %s', (_what, options) => {
    expect(() => createOcspChecker({ responses: [], mode: 'hard-fail', ...options })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('refuses a number of sources that is misspelt', () => {
    const source = createOcspChecker({ responses: [], mode: 'soft-fail' })
    expect(() => combineRevocationCheckers([source], { sufficient: 'any' as 'one' })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('lets no responder clear itself, nor two each other', async () => {
    const [own, otherSigner] = [await checked(), newSigner()]
    const second = await checked({ subject: DistinguishedName.parse('CN=second'), signer: otherSigner })
    const about = (certificate: Certificate): OcspAnswer => makeAnswer(ca, certificate)
    expect(
      await outcome(respond({}, { responses: [single(), about(own)], certificates: [own] }, responderSigner)),
    ).toBe('ERR_REVOCATION_UNKNOWN')
    const circle = [
      await respond({}, { responses: [single(), about(second)], certificates: [own] }, responderSigner),
      await respond({}, { responses: [about(own)], certificates: [second] }, otherSigner),
    ]
    expect(verdict(createOcspChecker({ responses: circle, mode: 'hard-fail', scope: 'leaf' }))).toBe(
      'ERR_REVOCATION_UNKNOWN',
    )
    const cleared = [circle[0]!, await respond({}, { responses: [about(own)] })]
    expect(verdict(createOcspChecker({ responses: cleared, mode: 'hard-fail', scope: 'leaf' }))).toBe('good')
    const accused = [
      circle[0]!,
      await respond({}, { responses: [{ ...about(own), certificateStatus: revoked }] }),
    ]
    expect(verdict(createOcspChecker({ responses: accused, mode: 'hard-fail', scope: 'leaf' }))).toBe(
      'ERR_REVOCATION_UNKNOWN',
    )
  })

  it('asks a function for the responses about each certificate', async () => {
    const asked: string[] = []
    const [answer, none] = [await respond(), [] as OcspResponse[]]
    const responses = (certificate: Certificate): readonly OcspResponse[] => {
      asked.push(certificate.subject.toString())
      return certificate.equals(leaf) ? [answer] : none
    }
    expect(verdict(createOcspChecker({ responses, mode: 'hard-fail', scope: 'leaf' }))).toBe('good')
    expect(verdict(createOcspChecker({ responses, mode: 'hard-fail' }))).toBe('ERR_REVOCATION_UNKNOWN')
    expect(asked).toEqual(['CN=leaf', 'CN=ca'])
  })

  it.each([
    { what: 'no response', rule: 'RFC 6960 §3.2 1', response: () => OcspResponse.refusal('tryLater') },
    {
      what: 'a signature of somebody else',
      rule: 'RFC 6960 §4.2.2.2',
      response: () => respond({}, {}, root.signer),
    },
    {
      what: 'a responder that is not what it says',
      rule: 'RFC 6960 §3.2 2',
      response: async () =>
        respond({}, { certificates: [await responder()] }, responderSigner).then(({ der }) =>
          Uint8Array.from(der, (octet, i) => (i === signatureAt(der) ? octet ^ 1 : octet)),
        ),
    },
    {
      what: 'the future',
      rule: 'RFC 6960 §3.2 5',
      response: () => respond({ thisUpdate: at(0.5), nextUpdate: at(2) }),
    },
    {
      what: 'the past',
      rule: 'RFC 6960 §3.2 6',
      response: () => respond({ thisUpdate: at(-3), nextUpdate: at(-2) }),
    },
    { what: 'no end', rule: 'RFC 6960 §4.2.2.1', response: () => respond({ nextUpdate: undefined }) },
    {
      what: 'unknown',
      rule: 'RFC 6960 §2.2',
      response: () => respond({ certificateStatus: { status: 'unknown' } }),
    },
    { what: 'a nonce', rule: 'RFC 9654 §2.1', response: () => respond(), nonce: Buffer.alloc(32, 1) },
  ])('names the clause: $what', async ({ response, rule, nonce }) => {
    const found = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      revocation: createOcspChecker({
        responses: [await response()],
        mode: 'hard-fail',
        scope: 'leaf',
        ...(nonce === undefined ? {} : { nonce }),
      }),
    })
    expect(found.ok ? undefined : found.rejected[0]).toMatchObject({ code: 'ERR_REVOCATION_UNKNOWN', rule })
  })

  it('takes the certificate of a responder that does not send it', async () => {
    expect(await outcome(respond({}, {}, responderSigner), { responders: [await responder()] })).toBe('good')
  })

  it('refuses a response with a critical extension that it does not know', async () => {
    const made = await respond()
    const extension = sequence(
      element(6, Uint8Array.of(0x2a, 3)),
      element(1, Uint8Array.of(0xff)),
      element(4, Uint8Array.of(5, 0)),
    )
    const tbs = sequence(
      made.answer!.tbs.subarray(made.answer!.tbs[1]! < 0x80 ? 2 : 3),
      element(0xa1, sequence(extension)),
    )
    const basic = sequence(
      tbs,
      sequence(element(6, Buffer.from('2a8648ce3d040302', 'hex'))),
      element(3, Uint8Array.of(0), await ca.signer.sign(tbs)),
    )
    const whole = sequence(
      element(10, Uint8Array.of(0)),
      element(0xa0, sequence(element(6, Buffer.from('2b0601050507300101', 'hex')), element(4, basic))),
    )
    expect(OcspResponse.parse(whole).answer!.verifySignatureBy(ca.signer.publicKey)).toBe(true)
    expect(await outcome(whole)).toBe('ERR_REVOCATION_UNKNOWN')
  })

  it('lets an unknown status pass in soft-fail mode, and asks nobody when off', async () => {
    expect(await outcome(respond({}, {}, root.signer), { mode: 'soft-fail' })).toBe('good')
    expect(await outcome(respond({ certificateStatus: revoked }), { mode: 'soft-fail' })).toBe('ERR_REVOKED')
    expect(await outcome(respond({ certificateStatus: revoked }), { mode: 'off' })).toBe('good')
  })

  it('wants an answer for each certificate of the chain', async () => {
    const leafAnswer = await respond()
    const caAnswer = await respondWith([makeAnswer(root, ca.certificate)], root.signer)
    expect(verdict(createOcspChecker({ responses: [leafAnswer], mode: 'hard-fail' }))).toBe(
      'ERR_REVOCATION_UNKNOWN',
    )
    expect(verdict(createOcspChecker({ responses: [leafAnswer, caAnswer], mode: 'hard-fail' }))).toBe('good')
  })

  it('believes "revoked" whatever else is there', async () => {
    const responses = [await respond(), await respond({ certificateStatus: revoked }), await respond()]
    expect(verdict(createOcspChecker({ responses, mode: 'hard-fail', scope: 'leaf' }))).toBe('ERR_REVOKED')
  })

  it('spends signature checks of the budget', async () => {
    const revocation = createOcspChecker({
      responses: await Promise.all(
        Array.from({ length: 8 }, async () =>
          respond({}, { certificates: [await responder()] }, responderSigner),
        ),
      ),
      mode: 'hard-fail',
      scope: 'leaf',
    })
    const found = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      revocation,
      budget: { maxSignatureChecks: 4 },
    })
    expect(found.ok ? 'good' : found.rejected.map((one) => one.code)).toContain('ERR_PATH_BUDGET')
  })

  it.each([{ maxAgeSeconds: -1 }, { clockSkewSeconds: Number.NaN }])(
    'refuses options that mean nothing',
    (options) => {
      expect(() => createOcspChecker({ responses: [], mode: 'hard-fail', ...options })).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    },
  )
})

describe('several sources', () => {
  const lists = async (entries: CrlFields['entries'] = []): Promise<RevocationChecker> =>
    createCrlChecker({ lists: [await makeList(ca, { entries })], mode: 'hard-fail', scope: 'leaf' })
  const ocsp = async (status?: OcspCertificateStatus): Promise<RevocationChecker> =>
    createOcspChecker({
      responses: status === undefined ? [] : [await respond({ certificateStatus: status })],
      mode: 'hard-fail',
      scope: 'leaf',
    })
  const listed = [
    { serialNumber: leaf.serialNumber, revocationDate: at(-0.5), reason: 'keyCompromise' as const },
  ]

  it.each([
    { what: 'both good', sources: async () => [await ocsp(good), await lists()], all: 'good', one: 'good' },
    {
      what: 'revoked by OCSP',
      sources: async () => [await ocsp(revoked), await lists()],
      all: 'ERR_REVOKED',
      one: 'ERR_REVOKED',
    },
    {
      what: 'revoked by the list',
      sources: async () => [await ocsp(good), await lists(listed)],
      all: 'ERR_REVOKED',
      one: 'ERR_REVOKED',
    },
    {
      what: 'no OCSP, a good list',
      sources: async () => [await ocsp(), await lists()],
      all: 'ERR_REVOCATION_UNKNOWN',
      one: 'good',
    },
    {
      what: 'neither',
      sources: async () => [await ocsp(), await ocsp()],
      all: 'ERR_REVOCATION_UNKNOWN',
      one: 'ERR_REVOCATION_UNKNOWN',
    },
  ])('$what', async ({ sources, all, one }) => {
    const checkers = await sources()
    expect(verdict(combineRevocationCheckers(checkers))).toBe(all)
    expect(verdict(combineRevocationCheckers(checkers, { sufficient: 'one' }))).toBe(one)
  })

  const offs = (): RevocationChecker => createOcspChecker({ responses: [], mode: 'off' })
  const lenient = (): RevocationChecker => createOcspChecker({ responses: [], mode: 'soft-fail' })
  const strict = (): RevocationChecker => createCrlChecker({ lists: [], mode: 'hard-fail' })
  it.each([
    {
      what: 'off and a list that does not know',
      sources: async () => [offs(), strict()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'lenient and a list that does not know',
      sources: async () => [lenient(), strict()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a staple about the leaf alone and no list about its CA',
      sources: async () => [await ocsp(good), strict()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list that lets through, and OCSP that does not know',
      sources: async () => [createCrlChecker({ lists: [], mode: 'soft-fail' }), await ocsp()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    { what: 'nobody strict', sources: async () => [offs(), lenient()], wanted: 'good' },
    {
      what: 'a combination within',
      sources: async () => [combineRevocationCheckers([offs(), lenient()]), strict()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: "a caller's own that passes all",
      sources: async () => [{ check: () => undefined }, strict()],
      wanted: 'good',
    },
  ])('one that lets through is none that knows: $what', async ({ sources, wanted }) => {
    expect(verdict(combineRevocationCheckers(await sources(), { sufficient: 'one' }))).toBe(wanted)
  })

  it('wants a source', () => {
    expect(() => combineRevocationCheckers([])).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('requests and responses', () => {
  it('are read as they were written', async () => {
    const request = OcspRequest.of(
      [
        OcspCertificateId.of(leaf, issuer),
        OcspCertificateId.of(
          ca.certificate,
          { subject: root.name, publicKey: root.signer.publicKey },
          'sha256',
        ),
      ],
      { nonce: true },
    )
    const read = OcspRequest.parse(request.der)
    expect(read.certificateIds.map(({ hash }) => hash)).toEqual(['sha1', 'sha256'])
    expect(read.certificateIds[0]!.identifies(leaf, issuer)).toBe(true)
    expect(read.certificateIds[0]!.identifies(ca.certificate, issuer)).toBe(false)
    expect(read.nonce).toEqual(new Uint8Array(read.nonce!))
    expect(read.nonce).toHaveLength(32)
    const response = await respond({ certificateStatus: revoked }, { producedAt: at(0), nonce: read.nonce! })
    const { answer } = OcspResponse.parse(response.der)
    expect(answer).toMatchObject({
      producedAt: at(0),
      nonce: read.nonce,
      responses: [{ certificateStatus: revoked, thisUpdate: at(-1), nextUpdate: at(1) }],
    })
    expect(OcspResponse.refusal('unauthorized').status).toBe('unauthorized')
  })

  it.each([
    ['an empty request', () => OcspRequest.of([])],
    [
      'an empty nonce',
      () => OcspRequest.of([OcspCertificateId.of(leaf, issuer)], { nonce: new Uint8Array(0) }),
    ],
    [
      'a nonce that is too long',
      () => OcspRequest.of([OcspCertificateId.of(leaf, issuer)], { nonce: new Uint8Array(129) }),
    ],
  ])('refuses to write %s', (_, build) => {
    expect(build).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('refuses to write what nobody could use', async () => {
    await expect(respondWith([], ca.signer)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(respond({ thisUpdate: at(1), nextUpdate: at(0) })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  const wrapped = (...parts: Uint8Array[]): Uint8Array => sequence(...parts)
  it.each([
    ['a status of no meaning', wrapped(element(10, Uint8Array.of(4))), 'ERR_OCSP_MALFORMED'],
    ['success without an answer', wrapped(element(10, Uint8Array.of(0))), 'ERR_OCSP_MALFORMED'],
    [
      'an answer of another type',
      wrapped(
        element(10, Uint8Array.of(0)),
        element(0xa0, sequence(element(6, Uint8Array.of(0x2a, 3)), element(4, Uint8Array.of(5, 0)))),
      ),
      'ERR_OCSP_MALFORMED',
    ],
    ['trailing octets', Buffer.concat([OcspResponse.refusal('tryLater').der, Uint8Array.of(0)]), 'ERR_DER'],
    ['something else', Uint8Array.of(5, 0), 'ERR_DER'],
    ['too much', new Uint8Array(256 * 1024 + 1), 'ERR_LIMIT_EXCEEDED'],
  ])('refuses to read %s', (_, der, wanted) => {
    expect(() => OcspResponse.parse(der)).toThrow(code(wanted))
  })

  it('no response with one octet changed says something else', async () => {
    const { der } = await respond(
      { certificateStatus: revoked },
      { certificates: [await responder()] },
      responderSigner,
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const mutated = Uint8Array.from(der)
        mutated[place]! ^= change
        expect(['ERR_REVOKED', 'ERR_REVOCATION_UNKNOWN']).toContain(await outcome(mutated))
      }),
      { numRuns: 400 },
    )
  })
})
