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
  octetString,
  oid,
  sequence,
} from '../../../../src/der/index.ts'
import { createCrlChecker, createOcspChecker } from '../../../../src/validation/index.ts'
import type { RevocationChecker } from '../../../../src/validation/index.ts'
import {
  Crl,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  extensionOids,
} from '../../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../../src/x509/internal.ts'
import { code } from '../../../support/codes.ts'
import { at, judge, makeChain, makeLeaf, makeList, resign } from '../test-pki.ts'

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
}

/** A response of the CA about the leaf. */
async function responseWith({
  status,
  version,
  singleExtensions,
  extensions,
}: Response): Promise<Uint8Array> {
  const id = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey }).der
  const keyHash = createHash('sha1').update(ca.signer.publicKey.subjectPublicKey).digest()
  const empty = explicit(1, sequence())
  const tbs = sequence(
    ...(version === true ? [explicit(0, integer(0))] : []),
    explicit(2, octetString(keyHash)),
    encodeGeneralizedTime(at(-1).getTime()),
    sequence(
      sequence(
        id,
        status === 'revoked' ? element(0xa1, encodeGeneralizedTime(at(-2).getTime())) : element(0x80),
        encodeGeneralizedTime(at(-1).getTime()),
        explicit(0, encodeGeneralizedTime(at(1).getTime())),
        ...(singleExtensions === true ? [empty] : []),
      ),
    ),
    ...(extensions === true ? [empty] : []),
  )
  const algorithm = signatureAlgorithms[ca.signer.signatureAlgorithm].identifier
  const basic = sequence(tbs, algorithm, bitString(await ca.signer.sign(tbs)))
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

it('a request whose version is written out is read with the tolerance that its error names', () => {
  const id = OcspCertificateId.of(leaf, { subject: ca.name, publicKey: ca.signer.publicKey })
  const octets = sequence(sequence(explicit(0, integer(0)), sequence(sequence(id.der))))
  expect(() => OcspRequest.parse(octets)).toThrow("the tolerance 'explicit-defaults' accepts it")
  const read = OcspRequest.parse(octets, { tolerances: ['explicit-defaults'] })
  expect(read.certificateIds[0]?.der).toEqual(id.der)
})
