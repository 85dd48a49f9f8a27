// Signers of lists and answers that may not clear anybody and still accuse, and answers that say nothing.

import { describe, expect, it } from 'vitest'
import { element, explicit, octetString, oid, sequence } from '../../../../src/der/index.ts'
import { createCrlChecker, createOcspChecker, verifyPath } from '../../../../src/validation/index.ts'
import { OcspCertificateId, OcspResponse, extensionOids } from '../../../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../../../src/x509/index.ts'
import {
  at,
  certificateParts,
  judge,
  makeAnswer,
  makeChain,
  makeCrlIssuer,
  makeLeaf,
  makeList,
  makeResponder,
  newSigner,
  resign,
  respond,
  time,
} from '../test-pki.ts'
import type { Authority } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const rootList = await makeList(root)
const revoked = {
  certificateStatus: { status: 'revoked', revokedAt: at(-5), reason: 'keyCompromise' },
} as const

/** The word of a responder about the leaf. */
async function wordOf(
  responder: Certificate,
  signer: ReturnType<typeof newSigner>,
  said: typeof revoked | object = revoked,
): Promise<OcspResponse> {
  const made = await respond([makeAnswer(ca, leaf, said)], signer, {
    certificates: [responder],
  })
  return OcspResponse.parse(made.der)
}
const aboutCa = await respond([makeAnswer(root, ca.certificate)], root.signer)
const judged = (response: OcspResponse, mode: 'soft-fail' | 'hard-fail'): string =>
  judge(chain, createOcspChecker({ responses: [aboutCa, response], mode }))

const noCheck = { oid: '1.3.6.1.5.5.7.48.1.5', critical: false, value: Uint8Array.of(5, 0) }
const explicitFalse = {
  oid: extensionOids.basicConstraints,
  critical: true,
  value: sequence(element(1, Uint8Array.of(0))),
}

describe('a responder that cannot clear', () => {
  const kinds = [
    ['with an encoded DEFAULT', { basicConstraints: undefined, other: [noCheck, explicitFalse] }],
    ['whose own status is unknown', { other: [] }],
  ] as const
  it.each(kinds)('%s, accuses in both modes and does not clear in hard-fail', async (_name, extensions) => {
    const signer = newSigner()
    const responder = await makeResponder(ca, { signer, extensions })
    const accusation = await wordOf(responder, signer)
    expect(judged(accusation, 'soft-fail')).toBe('ERR_REVOKED')
    expect(judged(accusation, 'hard-fail')).toBe('ERR_REVOKED')
    expect(judged(await wordOf(responder, signer, {}), 'hard-fail')).toBe('ERR_REVOCATION_UNKNOWN')
  })

  it('may have the extension for that as critical (RFC 6960 4.2.2.2.1)', async () => {
    const signer = newSigner()
    const critical = { other: [{ ...noCheck, critical: true }] }
    const responder = await makeResponder(ca, { signer, extensions: critical })
    expect(judged(await wordOf(responder, signer), 'hard-fail')).toBe('ERR_REVOKED')
    expect(judged(await wordOf(responder, signer, {}), 'hard-fail')).toBe('good')
  })

  it('is heard about others and not about itself (RFC 6960 4.2.2.2.1)', async () => {
    const signer = newSigner()
    const responder = await makeResponder(ca, { signer, extensions: { other: [] } })
    const answers = [makeAnswer(ca, responder, revoked), makeAnswer(ca, leaf, revoked)]
    const both = await respond(answers, signer, { certificates: [responder] })
    expect(judged(both, 'hard-fail')).toBe('ERR_REVOKED')
    expect(judged(both, 'soft-fail')).toBe('ERR_REVOKED')
  })

  it('is not heard if it is revoked itself', async () => {
    const signer = newSigner()
    const responder = await makeResponder(ca, { signer, extensions: { other: [] } })
    const own = await respond([makeAnswer(ca, responder, revoked)], ca.signer)
    const responses = [aboutCa, await wordOf(responder, signer), own]
    const revocation = createOcspChecker({ responses, mode: 'hard-fail' })
    expect(judge(chain, revocation)).toBe('ERR_REVOCATION_UNKNOWN')
  })
})

