// What does not belong together is no CA: each certificate, key, name, length and time of the material by
// itself.

import { describe, expect, it } from 'vitest'
import { createCertificateAuthority, spireProfile } from '../../../src/ca/index.ts'
import type { CertificateAuthorityOptions } from '../../../src/ca/authority/certificate-authority.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { DistinguishedName, buildCertificate, extensionOids, generalName } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { newRequest, workloadId } from '../../support/pki.ts'

const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
const { request: csr } = await newRequest()
const start = Date.UTC(2026, 0, 1)
const day = 86_400_000

interface Made {
  readonly certificate: Certificate
  readonly signer: SoftwareSigner
}

interface Wish {
  readonly name: string
  readonly parent?: Made | undefined
  /** The issuer's name, where it is not the parent's. */
  readonly issuer?: string
  readonly signer?: SoftwareSigner
  readonly extensions?: ExtensionFields
  readonly from?: number
  readonly to?: number
}

/** A certificate as nobody here would make it. */
async function make({
  name,
  parent,
  issuer,
  signer,
  extensions = {},
  from = start,
  to = start + 1000 * day,
}: Wish): Promise<Made> {
  const own = signer ?? (await SoftwareSigner.generate('P-256'))
  const certificate = await buildCertificate(
    {
      issuer:
        issuer === undefined
          ? (parent?.certificate.subject ?? DistinguishedName.parse(name))
          : DistinguishedName.parse(issuer),
      subject: DistinguishedName.parse(name),
      publicKey: own.publicKey,
      notBefore: new Date(from),
      notAfter: new Date(to),
      extensions: {
        basicConstraints: { ca: true },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: own.publicKey,
        ...extensions,
      },
    },
    parent?.signer ?? own,
  )
  return { certificate, signer: own }
}

const leaf: ExtensionFields = { basicConstraints: { ca: false }, keyUsage: ['digitalSignature'] }
const root = await make({ name: 'CN=root' })
const middle = await make({ name: 'CN=middle', parent: root })
const ca = await make({ name: 'CN=ca', parent: middle })
const clockAt = (ms: number): FakeClock => new FakeClock(new Date(ms))
const authorityOf = (
  material: Pick<CertificateAuthorityOptions, 'certificate' | 'signer' | 'chain' | 'roots'>,
  ms = start + day,
) => createCertificateAuthority({ trustDomain: 'example.org', clock: clockAt(ms), ...material })
const certificates = (...made: readonly Made[]): Certificate[] => made.map(({ certificate }) => certificate)

