// Lists and responses that the reader refuses for their form alone: they accuse, and clear nobody.

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
  sequence,
} from '../../../../src/der/index.ts'
import {
  createCrlChecker,
  createOcspChecker,
  validationProfiles,
  verifyPath,
} from '../../../../src/validation/index.ts'
import type { RevocationChecker, ValidationProfile } from '../../../../src/validation/index.ts'
import {
  Crl,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildCertificate,
  extensionOids,
  keyPurposeOids,
} from '../../../../src/x509/index.ts'
import type { Signer } from '../../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../../src/x509/internal.ts'
import { encodePem } from '../../../../src/internal/pem.ts'
import { code } from '../../../support/codes.ts'
import type { ExtensionFields } from '../../../../src/x509/internal.ts'
import {
  at,
  judge,
  makeChain,
  makeCrlIssuer,
  makeLeaf,
  makeList,
  newSigner,
  resign,
  time,
} from '../test-pki.ts'
import type { Issuer } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const unlisted = await makeLeaf(ca)
const rootList = await makeList(root)
const made = await makeList(ca, { entries: [{ serialNumber: leaf.serialNumber, revocationDate: at(-5) }] })

/** The list of the CA with these extensions instead of its own. */
const listWith = (...extensions: readonly Uint8Array[]): Promise<Uint8Array> =>
  resign(made.tbs, ca.signer, (parts) => [...parts.slice(0, 6), explicit(0, sequence(...extensions))])
const written = (type: string, value: Uint8Array): Uint8Array =>
  sequence(oid(type), boolean(false), octetString(value))

interface Response {
  readonly status: 'good' | 'revoked'
  readonly version?: boolean
  readonly singleExtensions?: boolean
  readonly extensions?: boolean
  /** The octets of the nonce extension. */
  readonly nonce?: Uint8Array
  /** A single response beside it that cannot be read. */
  readonly beside?: 'before' | 'after'
  readonly signer?: Signer
  readonly certificates?: readonly Uint8Array[]
}

const nonceOid = '1.3.6.1.5.5.7.48.1.2'
const unreadable = sequence(integer(1))

/** A response about the leaf, of the CA unless there is another signer. */
async function responseWith(given: Response): Promise<Uint8Array> {
  const { status, version, singleExtensions, extensions, nonce, beside, signer = ca.signer } = given
  const id = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey }).der
  const keyHash = createHash('sha1').update(signer.publicKey.subjectPublicKey).digest()
  const empty = explicit(1, sequence())
  const tbs = sequence(
    ...(version === true ? [explicit(0, integer(0))] : []),
    explicit(2, octetString(keyHash)),
    encodeGeneralizedTime(at(-1).getTime()),
    sequence(
      ...(beside === 'before' ? [unreadable] : []),
      sequence(
        id,
        status === 'revoked' ? element(0xa1, encodeGeneralizedTime(at(-2).getTime())) : element(0x80),
        encodeGeneralizedTime(at(-1).getTime()),
        explicit(0, encodeGeneralizedTime(at(1).getTime())),
        ...(singleExtensions === true ? [empty] : []),
      ),
      ...(beside === 'after' ? [unreadable] : []),
    ),
    ...(extensions === true ? [empty] : []),
    ...(nonce === undefined ? [] : [explicit(1, sequence(sequence(oid(nonceOid), octetString(nonce))))]),
  )
  const algorithm = signatureAlgorithms[signer.signatureAlgorithm].identifier
  const sent = given.certificates === undefined ? [] : [explicit(0, sequence(...given.certificates))]
  const basic = sequence(tbs, algorithm, bitString(await signer.sign(tbs)), ...sent)
  const type = oid('1.3.6.1.5.5.7.48.1.1')
  return sequence(element(10, Uint8Array.of(0)), explicit(0, sequence(type, octetString(basic))))
}

describe('a list with', () => {
  it.each<readonly [string, readonly Uint8Array[]]>([
    ['no extension in its extensions', []],
    ['a criticality that is written out', [written(extensionOids.crlNumber, integer(1))]],
  ])('%s accuses and does not clear, and is reported', async (_what, extensions) => {
    const octets = await listWith(...extensions)
    expect(() => Crl.parse(octets)).toThrow(code('ERR_DER'))
    for (const mode of ['soft-fail', 'hard-fail'] as const) {
      const ignored: number[] = []
      const checker = createCrlChecker({
        lists: [rootList, octets],
        mode,
        onIgnoredList: ({ index }) => ignored.push(index),
      })
      expect(ignored).toEqual([1])
      expect(judge(chain, checker, leaf)).toBe('ERR_REVOKED')
      expect(judge(chain, checker, unlisted)).toBe(mode === 'soft-fail' ? 'good' : 'ERR_REVOCATION_UNKNOWN')
    }
  })

  it('a signature of another key accuses nobody', async () => {
    const octets = await resign(made.tbs, root.signer, (parts) => [
      ...parts.slice(0, 6),
      explicit(0, sequence()),
    ])
    const checker = createCrlChecker({ lists: [rootList, octets], mode: 'soft-fail' })
    expect(judge(chain, checker, leaf)).toBe('good')
  })
})

