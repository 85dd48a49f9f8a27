// Path building and the checks of RFC 5280 section 6, each with a path that passes and one that does not.

import { describe, expect, it } from 'vitest'
import {
  Certificate,
  DistinguishedName,
  extensionOids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import { encodeBasicConstraints } from '../../../src/x509/internal.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import {
  createPathValidator,
  explainVerdict,
  verifyPathOrThrow,
  validationProfiles,
  verifyPath,
} from '../../../src/validation/index.ts'
import { isVerifiedPath } from '../../../src/validation/internal.ts'
import type { RevocationQuery, Verdict } from '../../../src/validation/index.ts'
import type { PathValidatorOptions } from '../../../src/validation/path-options.ts'
import {
  makeAuthority,
  makeChain,
  makeLeaf,
  mutate,
  notAfter,
  notBefore,
  rejectionOf,
  time,
} from './test-pki.ts'
import type { Authority } from './test-pki.ts'

const { root, ca: issuing, leaf } = await makeChain()

const options = (changes: Partial<PathValidatorOptions> = {}): PathValidatorOptions => ({
  anchors: [root.certificate],
  intermediates: [issuing.certificate],
  time,
  ...changes,
})

/** `ok`, or the code of the most telling rejection. */
const outcome = (verdict: Verdict): string => rejectionOf(verdict) ?? 'ok'

describe('a valid path', () => {
  it('names its certificates from the leaf to the anchor', () => {
    const verdict = verifyPath(leaf, options())
    if (!verdict.ok) throw new Error(explainVerdict(verdict))
    expect(verdict.path.certificates.map(({ serialNumber }) => serialNumber)).toEqual(
      [leaf, issuing.certificate, root.certificate].map(({ serialNumber }) => serialNumber),
    )
    expect(verdict.path.leaf.equals(leaf)).toBe(true)
    expect(verdict.path.anchor.certificate?.equals(root.certificate)).toBe(true)
    expect(verdict.path.time).toEqual(time)
    expect(verdict.spent).toMatchObject({ signatureChecks: 2, candidates: 2, pathCertificates: 3 })
    expect(isVerifiedPath(verdict.path)).toBe(true)
    expect(isVerifiedPath({ ...verdict.path })).toBe(false)
  })

  it.each(['DER', 'PEM', 'node:crypto'])('is found from %s', (form) => {
    const as = (certificate: Certificate): Uint8Array | string | ReturnType<Certificate['toNode']> =>
      form === 'DER' ? certificate.der : form === 'PEM' ? certificate.toPem() : certificate.toNode()
    expect(
      outcome(
        verifyPath(
          as(leaf),
          options({ anchors: [as(root.certificate)], intermediates: [as(issuing.certificate)] }),
        ),
      ),
    ).toBe('ok')
  })

  it('may end at a name with a key', () => {
    const anchor = { subject: 'CN=ROOT', publicKey: root.signer.publicKey }
    const verdict = verifyPath(leaf, options({ anchors: [anchor] }))
    expect(verdict.ok && verdict.path.certificates.length).toBe(2)
  })

  it('may end at an intermediate that is trusted, and does when the anchor is sent along', () => {
    const trusted = options({
      anchors: [issuing.certificate],
      intermediates: [root.certificate, issuing.certificate],
    })
    const verdict = verifyPath(leaf, trusted)
    expect(verdict.ok && verdict.path.certificates.length).toBe(2)
  })

  it('is found among several keys of one name, and past an expired cross-certificate', async () => {
    const namesake = await makeAuthority('ca', root)
    const expired = await makeAuthority('ca', root, {
      signer: issuing.signer,
      notAfter: new Date('2026-02-01T00:00:00Z'),
    })
    const otherRoot = await makeAuthority('other root')
    const crossed = await makeAuthority('ca', otherRoot, { signer: issuing.signer })
    const intermediates = [namesake, expired, crossed, issuing].map(({ certificate }) => certificate)
    expect(outcome(verifyPath(leaf, options({ intermediates })))).toBe('ok')
    expect(outcome(verifyPath(leaf, options({ intermediates: intermediates.slice(0, 2) })))).toBe(
      'ERR_PATH_EXPIRED',
    )
  })

  it('is of the certificates that lead to the anchor, after others that led nowhere', async () => {
    // Of a shorter name than the root's: theirs come first.
    const nobody = await makeAuthority('x')
    const strangers = await Promise.all(
      [1, 2, 3, 4].map(() => makeAuthority('ca', nobody, { signer: issuing.signer })),
    )
    const asked: (readonly (Certificate | undefined)[])[] = []
    const revocation = {
      check: ({ certificate, issuer, above }: RevocationQuery) => {
        asked.push([certificate, issuer.certificate, ...(above ?? []).map((one) => one.certificate)])
        return undefined
      },
    }
    const verdict = verifyPath(
      leaf,
      options({ intermediates: [...strangers, issuing].map(({ certificate }) => certificate), revocation }),
    )
    expect(verdict.ok && verdict.path.certificates.map(({ serialNumber }) => serialNumber)).toEqual(
      [leaf, issuing.certificate, root.certificate].map(({ serialNumber }) => serialNumber),
    )
    expect(asked.map((path) => path.map((one) => one?.serialNumber))).toContainEqual(
      [leaf, issuing.certificate, root.certificate].map(({ serialNumber }) => serialNumber),
    )
    for (const path of asked)
      expect(path.map((one) => one?.serialNumber)).not.toContain(strangers[0]!.certificate.serialNumber)
    const self = await makeAuthority('self')
    const own = verifyPath(self.certificate, options({ anchors: [self.certificate] }))
    expect(own.ok && own.path.certificates.length).toBe(1)
  })

  it('is not missed for a loop of cross-certificates', async () => {
    const other = await makeAuthority('other', root)
    const a = await makeAuthority('ca', other, { signer: issuing.signer })
    const b = await makeAuthority('other', issuing, { signer: other.signer })
    expect(
      outcome(
        verifyPath(leaf, options({ intermediates: [a.certificate, b.certificate, issuing.certificate] })),
      ),
    ).toBe('ok')
    expect(outcome(verifyPath(leaf, options({ intermediates: [a.certificate, b.certificate] })))).toBe(
      'ERR_PATH_ISSUER_UNKNOWN',
    )
  })
})

