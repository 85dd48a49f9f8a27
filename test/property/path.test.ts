// Properties of path validation: a changed octet never goes unnoticed, and the order of intermediates does
// not matter.

import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'
import { verifyPath } from '../../src/validation/index.ts'
import type { Verdict } from '../../src/validation/index.ts'
import {
  CertificateRequest,
  DistinguishedName,
  Crl,
  buildCertificateRequest,
  buildCrl,
  generalName,
} from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { makeAuthority, makeLeaf, mutate, newSigner, time } from '../unit/validation/test-pki.ts'
import type { Authority } from '../unit/validation/test-pki.ts'

const runs = Number(process.env['SPIFFE_PKI_PROPERTY_RUNS'] ?? 300)

let root: Authority
let issuing: Authority
let leaf: Certificate
let crossed: Certificate[]

beforeAll(async () => {
  root = await makeAuthority('root')
  const other = await makeAuthority('other root')
  const upper = await makeAuthority('upper', root)
  issuing = await makeAuthority('issuing', upper)
  leaf = await makeLeaf(issuing)
  // A web of certificates for the same CAs: cross-signed, looped, expired, of other keys.
  const changed = [
    await makeAuthority('issuing', root, {
      signer: issuing.signer,
      notAfter: new Date('2026-02-01T00:00:00Z'),
    }),
    await makeAuthority('issuing', other, { signer: issuing.signer }),
    await makeAuthority('issuing', upper),
    await makeAuthority('upper', issuing, { signer: upper.signer }),
    await makeAuthority('upper', other, { signer: upper.signer }),
    await makeAuthority('root', other, { signer: root.signer }),
    await makeAuthority('upper', root, {
      signer: upper.signer,
      extensions: { basicConstraints: { ca: true, pathLength: 0 } },
    }),
  ]
  crossed = [upper, issuing, root, ...changed].map(({ certificate }) => certificate)
})

describe('one changed octet', () => {
  it('in a certification request is refused', async () => {
    const request = await buildCertificateRequest(
      {
        subject: DistinguishedName.parse('CN=web'),
        extensions: { subjectAltName: [generalName.dns('web.example')] },
      },
      newSigner(),
    )
    fc.assert(
      fc.property(fc.nat(request.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        expect(() => CertificateRequest.parse(mutate(request.der, at, xor)).verify()).toThrow(
          expect.objectContaining({ name: 'PkiError' }),
        )
      }),
      { numRuns: runs },
    )
  })

  it('in a revocation list is refused', async () => {
    const fields = {
      issuer: root.name,
      thisUpdate: time,
      nextUpdate: new Date('2026-07-01T00:00:00Z'),
      crlNumber: 7n,
      authorityKeyIdentifier: root.signer.publicKey.keyIdentifier,
    }
    const entries = [
      { serialNumber: leaf.serialNumber, revocationDate: time, reason: 'keyCompromise' as const },
    ]
    const list = await buildCrl({ ...fields, entries }, root.signer)
    expect(list.verifySignatureBy(root.signer.publicKey)).toBe(true)
    fc.assert(
      fc.property(fc.nat(list.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        expect(signedListOf(mutate(list.der, at, xor))).toBe(false)
      }),
      { numRuns: runs },
    )
  })

  it('in the leaf is refused', () => {
    fc.assert(
      fc.property(fc.nat(leaf.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        expect(
          verifyPath(mutate(leaf.der, at, xor), {
            anchors: [root.certificate],
            intermediates: crossed.slice(0, 2),
            time,
          }).ok,
        ).toBe(false)
      }),
      { numRuns: runs },
    )
  })

  it('in an intermediate is refused', () => {
    const [upper, lower] = crossed as [Certificate, Certificate]
    fc.assert(
      fc.property(fc.nat(lower.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        expect(
          verifyPath(leaf, {
            anchors: [root.certificate],
            intermediates: [upper, mutate(lower.der, at, xor)],
            time,
          }).ok,
        ).toBe(false)
      }),
      { numRuns: runs },
    )
  })

  it('in the anchor is refused, or changes nothing that a path relies on', () => {
    const anchor = root.certificate
    fc.assert(
      fc.property(fc.nat(anchor.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        let verdict: Verdict
        try {
          verdict = verifyPath(leaf, {
            anchors: [mutate(anchor.der, at, xor)],
            intermediates: crossed.slice(0, 2),
            time,
          })
        } catch {
          return
        }
        if (!verdict.ok) return
        // An anchor is a name and a key that are trusted as given: they are unchanged. Its dates, serial
        // number, issuer, identifiers and own signature are nobody's proof.
        expect(verdict.path.anchor.publicKey.equals(anchor.publicKey)).toBe(true)
        expect(verdict.path.anchor.subject.equals(anchor.subject)).toBe(true)
      }),
      { numRuns: runs },
    )
  })
})

describe('the order of intermediates', () => {
  it('never changes the verdict', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(crossed, { minLength: 0 }),
        fc.infiniteStream(fc.nat()),
        (chosen, keys) => {
          const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates: chosen, time })
          const reordered = chosen
            .map((certificate) => ({ certificate, key: keys.next().value }))
            .sort((a, b) => a.key - b.key)
          const again = verifyPath(leaf, {
            anchors: [root.certificate],
            intermediates: reordered.map(({ certificate }) => certificate),
            time,
          })
          expect(summary(again)).toEqual(summary(verdict))
        },
      ),
      { numRuns: runs },
    )
  })
})

/** Whether the bytes are a list that the root signed; a `PkiError` is a refusal. */
function signedListOf(der: Uint8Array): boolean {
  try {
    return Crl.parse(der).verifySignatureBy(root.signer.publicKey)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return false
  }
}

function summary(verdict: Verdict): unknown {
  const { spent } = verdict
  if (verdict.ok) return { path: verdict.path.certificates.map(({ serialNumber }) => serialNumber), spent }
  return {
    rejected: verdict.rejected.map(({ code, path }) => [code, path.map(({ serialNumber }) => serialNumber)]),
    spent,
  }
}
