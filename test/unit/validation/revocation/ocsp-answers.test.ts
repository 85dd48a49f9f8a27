// Answers that no builder of ours writes, and whose word counts: RFC 6960 §3.2, §4.2.2.2, §4.4.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  encodeGeneralizedTime,
  explicit,
  octetString,
  oid,
  sequence,
  setOf,
  tags,
} from '../../../../src/der/index.ts'
import { createOcspChecker } from '../../../../src/validation/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import type { RevocationChecker, RevocationQuery } from '../../../../src/validation/index.ts'
import { DistinguishedName, OcspCertificateId, OcspResponse } from '../../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../../src/x509/internal.ts'
import type { Signer } from '../../../../src/x509/index.ts'
import type { KeyUsageName } from '../../../../src/x509/internal.ts'
import {
  at,
  judge,
  makeAnswer,
  makeAuthority,
  makeChain,
  makeLeaf,
  makeResponder,
  newSigner,
  respond,
  time,
} from '../test-pki.ts'

const critical = (type: string): Uint8Array =>
  sequence(oid(type), boolean(true), octetString(Uint8Array.of(5, 0)))
const harmless = (type: string): Uint8Array => sequence(oid(type), octetString(Uint8Array.of(5, 0)))

const chain = await makeChain()
const { root, ca, leaf } = chain
const checking = (answer: OcspResponse): RevocationChecker =>
  createOcspChecker({ responses: [answer], mode: 'hard-fail', scope: 'leaf' })

interface Single {
  readonly status?: 'good' | 'revoked'
  readonly thisUpdate?: Date
  readonly nextUpdate?: Date
  readonly extensions?: readonly Uint8Array[]
}

/** A response of any shape, signed. */
async function response(
  singles: readonly Single[],
  signer: Signer = ca.signer,
  extensions: readonly Uint8Array[] = [],
): Promise<OcspResponse> {
  const id = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey }).der
  const answers = singles.map((one) =>
    sequence(
      id,
      one.status === 'revoked' ? element(0xa1, encodeGeneralizedTime(at(-2).getTime())) : element(0x80),
      encodeGeneralizedTime((one.thisUpdate ?? at(-1)).getTime()),
      explicit(0, encodeGeneralizedTime((one.nextUpdate ?? at(1)).getTime())),
      ...(one.extensions === undefined ? [] : [explicit(1, sequence(...one.extensions))]),
    ),
  )
  const keyHash = createHash('sha1').update(signer.publicKey.subjectPublicKey).digest()
  const tbs = sequence(
    explicit(2, octetString(keyHash)),
    encodeGeneralizedTime(at(-1).getTime()),
    sequence(...answers),
    ...(extensions.length === 0 ? [] : [explicit(1, sequence(...extensions))]),
  )
  const basic = sequence(
    tbs,
    signatureAlgorithms[signer.signatureAlgorithm].identifier,
    bitString(await signer.sign(tbs)),
  )
  return OcspResponse.parse(
    sequence(
      element(10, Uint8Array.of(0)),
      explicit(0, sequence(oid('1.3.6.1.5.5.7.48.1.1'), octetString(basic))),
    ),
  )
}

describe('an answer', () => {
  it.each<[string, () => Promise<OcspResponse>, string]>([
    ['by hand', () => response([{}]), 'good'],
    [
      'whose next update is before this update',
      () => response([{ thisUpdate: at(-1), nextUpdate: at(-2) }]),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'revoked, whose next update is before this update',
      () => response([{ status: 'revoked', thisUpdate: at(-1), nextUpdate: at(-2) }]),
      'ERR_REVOKED',
    ],
    [
      'whose next update is this update, which is over',
      () => response([{ thisUpdate: at(-1), nextUpdate: at(-1) }]),
      'ERR_REVOCATION_UNKNOWN',
    ],
    ['for this very second', () => response([{ thisUpdate: at(0), nextUpdate: at(0) }]), 'good'],
    [
      'with a critical extension',
      () => response([{ extensions: [critical('1.2.3')] }]),
      'ERR_REVOCATION_UNKNOWN',
    ],
    ['with an extension that is not critical', () => response([{ extensions: [harmless('1.2.3')] }]), 'good'],
    [
      'with a critical extension beside one without',
      () => response([{ extensions: [critical('1.2.3')] }, {}]),
      'good',
    ],
    [
      'revoked with a critical extension',
      () => response([{ status: 'revoked', extensions: [critical('1.2.3')] }]),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'in a response with a critical extension',
      () => response([{}, {}], ca.signer, [critical('1.2.3')]),
      'ERR_REVOCATION_UNKNOWN',
    ],
  ])('%s', async (_what, make, wanted) => {
    expect(judge(chain, checking(await make()))).toBe(wanted)
  })
})