describe('a list that no tolerance accepts', () => {
  const number = sequence(oid(extensionOids.crlNumber), octetString(integer(1)))
  const scope = (flag: number): Uint8Array =>
    sequence(
      oid(extensionOids.issuingDistributionPoint),
      boolean(true),
      octetString(sequence(element(0x80 + flag, Uint8Array.of(0xff)))),
    )
  const unknownCritical = sequence(oid('1.2.3.4'), boolean(true), octetString(nullElement()))
  const otherAlgorithm = signatureAlgorithms['ecdsa-with-SHA384'].identifier
  const judged = (octets: Uint8Array | string, mode: 'soft-fail' | 'hard-fail', of = leaf): string =>
    judge(chain, createCrlChecker({ lists: [rootList, octets], mode }), of)
  const version1 = (...extensions: readonly Uint8Array[]): Promise<Uint8Array> =>
    resign(made.tbs, ca.signer, (parts) => [...parts.slice(1, 6), explicit(0, sequence(...extensions))])
  const innerAlgorithm = (): Promise<Uint8Array> =>
    resign(made.tbs, ca.signer, ([version, , ...rest]) => [version as Uint8Array, otherAlgorithm, ...rest])

  it.each<readonly [string, () => Promise<Uint8Array>, string]>([
    ['extensions in version 1', () => version1(number), 'ERR_CRL_MALFORMED'],
    ['a number twice', () => listWith(number, number), 'ERR_EXTENSION_DUPLICATE'],
    ['two scopes, of CAs and of others', () => listWith(scope(2), scope(1)), 'ERR_EXTENSION_DUPLICATE'],
    ['another algorithm in what is signed', innerAlgorithm, 'ERR_ALGORITHM_MISMATCH'],
  ])('for %s accuses and does not clear', async (_what, make, why) => {
    const octets = await make()
    expect(() => Crl.parse(octets)).toThrow(code(why))
    const pem = encodePem('X509 CRL', octets)
    for (const given of [octets, pem]) {
      expect([judged(given, 'soft-fail'), judged(given, 'hard-fail')]).toEqual(['ERR_REVOKED', 'ERR_REVOKED'])
      expect(judged(given, 'soft-fail', unlisted)).toBe('good')
      expect(judged(given, 'hard-fail', unlisted)).toBe('ERR_REVOCATION_UNKNOWN')
    }
  })

  it('accuses nobody with a signature that does not verify, or an unknown critical extension', async () => {
    const octets = await resign(made.tbs, ca.signer, (parts) => parts, otherAlgorithm)
    expect(() => Crl.parse(octets)).toThrow(code('ERR_ALGORITHM_MISMATCH'))
    const forged = await resign(made.tbs, root.signer, (parts) => [
      ...parts.slice(1, 6),
      explicit(0, sequence(number)),
    ])
    for (const given of [octets, forged, await listWith(number, number, unknownCritical)])
      expect(judged(given, 'soft-fail')).toBe('good')
  })
})

describe('a list of a separate issuer', () => {
  const plain = { listed: true, delta: false }
  const judged = async (
    extensions: ExtensionFields,
    mode: 'soft-fail' | 'hard-fail',
    { listed, delta } = plain,
    { profile, by = root }: { readonly profile?: ValidationProfile; readonly by?: Issuer } = {},
  ): Promise<string> => {
    const issuer = await makeCrlIssuer(by, 'CN=ca', extensions)
    const entries = listed ? [{ serialNumber: leaf.serialNumber, revocationDate: at(-5) }] : []
    const list = await makeList(issuer, { entries, ...(delta ? { crlNumber: 2, deltaCrlIndicator: 1 } : {}) })
    const issuers = [issuer.certificate]
    const revocation = createCrlChecker({ lists: [rootList, list], mode, issuers, scope: 'leaf' })
    return judge(chain, revocation, leaf, profile === undefined ? {} : { profile })
  }
  const oddLocation = {
    other: [{ oid: extensionOids.authorityInfoAccess, critical: false, value: sequence() }],
  }
  const section6 = { ...validationProfiles.rfc5280, certificateRules: 'path' } as const

  it('whose certificate breaks a rule of the profile accuses and does not clear', async () => {
    for (const delta of [false, true])
      for (const mode of ['soft-fail', 'hard-fail'] as const)
        expect(await judged(oddLocation, mode, { listed: true, delta })).toBe('ERR_REVOKED')
    expect(await judged(oddLocation, 'soft-fail', { ...plain, listed: false })).toBe('good')
    const unlisted = { ...plain, listed: false }
    expect(await judged(oddLocation, 'hard-fail', unlisted)).toBe('ERR_REVOCATION_UNKNOWN')
    expect(await judged(oddLocation, 'hard-fail', unlisted, { profile: section6 })).toBe('good')
  })

  it('that has no path, or no right to sign lists, accuses nobody', async () => {
    const forged = { ...root, signer: newSigner() }
    expect(await judged(oddLocation, 'soft-fail', plain, { by: forged })).toBe('good')
    expect(await judged({ ...oddLocation, keyUsage: ['digitalSignature'] }, 'soft-fail')).toBe('good')
    const critical = { other: [{ oid: '1.2.3.4', critical: true, value: nullElement() }] }
    expect(await judged(critical, 'soft-fail')).toBe('good')
  })
})