describe('a path is refused', () => {
  const cases: [string, string, () => Promise<Verdict>][] = [
    [
      'without the issuer',
      'ERR_PATH_ISSUER_UNKNOWN',
      async () => verifyPath(leaf, options({ intermediates: [] })),
    ],
    [
      'for another anchor',
      'ERR_PATH_SIGNATURE',
      async () => verifyPath(leaf, options({ anchors: [(await makeAuthority('root')).certificate] })),
    ],
    [
      'for a changed signature',
      'ERR_PATH_SIGNATURE',
      async () => verifyPath(mutate(leaf.der, leaf.der.length - 3, 1), options()),
    ],
    [
      'before its time',
      'ERR_PATH_NOT_YET_VALID',
      async () => verifyPath(leaf, options({ time: new Date(notBefore.getTime() - 1) })),
    ],
    [
      'after its time',
      'ERR_PATH_EXPIRED',
      async () => verifyPath(leaf, options({ time: new Date(notAfter.getTime() + 1000) })),
    ],
    [
      'for an expired issuer',
      'ERR_PATH_EXPIRED',
      async () => below({ notAfter: new Date('2026-02-01T00:00:00Z') }),
    ],
    [
      'for an issuer that is no CA',
      'ERR_PATH_NOT_CA',
      async () => below({ extensions: { basicConstraints: { ca: false }, keyUsage: ['digitalSignature'] } }),
    ],
    [
      'for an issuer without basic constraints',
      'ERR_PATH_NOT_CA',
      async () => below({ extensions: { basicConstraints: undefined, keyUsage: undefined } }),
    ],
    [
      'for an issuer that may not sign certificates',
      'ERR_PATH_NOT_CA',
      async () => below({ extensions: { keyUsage: ['cRLSign'] } }),
    ],
    ['for a path length', 'ERR_PATH_LENGTH', async () => deep(0)],
    [
      'for an unknown critical extension',
      'ERR_PATH_CRITICAL_EXTENSION',
      async () =>
        below({ extensions: { other: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] } }),
    ],
    [
      'for another purpose',
      'ERR_PATH_EXTENDED_KEY_USAGE',
      async () => verifyPath(leaf, options({ extendedKeyUsage: 'codeSigning' })),
    ],
    [
      'for a purpose that the CA does not pass on',
      'ERR_PATH_EXTENDED_KEY_USAGE',
      async () => below({ extensions: { extendedKeyUsage: [keyPurposeOids.clientAuth] } }),
    ],
    [
      'for a key usage',
      'ERR_PATH_KEY_USAGE',
      async () => verifyPath(leaf, options({ keyUsage: ['keyAgreement'] })),
    ],
    [
      'for more intermediates than wanted',
      'ERR_PATH_LENGTH',
      async () => verifyPath(leaf, options({ maxDepth: 0 })),
    ],
    [
      'for bytes that are no certificate',
      'ERR_DER',
      async () => verifyPath(new Uint8Array([0x30, 3, 1, 2]), options()),
    ],
  ]

  it.each(cases)('%s', async (_name, code, run) => {
    const verdict = await run()
    expect(outcome(verdict)).toBe(code)
    expect(explainVerdict(verdict)).toContain(code)
  })

  async function below(changes: Parameters<typeof makeAuthority>[2]): Promise<Verdict> {
    const authority = await makeAuthority('below', root, changes)
    const extendedKeyUsage = 'serverAuth'
    const profile = { ...validationProfiles.rfc5280, certificateRules: 'path' } as const
    return verifyPath(
      await makeLeaf(authority),
      options({ intermediates: [authority.certificate], extendedKeyUsage, profile }),
    )
  }

  async function deep(pathLength: number): Promise<Verdict> {
    const upper = await makeAuthority('upper', root, {
      extensions: { basicConstraints: { ca: true, pathLength } },
    })
    const lower = await makeAuthority('lower', upper)
    return verifyPath(
      await makeLeaf(lower),
      options({ intermediates: [upper.certificate, lower.certificate] }),
    )
  }
})