describe('a CRL issuer whose own status is unknown', () => {
  it.each([
    ['accuses, and clears nobody', {}],
    ['does so too if its certificate breaks a rule of the profile', { authorityKeyIdentifier: undefined }],
  ])('%s', async (_name, ofLister) => {
    // Issued by the CA, of which there is no list.
    const lister = await makeCrlIssuer(ca, 'CN=lists', ofLister)
    const directory = (name: Authority['name']): GeneralName => ({ type: 'directoryName', name })
    const point = { name: undefined, reasons: undefined, crlIssuer: [directory(lister.name)] }
    const extensions = { crlDistributionPoints: [point] }
    const [listed, unlisted] = [await makeLeaf(ca, { extensions }), await makeLeaf(ca, { extensions })]
    const list = await makeList(lister, {
      issuingDistributionPoint: { indirectCrl: true },
      entries: [
        {
          serialNumber: listed.serialNumber,
          revocationDate: at(-5),
          certificateIssuer: [directory(ca.name)],
        },
      ],
    })
    const judgedBy = (certificate: Certificate, mode: 'soft-fail' | 'hard-fail'): string =>
      judge(
        chain,
        createCrlChecker({ lists: [rootList, list], mode, issuers: [lister.certificate] }),
        certificate,
      )
    expect(judgedBy(listed, 'soft-fail')).toBe('ERR_REVOKED')
    expect(judgedBy(listed, 'hard-fail')).toBe('ERR_REVOKED')
    expect(judgedBy(unlisted, 'hard-fail')).toBe('ERR_REVOCATION_UNKNOWN')
  })
})

describe('an identifier with a longer hash', () => {
  it.each(['sha384', 'sha512'] as const)('%s is recognised', async (hash) => {
    const issuer = { subject: ca.name, publicKey: ca.signer.publicKey }
    const certificateId = OcspCertificateId.of(leaf, issuer, hash)
    expect(OcspCertificateId.parse(certificateId.der).hash).toBe(hash)
    const made = await respond([{ ...makeAnswer(ca, leaf, revoked), certificateId }], ca.signer)
    expect(judged(made, 'soft-fail')).toBe('ERR_REVOKED')
  })
})

describe('a response without an answer', () => {
  const messageOf = (response: Uint8Array): string | undefined => {
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      revocation: createOcspChecker({ responses: [response], mode: 'hard-fail', scope: 'leaf' }),
    })
    return verdict.ok ? undefined : verdict.rejected[0]?.message
  }

  it('is named by its status', () => {
    expect(messageOf(OcspResponse.refusal('tryLater').der)).toContain('the status tryLater')
  })

  it('is named by its fault', () => {
    expect(messageOf(Uint8Array.of(0x48, 0x54))).toContain('the response is malformed: OCSPResponse')
  })
})

describe('a certificate of a signer that cannot be parsed', () => {
  const broken = root.certificate.der.slice(0, -1)
  it.each([
    [
      'issuers',
      () => createCrlChecker({ lists: [], mode: 'soft-fail', issuers: [root.certificate, broken] }),
    ],
    [
      'responders',
      () => createOcspChecker({ responses: [], mode: 'soft-fail', responders: [root.certificate, broken] }),
    ],
  ])('among %s is named by its index', (option, make) => {
    expect(make).toThrow(`${option}[1]`)
  })

  it('is also named by its subject, if another reader finds it', async () => {
    const explicitCritical = sequence(
      oid('2.5.29.99'),
      element(1, Uint8Array.of(0)),
      octetString(root.certificate.der),
    )
    const der = await resign(root.certificate.tbs, root.signer, (parts) => [
      ...parts.slice(0, certificateParts.extensions),
      explicit(3, sequence(explicitCritical)),
    ])
    expect(() => createCrlChecker({ lists: [], mode: 'soft-fail', issuers: [der] })).toThrow(
      `issuers[0] (${root.name.toString()}): `,
    )
  })
})
