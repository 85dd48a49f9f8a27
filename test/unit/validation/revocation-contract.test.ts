// How a path asks about revocation: which certificates, in which order, with which issuer; and paths of CRL
// issuers and responders.

import { describe, expect, it } from 'vitest'
import { keyPurposeOids } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import type { Rejection, RevocationChecker, RevocationQuery, Verdict } from '../../../src/validation/index.ts'
import { makeAuthority, makeChain, makeLeaf, rejectionOf, time } from './test-pki.ts'

const { root, ca: upper } = await makeChain()
const lower = await makeAuthority('lower', upper)
const leaf = await makeLeaf(lower)

function verify(
  check: RevocationChecker['check'],
  extra: readonly Certificate[] = [],
  target: Certificate = leaf,
): Verdict {
  return verifyPath(target, {
    anchors: [root.certificate],
    intermediates: [lower.certificate, upper.certificate, ...extra],
    time,
    revocation: { check },
  })
}

describe('the checker', () => {
  it('is asked from the anchor down, about all but the anchor', () => {
    const asked: [string, string][] = []
    const verdict = verify(
      ({ certificate, issuer }) =>
        void asked.push([certificate.subject.toString(), issuer.subject.toString()]),
    )
    expect(verdict.ok).toBe(true)
    expect(asked).toEqual([
      ['CN=ca', 'CN=root'],
      ['CN=lower', 'CN=ca'],
      ['', 'CN=lower'],
    ])
  })

  it('is not asked about a path that fails otherwise', () => {
    let asked = 0
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [lower.certificate, upper.certificate],
      time,
      peer: { dns: 'other.example' },
      revocation: { check: () => void asked++ },
    })
    expect(rejectionOf(verdict)).toBe('ERR_PATH_PEER_NAME')
    expect(asked).toBe(0)
  })

  it('refuses a path, and another one is looked for', async () => {
    const again = await makeAuthority('lower', root, { signer: lower.signer })
    const refuse = ({ certificate }: RevocationQuery): Rejection | undefined =>
      certificate.equals(upper.certificate)
        ? { code: 'ERR_PATH_PROFILE', certificate, rule: 'test', message: 'revoked' }
        : undefined
    const alone = verify(refuse)
    expect(alone.ok ? undefined : alone.rejected[0]?.rule).toBe('test')
    const verdict = verify(refuse, [again.certificate])
    expect(verdict.ok && verdict.path.certificates.length).toBe(3)
  })

  it('gets a rejection for what it throws about bytes', () => {
    const verdict = verify(({ budget }) => {
      budget.spend('signatureChecks', 1000)
      return undefined
    })
    expect(rejectionOf(verdict)).toBe('ERR_PATH_BUDGET')
  })
})

describe('another authority', () => {
  /** What `verifyAuthority` says about a certificate while the leaf is asked about. */
  function authority(
    certificate: Certificate,
    purpose: 'crl' | 'ocsp',
    extra: readonly Certificate[] = [],
  ): string {
    let said = 'not asked'
    verify((query) => {
      if (query.certificate.equals(leaf)) said = query.verifyAuthority(certificate, purpose)?.code ?? 'ok'
      return undefined
    }, extra)
    return said
  }

  it.each<[string, string, () => Promise<string>]>([
    [
      'a CRL issuer below the same anchor',
      'ok',
      async () =>
        authority(
          (
            await makeAuthority('crls', root, {
              extensions: { keyUsage: ['cRLSign'], basicConstraints: { ca: false } },
            })
          ).certificate,
          'crl',
        ),
    ],
    [
      'a CRL issuer without cRLSign',
      'ERR_PATH_KEY_USAGE',
      async () =>
        authority(
          (
            await makeAuthority('crls', root, {
              extensions: { keyUsage: ['digitalSignature'], basicConstraints: { ca: false } },
            })
          ).certificate,
          'crl',
        ),
    ],
    [
      'a CRL issuer of another anchor',
      'ERR_PATH_ISSUER_UNKNOWN',
      async () => authority((await makeAuthority('crls', await makeAuthority('other'))).certificate, 'crl'),
    ],
    [
      'an expired CRL issuer',
      'ERR_PATH_EXPIRED',
      async () =>
        authority(
          (await makeAuthority('crls', root, { notAfter: new Date('2026-02-01T00:00:00Z') })).certificate,
          'crl',
        ),
    ],
    [
      'a responder',
      'ok',
      async () =>
        authority(
          await makeLeaf(lower, { extensions: { extendedKeyUsage: [keyPurposeOids.ocspSigning] } }),
          'ocsp',
        ),
    ],
    ['a responder that is a web server', 'ERR_PATH_EXTENDED_KEY_USAGE', async () => authority(leaf, 'ocsp')],
    [
      'a responder for any purpose',
      'ERR_PATH_EXTENDED_KEY_USAGE',
      async () =>
        authority(await makeLeaf(lower, { extensions: { extendedKeyUsage: [keyPurposeOids.any] } }), 'ocsp'),
    ],
  ])('%s', async (_name, wanted, run) => {
    expect(await run()).toBe(wanted)
  })

  it('that vouches for itself comes to an end', async () => {
    const crls = await makeAuthority('crls', root)
    let asked = 0
    const check = (query: RevocationQuery): Rejection | undefined => {
      asked++
      return query.verifyAuthority(crls.certificate, 'crl')
    }
    expect(verify(check).ok).toBe(true)
    // Three of the path, and the CRL issuer once.
    expect(asked).toBe(4)
  })

  it('that is revoked stays revoked when it is asked about again', async () => {
    const crls = await makeAuthority('crls', root)
    const said: (string | undefined)[] = []
    verify((query) => {
      if (query.certificate.equals(crls.certificate))
        return { code: 'ERR_PATH_PROFILE', certificate: crls.certificate, rule: 'test', message: 'revoked' }
      said.push(query.verifyAuthority(crls.certificate, 'crl')?.rule)
      return undefined
    })
    expect(said).toEqual(['test', 'test', 'test'])
  })
})