describe('path length', () => {
  it('does not count self-issued intermediates (RFC 5280 §6.1.4 (l))', async () => {
    const upper = await makeAuthority('upper', root, {
      extensions: { basicConstraints: { ca: true, pathLength: 0 } },
    })
    const rolled = await makeAuthority('upper', upper)
    const leafBelow = await makeLeaf(rolled)
    expect(
      outcome(
        verifyPath(
          leafBelow,
          options({ intermediates: [upper.certificate, rolled.certificate], maxDepth: 1 }),
        ),
      ),
    ).toBe('ok')
  })

  it('does not count a self-issued root below another, nor an anchor, whatever it is', async () => {
    const renewed = await makeAuthority('root', root)
    const below = await makeAuthority('below', renewed)
    const wide = { intermediates: [renewed.certificate, below.certificate], maxDepth: 1 }
    expect(outcome(verifyPath(await makeLeaf(below), options(wide)))).toBe('ok')
    for (const anchor of [root.certificate, { subject: root.name, publicKey: root.signer.publicKey }]) {
      expect(outcome(verifyPath(await makeLeaf(root), options({ anchors: [anchor], maxDepth: 0 })))).toBe(
        'ok',
      )
      expect(outcome(verifyPath(leaf, options({ anchors: [anchor], maxDepth: 0 })))).toBe('ERR_PATH_LENGTH')
    }
    expect(outcome(verifyPath(leaf, options({ anchors: [issuing.certificate], maxDepth: 0 })))).toBe('ok')
  })

  it('of the anchor holds too', async () => {
    const anchor = await makeAuthority('anchor', undefined, {
      extensions: { basicConstraints: { ca: true, pathLength: 0 } },
    })
    const lower = await makeAuthority('lower', anchor)
    expect(outcome(verifyPath(await makeLeaf(anchor), options({ anchors: [anchor.certificate] })))).toBe('ok')
    expect(
      outcome(
        verifyPath(
          await makeLeaf(lower),
          options({ anchors: [anchor.certificate], intermediates: [lower.certificate] }),
        ),
      ),
    ).toBe('ERR_PATH_LENGTH')
  })
})