describe('an issuer that answers itself', () => {
  it.each<[readonly KeyUsageName[] | undefined, string]>([
    [['keyCertSign', 'cRLSign'], 'good'],
    [['digitalSignature'], 'good'],
    [undefined, 'good'],
    [['cRLSign'], 'ERR_REVOCATION_UNKNOWN'],
    [['keyEncipherment', 'keyAgreement'], 'ERR_REVOCATION_UNKNOWN'],
  ])('with the key usage %j: %s', async (keyUsage, wanted) => {
    const { certificate } = await makeAuthority('ca', root, { signer: ca.signer, extensions: { keyUsage } })
    const query: RevocationQuery = {
      certificate: leaf,
      issuer: { subject: ca.name, publicKey: ca.signer.publicKey, certificate },
      time,
      budget: new Budget(),
      verifyAuthority: () => undefined,
    }
    const found = createOcspChecker({ responses: [await response([{}])], mode: 'hard-fail' }).check(query)
    expect(found?.code ?? 'good').toBe(wanted)
  })
})

describe('the name of the issuer', () => {
  it('is hashed as the certificate in question spells it (RFC 6960 §4.1.1)', async () => {
    const spelt = DistinguishedName.fromDer(
      sequence(setOf(sequence(oid('2.5.4.3'), element(tags.printableString, Buffer.from('CA'))))),
    )
    const certificate = await makeLeaf({ ...ca, name: spelt })
    const nameHash = createHash('sha1').update(spelt.der).digest()
    const certificateId = OcspCertificateId.of(certificate, {
      subject: ca.name,
      publicKey: ca.signer.publicKey,
    })
    expect(Buffer.from(certificateId.issuerNameHash)).toEqual(nameHash)
    expect(judge(chain, checking(await respond([makeAnswer(ca, certificate)], ca.signer)), certificate)).toBe(
      'good',
    )
  })

  it('of another issuer identifies nothing', () => {
    const other = { subject: root.name, publicKey: root.signer.publicKey }
    expect(
      OcspCertificateId.of(leaf, other).identifies(leaf, {
        subject: ca.name,
        publicKey: ca.signer.publicKey,
      }),
    ).toBe(false)
  })
})

describe('what it costs', () => {
  it.each([
    ['P-256', 1],
    ['P-384', 6],
    ['P-521', 10],
  ] as const)('the check of an answer by %s is %i', async (namedCurve, cost) => {
    const issuer = await makeAuthority('issuer', root, { signer: newSigner(namedCurve) })
    const certificate = await makeLeaf(issuer)
    const named = { subject: issuer.name, publicKey: issuer.signer.publicKey }
    const answer = await respond([makeAnswer(issuer, certificate)], issuer.signer)
    const checker = createOcspChecker({ responses: [answer], mode: 'hard-fail' })
    // And the second time nothing.
    for (const wanted of [cost, 0]) {
      const budget = new Budget()
      expect(
        checker.check({ certificate, issuer: named, time, budget, verifyAuthority: () => undefined }),
      ).toBeUndefined()
      expect(budget.spent.signatureChecks).toBe(wanted)
    }
  })
})

describe('a responder', () => {
  it('is held to the name constraints of its CA', async () => {
    const nameConstraints = {
      permitted: [{ type: 'directoryName' as const, name: DistinguishedName.parse('O=fine') }],
    }
    const constrained = await makeAuthority('constrained', root, { extensions: { nameConstraints } })
    const certificate = await makeLeaf(constrained, { subject: DistinguishedName.parse('CN=leaf,O=fine') })
    const ask = async (subject: string): Promise<string> => {
      const signer = newSigner()
      const responder = await makeResponder(constrained, {
        signer,
        subject: DistinguishedName.parse(subject),
      })
      const answer = await respond([makeAnswer(constrained, certificate)], signer, {
        certificates: [responder],
      })
      return judge({ root, ca: constrained, leaf: certificate }, checking(answer))
    }
    expect([await ask('CN=responder,O=fine'), await ask('CN=responder,O=other')]).toEqual([
      'good',
      'ERR_REVOCATION_UNKNOWN',
    ])
  })
})

describe('several answers about one certificate', () => {
  const revoked: Single = { status: 'revoked', thisUpdate: at(-2), nextUpdate: at(1) }
  const good: Single = { status: 'good', thisUpdate: at(-1), nextUpdate: at(1) }

  it.each([[[revoked, good]], [[good, revoked]]])(
    'a current "revoked" wins over a later "good", in one response: %#',
    async (singles) => {
      expect(judge(chain, checking(await response(singles)))).toBe('ERR_REVOKED')
    },
  )

  it('a current "revoked" wins over a later "good", in two responses', async () => {
    const responses = [await response([revoked]), await response([good])]
    for (const given of [responses, responses.toReversed()])
      expect(judge(chain, createOcspChecker({ responses: given, mode: 'soft-fail', scope: 'leaf' }))).toBe(
        'ERR_REVOKED',
      )
  })

  it('a "good" that is later than a "revoked" past its time clears', async () => {
    const past: Single = { status: 'revoked', thisUpdate: at(-3), nextUpdate: at(-2) }
    expect(judge(chain, checking(await response([past, good])))).toBe('good')
  })
})
