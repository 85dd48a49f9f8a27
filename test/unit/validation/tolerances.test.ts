// The tolerances that change how a path is validated: each accepts what it names, and nothing beside it.

import { describe, expect, it } from 'vitest'
import { createPathValidator, validationProfiles, verifyPath } from '../../../src/validation/index.ts'
import type { PathValidatorOptions } from '../../../src/validation/path-options.ts'
import { Certificate, DistinguishedName, generalName } from '../../../src/x509/index.ts'
import type { GeneralName } from '../../../src/x509/index.ts'
import type { Tolerance } from '../../../src/x509/tolerances.ts'
import { at, makeAuthority, makeLeaf, newSigner, rejectionOf, resign, time } from './test-pki.ts'
import type { Authority } from './test-pki.ts'

const root = await makeAuthority('root')
const sectionSix = { ...validationProfiles.rfc5280, name: 'section 6', certificateRules: 'path' as const }

function judged(
  leaf: Certificate,
  anchors: readonly Certificate[],
  options: Partial<PathValidatorOptions> = {},
): string {
  const verdict = verifyPath(leaf, { anchors, time, ...options })
  return rejectionOf(verdict) ?? 'good'
}

/** The message of a refusal, which names the tolerance. */
function messageOf(
  leaf: Certificate,
  anchors: readonly Certificate[],
  intermediates: readonly Certificate[] = [],
): string {
  const verdict = verifyPath(leaf, { anchors, intermediates, time })
  return verdict.ok ? 'good' : verdict.rejected.map(({ message }) => message).join('\n')
}

const named = (tolerance: Tolerance): string => `'${tolerance}'`

describe('long-serial-numbers', () => {
  it.each([21, 22, 40, 100])('accepts a serial number of %i octets', async (octets) => {
    const leaf = await makeLeaf(root, { serialNumber: new Uint8Array(octets).fill(1) })
    expect(judged(leaf, [root.certificate])).toBe('ERR_PATH_PROFILE')
    expect(messageOf(leaf, [root.certificate])).toContain(named('long-serial-numbers'))
    expect(judged(leaf, [root.certificate], { tolerances: ['long-serial-numbers'] })).toBe('good')
    // Section 6 has no rule on serial numbers.
    expect(judged(leaf, [root.certificate], { profile: sectionSix })).toBe('good')
  })

  it('accepts no serial number of zero or below', async () => {
    for (const serialNumber of [Uint8Array.of(0), Uint8Array.of(0xff)]) {
      const leaf = await makeLeaf(root, { serialNumber })
      expect(judged(leaf, [root.certificate], { tolerances: ['long-serial-numbers'] })).toBe(
        'ERR_PATH_PROFILE',
      )
    }
  })
})

describe('leading-dot-constraints', () => {
  const constrained = (constraints: {
    permitted?: readonly GeneralName[]
    excluded?: readonly GeneralName[]
  }): Promise<Authority> =>
    makeAuthority('constrained', root, { extensions: { nameConstraints: constraints } })

  it.each<[string, 'permitted' | 'excluded', string, string]>([
    ['below the domain, permitted', 'permitted', '.example', 'good'],
    ['the domain itself, permitted', 'permitted', '.web.example', 'ERR_PATH_NAME_CONSTRAINTS'],
    ['of another domain, permitted', 'permitted', '.test', 'ERR_PATH_NAME_CONSTRAINTS'],
    ['below the domain, excluded', 'excluded', '.example', 'ERR_PATH_NAME_CONSTRAINTS'],
    ['the domain itself, excluded', 'excluded', '.web.example', 'good'],
    ['of another domain, excluded', 'excluded', '.evil.test', 'good'],
    ['whose text only ends alike, excluded', 'excluded', '.b.example', 'good'],
  ])('a name %s', async (_what, kind, constraint, wanted) => {
    const ca = await constrained({ [kind]: [generalName.dns(constraint)] })
    const leaf = await makeLeaf(ca)
    const intermediates = [ca.certificate]
    expect(judged(leaf, [root.certificate], { intermediates })).toBe('ERR_PATH_NAME_CONSTRAINTS')
    expect(messageOf(leaf, [root.certificate], intermediates)).toContain(named('leading-dot-constraints'))
    const tolerances: Tolerance[] = ['leading-dot-constraints']
    expect(judged(leaf, [root.certificate], { intermediates, tolerances })).toBe(wanted)
  })

  it.each(['*.example', '..example', '.'])('leaves %s what it is: no domain', async (constraint) => {
    const ca = await constrained({ permitted: [generalName.dns(constraint)] })
    const intermediates = [ca.certificate]
    const tolerances: Tolerance[] = ['leading-dot-constraints']
    expect(judged(await makeLeaf(ca), [root.certificate], { intermediates, tolerances })).toBe(
      'ERR_PATH_NAME_CONSTRAINTS',
    )
  })
})