describe('a response with', () => {
  it.each<readonly [string, Partial<Response>]>([
    ['a version that is written out', { version: true }],
    ['no extension in its extensions', { extensions: true }],
    ['no extension in those of a single response', { singleExtensions: true }],
  ])('%s accuses and does not clear; a tolerance accepts it', async (_what, odd) => {
    const [good, revoked] = [
      await responseWith({ status: 'good', ...odd }),
      await responseWith({ status: 'revoked', ...odd }),
    ]
    const checking = (
      response: Uint8Array | OcspResponse,
      mode: 'soft-fail' | 'hard-fail',
    ): RevocationChecker => createOcspChecker({ responses: () => [response], mode, scope: 'leaf' })
    for (const mode of ['soft-fail', 'hard-fail'] as const) {
      expect(judge(chain, checking(revoked, mode), leaf)).toBe('ERR_REVOKED')
      expect(judge(chain, checking(good, mode), leaf)).toBe(
        mode === 'soft-fail' ? 'good' : 'ERR_REVOCATION_UNKNOWN',
      )
    }
    expect(() => OcspResponse.parse(good)).toThrow(/the tolerance '(explicit-defaults|empty-extensions)'/)
    const tolerances = ['explicit-defaults', 'empty-extensions'] as const
    expect(judge(chain, checking(OcspResponse.parse(good, { tolerances }), 'hard-fail'), leaf)).toBe('good')
  })
})

describe('a response that no tolerance accepts', () => {
  it.each<readonly [string, Partial<Response>]>([
    ['with the bare octets of a nonce, as before RFC 6960', { nonce: new Uint8Array(16).fill(7) }],
    ['with an empty nonce', { nonce: octetString() }],
    ['with a single response before it that cannot be read', { beside: 'before' }],
    ['with a single response after it that cannot be read', { beside: 'after' }],
  ])('%s accuses and does not clear', async (_what, odd) => {
    for (const mode of ['soft-fail', 'hard-fail'] as const) {
      const checking = async (status: 'good' | 'revoked'): Promise<string> => {
        const responses = [await responseWith({ status, ...odd })]
        expect(() => OcspResponse.parse(responses[0]!)).toThrow()
        return judge(chain, createOcspChecker({ responses, mode, scope: 'leaf' }), leaf)
      }
      expect(await checking('revoked')).toBe('ERR_REVOKED')
      expect(await checking('good')).toBe(mode === 'soft-fail' ? 'good' : 'ERR_REVOCATION_UNKNOWN')
    }
  })

  it('of a responder with an odd location in its certificate accuses, and clears by section 6', async () => {
    const signer = newSigner()
    const responder = await buildCertificate(
      {
        issuer: ca.name,
        subject: 'CN=responder',
        publicKey: signer.publicKey,
        notBefore: at(-1),
        notAfter: at(1),
        extensions: {
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: [keyPurposeOids.ocspSigning],
          authorityKeyIdentifier: ca.signer.publicKey.keyIdentifier,
          other: [
            { oid: extensionOids.authorityInfoAccess, critical: false, value: sequence() },
            { oid: '1.3.6.1.5.5.7.48.1.5', critical: false, value: nullElement() },
          ],
        },
      },
      ca.signer,
    )
    const outcome = async (status: 'good' | 'revoked', profile?: ValidationProfile): Promise<string> => {
      const response = await responseWith({ status, signer, certificates: [responder.der] })
      const revocation = createOcspChecker({ responses: [response], mode: 'hard-fail', scope: 'leaf' })
      const verdict = verifyPath(leaf, {
        anchors: [root.certificate],
        intermediates: [ca.certificate],
        time,
        revocation,
        ...(profile === undefined ? {} : { profile }),
      })
      return verdict.ok ? 'good' : verdict.rejected[0]!.code
    }
    expect(await outcome('revoked')).toBe('ERR_REVOKED')
    expect(await outcome('good')).toBe('ERR_REVOCATION_UNKNOWN')
    const section6 = { ...validationProfiles.rfc5280, certificateRules: 'path' } as const
    expect(await outcome('good', section6)).toBe('good')
  })
})

it('a request whose version is written out is read with the tolerance that its error names', () => {
  const id = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey })
  const octets = sequence(sequence(explicit(0, integer(0)), sequence(sequence(id.der))))
  expect(() => OcspRequest.parse(octets)).toThrow("the tolerance 'explicit-defaults' accepts it")
  const read = OcspRequest.parse(octets, { tolerances: ['explicit-defaults'] })
  expect(read.certificateIds[0]?.der).toEqual(id.der)
})