describe('material', () => {
  it('that belongs together is a CA', async () => {
    const authority = authorityOf({ ...ca, chain: certificates(middle), roots: certificates(root) })
    const { certificate, chain, roots } = await authority.sign(await authority.prepare(csr, content))
    expect([certificate.issuer.toString(), chain, roots]).toEqual([
      'CN=ca',
      certificates(ca, middle),
      certificates(root),
    ])
  })

  it('may be of a CA that has a URI of another scheme, as X-4 lets it', async () => {
    const named = await make({
      name: 'CN=ca',
      parent: root,
      extensions: { subjectAltName: [generalName.uri('https://ca.example/')] },
    })
    expect(authorityOf({ ...named, roots: certificates(root) }).chain).toHaveLength(1)
  })

  it('may leave key usage out', async () => {
    const free = await make({ name: 'CN=ca', parent: root, extensions: { keyUsage: undefined } })
    expect(authorityOf({ ...free, roots: certificates(root) }).chain).toHaveLength(1)
  })

  it.each<{
    readonly what: string
    readonly material: () => Promise<
      Pick<CertificateAuthorityOptions, 'certificate' | 'signer' | 'chain' | 'roots'>
    >
  }>([
    {
      what: 'a leaf that signs',
      material: async () => ({
        ...(await make({ name: 'CN=ca', parent: root, extensions: leaf })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a CA without basic constraints',
      material: async () => ({
        ...(await make({ name: 'CN=ca', parent: root, extensions: { basicConstraints: undefined } })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a CA that may sign lists only',
      material: async () => ({
        ...(await make({ name: 'CN=ca', parent: root, extensions: { keyUsage: ['cRLSign'] } })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a CA without a key identifier',
      material: async () => ({
        ...(await make({ name: 'CN=ca', parent: root, extensions: { subjectKeyIdentifier: undefined } })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a leaf in the chain',
      material: async () => {
        const between = await make({ name: 'CN=middle', parent: root, extensions: leaf })
        return {
          ...(await make({ name: 'CN=ca', parent: between })),
          chain: certificates(between),
          roots: certificates(root),
        }
      },
    },
    {
      what: 'a leaf among the roots',
      material: async () => ({
        ...ca,
        chain: certificates(middle),
        roots: certificates(root, await make({ name: 'CN=leaf', extensions: leaf })),
      }),
    },
    {
      what: 'a chain longer than a CA in it allows',
      material: async () => {
        const between = await make({
          name: 'CN=middle',
          parent: root,
          extensions: { basicConstraints: { ca: true, pathLength: 0 } },
        })
        return {
          ...(await make({ name: 'CN=ca', parent: between })),
          chain: certificates(between),
          roots: certificates(root),
        }
      },
    },
    {
      what: 'a chain longer than its root allows',
      material: async () => {
        const short = await make({
          name: 'CN=root',
          extensions: { basicConstraints: { ca: true, pathLength: 1 } },
        })
        const between = await make({ name: 'CN=middle', parent: short })
        return {
          ...(await make({ name: 'CN=ca', parent: between })),
          chain: certificates(between),
          roots: certificates(short),
        }
      },
    },
    { what: 'a missing link', material: async () => ({ ...ca, roots: certificates(root) }) },
    {
      what: 'a link with the right name and another key',
      material: async () => ({
        ...ca,
        chain: certificates(await make({ name: 'CN=middle', parent: root })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a link with the right key and another name',
      material: async () => ({
        ...ca,
        chain: certificates(await make({ name: 'CN=other', parent: root, signer: middle.signer })),
        roots: certificates(root),
      }),
    },
    {
      what: 'a root with the right name and another key',
      material: async () => ({
        ...ca,
        chain: certificates(middle),
        roots: certificates(await make({ name: 'CN=root' })),
      }),
    },
    {
      what: 'a root with the right key and another name',
      material: async () => ({
        ...ca,
        chain: certificates(middle),
        roots: certificates(await make({ name: 'CN=other', signer: root.signer })),
      }),
    },
    { what: 'no root at all', material: async () => ({ ...ca, chain: certificates(middle), roots: [] }) },
    {
      what: 'a root of its own that somebody else signed',
      material: async () => make({ name: 'CN=root', parent: root }),
    },
    {
      what: 'a root of its own with another issuer',
      material: async () => make({ name: 'CN=self', issuer: 'CN=other' }),
    },
    { what: 'the key of another CA', material: async () => ({ ...root, signer: middle.signer }) },
  ])('with $what is none', async ({ material }) => {
    const made = await material()
    expect(() => authorityOf(made)).toThrow(code('ERR_CA_MATERIAL'))
  })

  it('is bounded by the roots that signed it, and by no others', async () => {
    const short = await make({ name: 'CN=root', to: start + 10 * day })
    const authority = await make({ name: 'CN=ca', parent: short })
    const others = [
      await make({ name: 'CN=root', to: start + 500 * day }),
      await make({ name: 'CN=other', signer: short.signer, to: start + 500 * day }),
    ]
    const { notAfter } = await authorityOf({ ...authority, roots: certificates(...others, short) }).prepare(
      csr,
      { ...content, ttlSeconds: 90 * 86_400 },
    )
    expect(notAfter.getTime()).toBe(start + 10 * day)
  })
})

describe('a leaf', () => {
  it('has the extensions and criticality of the profile, and is backdated by two minutes', async () => {
    const authority = authorityOf(root, start + day + 500)
    const { certificate } = await authority.sign(await authority.prepare(csr, content))
    expect(Object.fromEntries(certificate.extensions.map(({ oid, critical }) => [oid, critical]))).toEqual({
      [extensionOids.authorityKeyIdentifier]: false,
      [extensionOids.subjectKeyIdentifier]: false,
      [extensionOids.subjectAltName]: true,
      [extensionOids.keyUsage]: true,
      [extensionOids.basicConstraints]: true,
      [extensionOids.extendedKeyUsage]: false,
    })
    expect([certificate.notBeforeMs, certificate.notAfterMs]).toEqual([
      start + day - 120_000,
      start + 2 * day,
    ])
    const spire = createCertificateAuthority({
      trustDomain: 'example.org',
      clock: clockAt(start + day),
      profile: spireProfile,
      ...root,
    })
    expect((await spire.prepare(csr, content)).notAfter.getTime()).toBe(start + day + 3_600_000)
    expect((await spire.sign(await spire.prepare(csr, content))).certificate.notBeforeMs).toBe(
      start + day - 10_000,
    )
  })
})

describe('a CA in time', () => {
  const early = start - 500 * day
  const of = async (
    roots: readonly Wish[],
    wish: Partial<Wish> = {},
  ): Promise<(ms: number) => Certificate> => {
    const signer = await SoftwareSigner.generate('P-256')
    const made = await Promise.all(roots.map((one) => make({ ...one, signer })))
    const below = await make({ name: 'CN=ca', parent: made[0], from: early, ...wish })
    return (ms) => {
      const authority = authorityOf({ ...below, roots: certificates(...made) }, ms)
      expect(authority.certificate).toEqual(below.certificate)
      return below.certificate
    }
  }

  it.each([
    {
      what: 'its own first instant',
      roots: [{ name: 'CN=root', from: early }],
      wish: { from: start },
      good: [start, start + 1],
      bad: [start - 1],
    },
    {
      what: 'the first instant of its root',
      roots: [{ name: 'CN=root', from: start }],
      wish: {},
      good: [start],
      bad: [start - 1],
    },
    {
      what: 'the first instant of the earliest of its roots',
      roots: [
        { name: 'CN=root', from: start },
        { name: 'CN=root', from: start - day },
      ],
      wish: {},
      good: [start - day, start],
      bad: [start - day - 1],
    },
    {
      what: 'its own last second',
      roots: [{ name: 'CN=root', from: early }],
      wish: { to: start },
      good: [start - 1, start, start + 999],
      bad: [start + 1000],
    },
    {
      what: 'the last second of its root',
      roots: [{ name: 'CN=root', from: early, to: start }],
      wish: {},
      good: [start, start + 999],
      bad: [start + 1000],
    },
    {
      what: 'the last second of the last of its roots',
      roots: [
        { name: 'CN=root', from: early, to: start },
        { name: 'CN=root', from: early, to: start + day },
      ],
      wish: {},
      good: [start + 1000, start + day + 999],
      bad: [start + day + 1000],
    },
  ])('signs in $what, and not beyond', async ({ roots, wish, good, bad }) => {
    const prepareAt = await of(roots, wish)
    for (const ms of good) expect(prepareAt(ms).subject.toString()).toBe('CN=ca')
    for (const ms of bad)
      expect(() => prepareAt(ms)).toThrow(code(expect.stringMatching(/^ERR_CA_(EXPIRED|NOT_YET_VALID)$/)))
  })

  it('keeps the name constraints of a root that signs by itself', async () => {
    const constrained = await make({
      name: 'CN=root',
      extensions: { nameConstraints: { permitted: [generalName.uri('other.example')] } },
    })
    expect(() => authorityOf(constrained)).toThrow(code('ERR_CA_MATERIAL'))
  })
})