describe('self-signed-leaf-anchor', async () => {
  const tolerances: Tolerance[] = ['self-signed-leaf-anchor']
  const name = DistinguishedName.parse('CN=development')
  const signer = newSigner()
  const leaf = await makeLeaf({ name, signer }, { subject: name, signer })

  it('accepts a leaf that is one of the anchors', () => {
    expect(judged(leaf, [leaf])).toBe('ERR_PATH_NOT_CA')
    expect(messageOf(leaf, [leaf])).toContain(named('self-signed-leaf-anchor'))
    expect(messageOf(leaf, [leaf])).toContain('{ subject, publicKey }')
    expect(judged(leaf, [leaf], { tolerances })).toBe('good')
    expect(judged(leaf, [{ subject: name, publicKey: signer.publicKey }] as never)).toBe('good')
  })

  it('accepts nothing that is only like it, and none of the other checks are left out', async () => {
    const twin = await makeLeaf({ name, signer }, { subject: name, signer })
    const below = await makeLeaf({ name, signer })
    expect([judged(twin, [leaf], { tolerances }), judged(below, [leaf], { tolerances })]).toEqual([
      'ERR_PATH_NOT_CA',
      'ERR_PATH_NOT_CA',
    ])
    expect(judged(leaf, [leaf], { tolerances, time: at(24 * 365) })).toBe('ERR_PATH_EXPIRED')
    expect(judged(leaf, [leaf], { tolerances, peer: { dns: 'other.example' } })).toBe('ERR_PATH_PEER_NAME')
    expect(judged(leaf, [leaf], { tolerances, extendedKeyUsage: 'codeSigning' })).toBe(
      'ERR_PATH_EXTENDED_KEY_USAGE',
    )
  })
})

describe('version-1-anchor', async () => {
  const tolerances: Tolerance[] = ['version-1-anchor']
  /** The certificate without version and extensions. */
  const ofVersion1 = async ({ certificate }: Authority, by: Authority): Promise<Certificate> =>
    Certificate.parse(await resign(certificate.tbs, by.signer, (parts) => parts.slice(1, 7)))
  const anchor = await ofVersion1(root, root)
  const leaf = await makeLeaf(root)

  it('accepts it as an anchor', () => {
    expect(anchor.version).toBe(1)
    expect(judged(leaf, [anchor])).toBe('ERR_PATH_NOT_CA')
    expect(messageOf(leaf, [anchor])).toContain(named('version-1-anchor'))
    expect(judged(leaf, [anchor], { tolerances })).toBe('good')
    expect(judged(leaf, [anchor], { profile: sectionSix })).toBe('good')
  })

  it('accepts one that another CA signed: it cannot have the identifier of that key', async () => {
    const crossSigned = await ofVersion1(root, await makeAuthority('another'))
    expect(judged(leaf, [crossSigned], { tolerances })).toBe('good')
    expect(messageOf(leaf, [crossSigned])).toContain(named('version-1-anchor'))
  })

  it('a refusal of version 1 elsewhere says so', async () => {
    const between = await makeAuthority('between', root)
    const intermediates = [await ofVersion1(between, root)]
    expect(messageOf(await makeLeaf(between), [root.certificate], intermediates)).toContain(
      'it has no authority key identifier: it is of version 1',
    )
    const verdict = verifyPath(await makeLeaf(between), {
      anchors: [root.certificate],
      intermediates,
      time,
      profile: sectionSix,
    })
    expect(verdict).toMatchObject({
      rejected: [{ code: 'ERR_PATH_NOT_CA', message: expect.stringContaining('it is of version 1') }],
    })
  })

  it('accepts none between leaf and anchor, and none of version 3', async () => {
    const between = await makeAuthority('between', root)
    const intermediates = [await ofVersion1(between, root)]
    expect(judged(await makeLeaf(between), [root.certificate], { intermediates, tolerances })).toBe(
      'ERR_PATH_PROFILE',
    )
    const silent = await makeAuthority('silent', undefined, { extensions: { basicConstraints: undefined } })
    expect(judged(await makeLeaf(silent), [silent.certificate], { tolerances })).not.toBe('good')
  })
})