describe('the most telling failure comes first', () => {
  it('a path that reached the anchor before one that did not', async () => {
    const expired = await makeAuthority('ca', root, {
      signer: issuing.signer,
      notAfter: new Date('2026-02-01T00:00:00Z'),
    })
    const stranger = await makeAuthority('ca', await makeAuthority('nobody'), { signer: issuing.signer })
    const verdict = verifyPath(leaf, options({ intermediates: [stranger.certificate, expired.certificate] }))
    expect(verdict.ok ? [] : verdict.rejected.map(({ code, path }) => [code, path.length])).toEqual([
      ['ERR_PATH_EXPIRED', 2],
      ['ERR_PATH_ISSUER_UNKNOWN', 2],
    ])
  })
})

it('an explanation shows names as text, whatever is in them', async () => {
  const certificate = await makeLeaf(issuing, { subject: DistinguishedName.of([['CN', 'a\u202eb']]) })
  const text = explainVerdict(verifyPath(certificate, options({ intermediates: [] })))
  expect(text).not.toMatch(/\u202e/)
  expect(text).toContain('u{202e}b')
})

describe('a twin that throws', () => {
  it('carries the verdict', () => {
    expect(() => verifyPathOrThrow(leaf, options({ intermediates: [] }))).toThrow(
      expect.objectContaining({
        code: 'ERR_PATH_ISSUER_UNKNOWN',
        verdict: expect.objectContaining({ ok: false }),
      }),
    )
    expect(verifyPathOrThrow(leaf, options()).path.leaf.equals(leaf)).toBe(true)
  })
})