describe('what a validator leaves out', () => {
  const cut = root.certificate.der.subarray(0, -7)
  const version = Uint8Array.from(root.certificate.der)
  version.set([9], Buffer.from(version).indexOf(Buffer.from('a003020102', 'hex')) + 4)

  it('is said with option, place, subject, code and reason; the others are used', async () => {
    const leaf = await makeLeaf(root)
    const validator = createPathValidator({
      anchors: [cut, root.certificate, version],
      intermediates: [cut],
      time,
    })
    expect(validator.verify(leaf).ok).toBe(true)
    expect(validator.ignored).toEqual([
      expect.objectContaining({ option: 'anchors', index: 0, code: 'ERR_DER' }),
      expect.objectContaining({ option: 'anchors', index: 2, code: 'ERR_CERTIFICATE_MALFORMED' }),
      expect.objectContaining({ option: 'intermediates', index: 0, code: 'ERR_DER' }),
    ])
    expect(Object.isFrozen(validator.ignored)).toBe(true)
    expect(validator.ignored.every(({ reason }) => reason.length > 0)).toBe(true)
  })

  it('is an error where no anchor is left, and where an anchor is of no type of certificate', () => {
    expect(() => createPathValidator({ anchors: [cut, version] })).toThrow(
      expect.objectContaining({ code: 'ERR_DER', message: expect.stringContaining('anchors[0]') }),
    )
    expect(() => createPathValidator({ anchors: [root.certificate, 5 as never] })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('anchors[1]'),
      }),
    )
  })

  it('an anchor that would be one for every name is refused', () => {
    const fields = { subject: 'CN=root', publicKey: root.signer.publicKey }
    expect(() =>
      createPathValidator({ anchors: [{ ...fields, nameConstraints: undefined } as never] }),
    ).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(() => createPathValidator({ anchors: [{ ...fields, nameConstraint: {} } as never] })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})

describe('name constraints of an anchor that is a name and a key', () => {
  const tree = (base: unknown, more: object = {}): object => ({ base, minimum: 0, ...more })
  const judgedBy = async (nameConstraints: object, tolerances: Tolerance[] = []): Promise<string> =>
    judged(
      await makeLeaf(root),
      [{ subject: root.name, publicKey: root.signer.publicKey, nameConstraints }] as never,
      { tolerances },
    )

  it.each<[string, object]>([
    ['permit another name', { permitted: [tree(generalName.dns('other.example'))] }],
    ['exclude the name', { excluded: [tree(generalName.dns('web.example'))], permitted: [] }],
  ])('%s', async (_what, constraints) => {
    expect(await judgedBy(constraints)).toBe('ERR_PATH_NAME_CONSTRAINTS')
  })

  it('are read with the tolerances of the validator', async () => {
    const constraints = { permitted: [tree(generalName.dns('.example'))] }
    expect(await judgedBy(constraints)).toBe('ERR_PATH_NAME_CONSTRAINTS')
    expect(await judgedBy(constraints, ['leading-dot-constraints'])).toBe('good')
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a Map', new Map([['permitted', []]])],
    ['no list', {}],
    ['two empty lists', { permitted: [], excluded: [] }],
    ['a misspelt list', { permited: [tree(generalName.dns('other.example'))] }],
    ['a list that is undefined', { permitted: undefined, excluded: [tree(generalName.dns('a.example'))] }],
    ['a list that is none', { permitted: 'other.example' }],
    ['texts', { permitted: ['other.example'] }],
    ['names without their subtree', { permitted: [generalName.dns('other.example')] }],
    ['a subtree without a base', { permitted: [{ minimum: 0 }] }],
    ['a subtree without a minimum', { permitted: [{ base: generalName.dns('other.example') }] }],
    ['a minimum that is no number', { permitted: [tree(generalName.dns('a.example'), { minimum: NaN })] }],
    ['a base of an unknown type', { permitted: [tree({ type: 'DNS', value: 'other.example' })] }],
    ['a base whose text is a number', { permitted: [tree({ type: 'dns', value: 5 })] }],
    ['a base without an address', { permitted: [tree({ type: 'ip', value: '10.0.0.0/8' })] }],
    ['a base without a mask', { permitted: [tree(generalName.ip('10.0.0.1'))] }],
  ])('are refused when they are %s: the anchor would be one for every name', async (_what, constraints) => {
    await expect(judgedBy(constraints as object)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringMatching(/^anchors\[0\]: nameConstraints of a trust anchor/),
      }),
    )
  })
})