describe('settings that mean nothing', () => {
  it.each([
    ['no anchor', () => verifyPath(leaf, options({ anchors: [] })), 'ERR_INVALID_ARGUMENT'],
    [
      'an invalid time',
      () => verifyPath(leaf, options({ time: new Date(Number.NaN) })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a time that is a number',
      () => verifyPath(leaf, options({ time: 7 as unknown as Date })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a depth that is no count',
      () => verifyPath(leaf, options({ maxDepth: Number.NaN })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a budget that is no count',
      () => verifyPath(leaf, options({ budget: { maxSignatureChecks: Number.NaN } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a budget of nothing that is counted',
      () => verifyPath(leaf, options({ budget: { signatureCheck: 1 } as object })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a memory that is no count',
      () => verifyPath(leaf, options({ maxRememberedIssuers: Number.NaN })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'an extension in the place of a list of them',
      () => verifyPath(leaf, options({ knownCriticalExtensions: '1.2.3.4' as unknown as string[] })),
      'ERR_INVALID_ARGUMENT',
    ],
    ['a list of peers without any', () => verifyPath(leaf, options({ peer: [] })), 'ERR_INVALID_ARGUMENT'],
    [
      'two names for a peer, of which one would be looked at',
      () => verifyPath(leaf, options({ peer: { dns: 'web.example', ip: '192.0.2.1' } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a peer by a misspelt kind of name',
      () => verifyPath(leaf, options({ peer: { host: 'web.example' } as unknown as { dns: string } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a peer that is a text',
      () => verifyPath(leaf, options({ peer: 'web.example' as unknown as { dns: string } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a policy that is wanted in words',
      () => verifyPath(leaf, options({ policies: { explicitPolicy: 'true' as unknown as boolean } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a policy in the place of a set',
      () =>
        verifyPath(leaf, options({ policies: { initialPolicySet: '2.5.29.32.0' as unknown as string[] } })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'rules that are misspelt',
      () =>
        verifyPath(
          leaf,
          options({ profile: { ...validationProfiles.webpki, certificateRules: 'webPKI' as 'webpki' } }),
        ),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a key algorithm in the place of a list',
      () =>
        verifyPath(
          leaf,
          options({ profile: { ...validationProfiles.webpki, keyAlgorithms: null as unknown as [] } }),
        ),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a purpose that is a number',
      () => verifyPath(leaf, options({ extendedKeyUsage: [1.2 as never] })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a purpose that is a misspelt name',
      () => verifyPath(leaf, options({ extendedKeyUsage: 'serverauth' })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'half a profile',
      () => verifyPath(leaf, options({ profile: { name: 'half' } as typeof validationProfiles.rfc5280 })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'an unknown profile',
      () => verifyPath(leaf, options({ profile: 'toString' as 'webpki' })),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'an anchor that is no certificate',
      () => verifyPath(leaf, options({ anchors: [new Uint8Array(3)] })),
      'ERR_DER',
    ],
    ['a leaf of the wrong type', () => verifyPath(7 as unknown as string, options()), 'ERR_INVALID_ARGUMENT'],
  ])('%s', (_name, run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }))
  })
})

describe('a validator that is kept', () => {
  it('remembers the signature of a leaf that it is given again, and nothing else of it', () => {
    const kept = createPathValidator(options())
    const again = leaf.withSignature(leaf.signature)
    expect(kept.verify(again)).toMatchObject({ ok: true, spent: { signatureChecks: 2 } })
    expect(kept.verify(again)).toMatchObject({ ok: true, spent: { signatureChecks: 0 } })
    expect(outcome(kept.verify(again, { time: new Date('2030-01-01T00:00:00Z') }))).toBe('ERR_PATH_EXPIRED')
    // The same certificate from other bytes, one bit of the signature changed.
    expect(outcome(kept.verify(mutate(leaf.der, leaf.der.length - 1, 1)))).toBe('ERR_PATH_SIGNATURE')
    expect(kept.verify(leaf.der)).toMatchObject({ ok: true, spent: { signatureChecks: 1 } })
  })

  it(
    'remembers of a leaf who signed it, and of an intermediate with the same issuer key nothing by ' + 'that',
    async () => {
      const below = await makeAuthority('below', root, { signer: root.signer })
      const again = await makeLeaf(below)
      const kept = createPathValidator({ anchors: [root.certificate], time })
      expect(outcome(kept.verify(again, { intermediates: [below.certificate] }))).toBe('ok')
      expect(
        outcome(
          kept.verify(again, {
            intermediates: [mutate(below.certificate.der, below.certificate.der.length - 1, 1)],
          }),
        ),
      ).toBe('ERR_PATH_SIGNATURE')
    },
  )

  it('remembers a signature that does not hold as one', () => {
    const kept = createPathValidator({
      anchors: [root.certificate],
      intermediates: [mutate(issuing.certificate.der, issuing.certificate.der.length - 1, 1)],
      time,
    })
    for (const signatureChecks of [2, 1]) {
      const verdict = kept.verify(leaf.der)
      expect([outcome(verdict), verdict.spent.signatureChecks]).toEqual([
        'ERR_PATH_SIGNATURE',
        signatureChecks,
      ])
    }
  })

  it('has each intermediate once', async () => {
    const { certificate } = issuing
    const { certificate: elsewhere } = await makeAuthority('elsewhere')
    const kept = createPathValidator({
      anchors: [elsewhere],
      intermediates: [certificate, certificate.der, Uint8Array.from(certificate.der), elsewhere],
      time,
    })
    expect(kept.verify(leaf)).toMatchObject({
      ok: false,
      rejected: [{ code: 'ERR_PATH_ISSUER_UNKNOWN' }],
      spent: { candidates: 1 },
    })
  })

  it('remembers the signatures of intermediates, its own and presented ones', () => {
    const kept = createPathValidator(options())
    expect(kept.verify(leaf).spent.signatureChecks).toBe(2)
    expect(kept.verify(leaf.der).spent.signatureChecks).toBe(1)
    const presented = createPathValidator({ anchors: [root.certificate], time })
    expect(
      presented.verify(leaf.der, { intermediates: [issuing.certificate.der] }).spent.signatureChecks,
    ).toBe(2)
    expect(
      presented.verify(leaf.der, { intermediates: [Uint8Array.from(issuing.certificate.der)] }).spent
        .signatureChecks,
    ).toBe(1)
    expect(outcome(presented.verify(leaf))).toBe('ERR_PATH_ISSUER_UNKNOWN')
  })

  it('forgets the intermediate that was used longest ago', async () => {
    const names = ['a', 'b', 'c', 'd']
    const leaves = await Promise.all(
      names.map(async (name) => {
        const authority = await makeAuthority(name, root)
        return { leaf: await makeLeaf(authority), intermediates: [authority.certificate.der] }
      }),
    )
    const kept = createPathValidator({ anchors: [root.certificate], time, maxRememberedIssuers: 3 })
    /** 1 where the signature of the intermediate was remembered, else 2. */
    const checks = (at: number): number => {
      const {
        leaf: { der },
        intermediates,
      } = leaves[at]!
      return kept.verify(der, { intermediates }).spent.signatureChecks
    }
    expect([0, 1, 0, 2, 3].map(checks)).toEqual([2, 2, 1, 2, 2])
    expect([0, 1].map(checks)).toEqual([1, 2])
    const none = createPathValidator({ anchors: [root.certificate], time, maxRememberedIssuers: 0 })
    for (let i = 0; i < 2; i++)
      expect(
        none.verify(leaves[0]!.leaf.der, { intermediates: leaves[0]!.intermediates }).spent.signatureChecks,
      ).toBe(2)
  })

  it('says the same when its keys were prepared, whatever is wrong with some of them', async () => {
    const { der, publicKey } = root.certificate
    // A point that is not on the curve any more, under the same name.
    const broken = Certificate.parse(mutate(der, Buffer.from(der).indexOf(publicKey.spki) + 60, 1))
    const kept = createPathValidator({
      anchors: [broken, root.certificate],
      intermediates: [issuing.certificate],
      time,
    })
    await kept.prepare()
    expect(kept.verify(leaf.der)).toMatchObject({ ok: true, spent: { signatureChecks: 2 } })
    expect(outcome(kept.verify(mutate(leaf.der, leaf.der.length - 1, 1)))).toBe('ERR_PATH_SIGNATURE')
  })

  it('asks about time, purpose and constraints every time', () => {
    const kept = createPathValidator(options())
    expect(outcome(kept.verify(leaf))).toBe('ok')
    expect(outcome(kept.verify(leaf, { time: new Date('2027-06-01T00:00:00Z') }))).toBe('ERR_PATH_EXPIRED')
    expect(outcome(kept.verify(leaf, { extendedKeyUsage: 'codeSigning' }))).toBe(
      'ERR_PATH_EXTENDED_KEY_USAGE',
    )
    expect(outcome(kept.verify(leaf))).toBe('ok')
  })

  it('never takes a remembered certificate for one with other bytes', () => {
    const kept = createPathValidator({ anchors: [root.certificate], time })
    expect(outcome(kept.verify(leaf, { intermediates: [issuing.certificate.der] }))).toBe('ok')
    // The end of the signature, by which it is looked up, stays as it was.
    for (const at of [60, 120, 200]) {
      expect(
        outcome(kept.verify(leaf, { intermediates: [mutate(issuing.certificate.der, at, 1)] })),
      ).not.toBe('ok')
    }
  })
})

describe('settings', () => {
  const critical = (oid: string, value: Uint8Array): ExtensionFields => ({
    other: [{ oid, critical: true, value }],
  })
  it.each<[string, ExtensionFields, Partial<PathValidatorOptions>, string]>([
    [
      'a critical extension that the caller knows',
      critical('1.2.3', Uint8Array.of(5, 0)),
      { knownCriticalExtensions: ['1.2.3'] },
      'ok',
    ],
    [
      'another one',
      critical('1.2.4', Uint8Array.of(5, 0)),
      { knownCriticalExtensions: ['1.2.3'] },
      'ERR_PATH_CRITICAL_EXTENSION',
    ],
    [
      'critical policies without qualifiers',
      critical(extensionOids.certificatePolicies, Buffer.from('3006300406022903', 'hex')),
      {},
      'ok',
    ],
    [
      'a purpose by its number',
      { extendedKeyUsage: ['1.3.6.1.5.5.7.3.17'] },
      { extendedKeyUsage: '1.3.6.1.5.5.7.3.17' },
      'ok',
    ],
    [
      'a purpose by its number, which is another',
      {},
      { extendedKeyUsage: '1.3.6.1.5.5.7.3.17' },
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    ['two purposes', {}, { extendedKeyUsage: ['serverAuth', 'clientAuth'] }, 'ok'],
    [
      'two purposes, of which the leaf has one',
      {},
      { extendedKeyUsage: ['serverAuth', 'codeSigning'] },
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    ['a key usage that the leaf has', {}, { keyUsage: ['digitalSignature'] }, 'ok'],
    [
      'a purpose, and the leaf has no key usage',
      { keyUsage: undefined },
      { extendedKeyUsage: 'serverAuth' },
      'ok',
    ],
    [
      'a purpose, where any will not do',
      { extendedKeyUsage: [keyPurposeOids.any] },
      {
        extendedKeyUsage: 'serverAuth',
        profile: { ...validationProfiles.rfc5280, acceptAnyExtendedKeyUsage: false },
      },
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    [
      'the time of a clock',
      {},
      { time: undefined, clock: { ...systemClock, now: () => notAfter.getTime() + 1000 } },
      'ERR_PATH_EXPIRED',
    ],
    ['a key usage, and the leaf is for any', { keyUsage: undefined }, { keyUsage: ['keyAgreement'] }, 'ok'],
  ])('%s', async (_what, extensions, changes, wanted) => {
    expect(outcome(verifyPath(await makeLeaf(issuing, { extensions }), options(changes)))).toBe(wanted)
  })
})

describe('purposes of CAs', () => {
  it.each([
    [true, 'ERR_PATH_EXTENDED_KEY_USAGE'],
    [false, 'ok'],
  ])('bind what is below, if the profile says so: %s', async (nestedExtendedKeyUsage, wanted) => {
    const authority = await makeAuthority('client CA', root, {
      extensions: { extendedKeyUsage: [keyPurposeOids.clientAuth] },
    })
    const profile = { ...validationProfiles.rfc5280, nestedExtendedKeyUsage }
    expect(
      outcome(
        verifyPath(
          await makeLeaf(authority),
          options({ intermediates: [authority.certificate], profile, extendedKeyUsage: 'serverAuth' }),
        ),
      ),
    ).toBe(wanted)
  })

  it('are not held against the key usage of one in the place of a leaf', async () => {
    const { certificate } = await makeAuthority('CA', root, {
      extensions: { extendedKeyUsage: [keyPurposeOids.serverAuth] },
    })
    expect(outcome(verifyPath(certificate, options({ extendedKeyUsage: 'serverAuth' })))).toBe('ok')
  })
})

describe('names of issuers', () => {
  it('are compared by RFC 5280 §7.1, not by their bytes', async () => {
    const spelt: Authority = { ...issuing, name: DistinguishedName.parse('CN=  CA ') }
    expect(outcome(verifyPath(await makeLeaf(spelt), options()))).toBe('ok')
  })
})

describe('the wanted peer', () => {
  it.each<[string, PathValidatorOptions['peer'], string]>([
    ['a host', { dns: 'web.example' }, 'ok'],
    ['a host in capitals', { dns: 'WEB.example' }, 'ok'],
    ['another host', { dns: 'www.web.example' }, 'ERR_PATH_PEER_NAME'],
    ['an address', { ip: '192.0.2.1' }, 'ERR_PATH_PEER_NAME'],
    ['both of two', [{ dns: 'web.example' }, { dns: 'other.example' }], 'ERR_PATH_PEER_NAME'],
    ['a SPIFFE ID', { spiffeId: 'spiffe://example.org/web' }, 'ERR_PATH_PEER_NAME'],
  ])('%s', (_name, peer, wanted) => {
    expect(outcome(verifyPath(leaf, options(peer === undefined ? {} : { peer })))).toBe(wanted)
  })
})

describe('name constraints', () => {
  it.each(['of the anchor', 'given with the anchor', 'of an intermediate'])(
    '%s bind what is below',
    async (where) => {
      const nameConstraints = { permitted: [generalName.dns('other.example')] }
      const constrained = { extensions: { nameConstraints } }
      const anchor =
        where === 'of the anchor'
          ? await makeAuthority('root', undefined, { signer: root.signer, ...constrained })
          : root
      const authority =
        where === 'of an intermediate'
          ? await makeAuthority('ca', root, { signer: issuing.signer, ...constrained })
          : issuing
      const subtrees = nameConstraints.permitted.map((base) => ({ base, minimum: 0, maximum: undefined }))
      const fields = {
        subject: root.name,
        publicKey: root.signer.publicKey,
        nameConstraints: { permitted: subtrees, excluded: [] },
      }
      const anchors = [where === 'given with the anchor' ? fields : anchor.certificate]
      expect(outcome(verifyPath(leaf, options({ anchors, intermediates: [authority.certificate] })))).toBe(
        'ERR_PATH_NAME_CONSTRAINTS',
      )
    },
  )
})

describe('the profile rfc5280', () => {
  const wrong: [string, () => Promise<Verdict>][] = [
    [
      'a serial number of zero',
      async () => judged(await makeLeaf(issuing, { serialNumber: Uint8Array.of(0) })),
    ],
    [
      'no authority key identifier',
      async () => judged(await makeLeaf(issuing, { extensions: { authorityKeyIdentifier: undefined } })),
    ],
    [
      'neither subject nor alternative name',
      async () => judged(await makeLeaf(issuing, { extensions: { subjectAltName: undefined } })),
    ],
    [
      'keyCertSign without CA',
      async () => judged(await makeLeaf(issuing, { extensions: { keyUsage: ['keyCertSign'] } })),
    ],
    [
      'a name that is no host name',
      async () =>
        judged(await makeLeaf(issuing, { extensions: { subjectAltName: [generalName.dns('a_b.example')] } })),
    ],
    [
      'an address where a host name belongs',
      async () =>
        judged(await makeLeaf(issuing, { extensions: { subjectAltName: [generalName.dns('192.0.2.1')] } })),
    ],
    [
      'a relative URI',
      async () =>
        judged(await makeLeaf(issuing, { extensions: { subjectAltName: [generalName.uri('/a/b')] } })),
    ],
    [
      'name constraints in a leaf',
      async () =>
        judged(
          await makeLeaf(issuing, {
            extensions: { nameConstraints: { permitted: [generalName.dns('example')] } },
          }),
        ),
    ],
  ]
  const judged = (certificate: Certificate, profile: 'rfc5280' | 'spiffe' = 'rfc5280'): Verdict =>
    verifyPath(certificate, options({ profile }))

  it.each(wrong)('refuses %s', async (_name, run) => {
    expect(outcome(await run())).toBe('ERR_PATH_PROFILE')
  })

  it('refuses basic constraints of a CA that are not critical, which section 6 lets pass', async () => {
    const value = encodeBasicConstraints({ ca: true, pathLength: undefined })
    const loose = await makeAuthority('loose', root, {
      extensions: {
        basicConstraints: undefined,
        other: [{ oid: extensionOids.basicConstraints, critical: false, value }],
      },
    })
    const certificate = await makeLeaf(loose)
    expect(outcome(verifyPath(certificate, options({ intermediates: [loose.certificate] })))).toBe(
      'ERR_PATH_PROFILE',
    )
    expect(
      outcome(verifyPath(certificate, options({ intermediates: [loose.certificate], profile: 'spiffe' }))),
    ).toBe('ok')
  })
})

describe('the profile webpki', () => {
  it.each<[string, string, () => Promise<Certificate>]>([
    ['an ordinary leaf', 'ok', () => makeLeaf(issuing)],
    [
      'no extended key usage',
      'ERR_PATH_EXTENDED_KEY_USAGE',
      () => makeLeaf(issuing, { extensions: { extendedKeyUsage: undefined } }),
    ],
    [
      'anyExtendedKeyUsage',
      'ERR_PATH_PROFILE',
      () =>
        makeLeaf(issuing, {
          extensions: { extendedKeyUsage: [keyPurposeOids.any, keyPurposeOids.serverAuth] },
        }),
    ],
    [
      'a common name that is no alternative name',
      'ERR_PATH_PROFILE',
      () => makeLeaf(issuing, { subject: DistinguishedName.parse('CN=other.example') }),
    ],
    [
      'a common name that is one',
      'ok',
      () => makeLeaf(issuing, { subject: DistinguishedName.parse('CN=web.example') }),
    ],
    [
      'a common name of another case',
      'ERR_PATH_PROFILE',
      () => makeLeaf(issuing, { subject: DistinguishedName.parse('CN=Web.example') }),
    ],
    [
      'a wildcard over a registry',
      'ERR_PATH_PROFILE',
      () => makeLeaf(issuing, { extensions: { subjectAltName: [generalName.dns('*.com')] } }),
    ],
    [
      'a CA as leaf',
      'ERR_PATH_PROFILE',
      async () =>
        (
          await makeAuthority('below', issuing, {
            subject: DistinguishedName.parse('CN=web.example'),
            extensions: {
              keyUsage: ['digitalSignature'],
              extendedKeyUsage: [keyPurposeOids.serverAuth],
              subjectAltName: [generalName.dns('web.example')],
            },
          })
        ).certificate,
    ],
  ])('%s', async (_name, wanted, make) => {
    expect(
      outcome(verifyPath(await make(), options({ profile: 'webpki', extendedKeyUsage: 'serverAuth' }))),
    ).toBe(wanted)
  })
})
