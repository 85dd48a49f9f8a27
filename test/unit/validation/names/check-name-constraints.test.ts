// Name constraints by type of name (RFC 5280 section 4.2.1.10).

import { describe, expect, it } from 'vitest'
import {
  element,
  explicit,
  implicit,
  octetString,
  oid,
  sequence,
  setOf,
  tags,
  utf8String,
} from '../../../../src/der/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import { checkNameConstraints } from '../../../../src/validation/names/index.ts'
import { DistinguishedName, extensionOids, generalName } from '../../../../src/x509/index.ts'
import { encodeGeneralName, ipAddressOctets } from '../../../../src/x509/internal.ts'
import type { Certificate, GeneralName } from '../../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../../src/x509/internal.ts'
import { makeAuthority, makeLeaf, newSigner } from '../test-pki.ts'
import type { Authority } from '../test-pki.ts'

const signer = newSigner()
const { dns, uri, email, ip } = generalName
const directory = (text: string): GeneralName => ({
  type: 'directoryName',
  name: DistinguishedName.parse(text),
})
const subnet = (...octets: number[]): GeneralName => ({
  type: 'ip',
  address: Uint8Array.from(octets),
  value: '',
})
const printable = (text: string): GeneralName =>
  organisation(element(tags.printableString, Buffer.from(text)))
const bmp = (text: string): GeneralName =>
  organisation(element(tags.bmpString, Buffer.from(text, 'utf16le').swap16()))
const organisation = (value: Uint8Array): GeneralName => ({
  type: 'directoryName',
  name: DistinguishedName.fromDer(sequence(setOf(sequence(oid('2.5.4.10'), value)))),
})
const net6 = (text: string, prefix: number): number[] => [
  ...ipAddressOctets(text),
  ...Array.from({ length: 16 }, (_, i) => (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * i))) & 0xff),
]
const other: GeneralName = { type: 'otherName', oid: '1.2.3', value: utf8String('x') }

const authority = (constraints: ExtensionFields['nameConstraints'], name = 'ca'): Promise<Authority> =>
  makeAuthority(name, undefined, { signer, extensions: { nameConstraints: constraints } })
const leafOf = async (names: readonly GeneralName[], subject?: DistinguishedName): Promise<Certificate> =>
  makeLeaf(await authority({ excluded: [dns('unused')] }), {
    signer,
    ...(subject === undefined ? {} : { subject }),
    extensions: names.length === 0 ? {} : { subjectAltName: names },
  })

async function judge(
  names: readonly GeneralName[],
  constraints: ExtensionFields['nameConstraints'],
  subject?: DistinguishedName,
): Promise<string> {
  const { certificate } = await authority(constraints)
  const fault = checkNameConstraints([await leafOf(names, subject), certificate], undefined, new Budget())
  return fault === undefined ? 'allowed' : fault.rule
}

const notPermitted = 'RFC 5280 §6.1.3 (b)'
const excluded = 'RFC 5280 §6.1.3 (c)'
const notJudged = 'RFC 5280 §4.2.1.10'

describe('the message', () => {
  const messageOf = async (name: GeneralName, constraint: GeneralName): Promise<string | undefined> => {
    const { certificate } = await authority({ permitted: [constraint] })
    return checkNameConstraints([await leafOf([name]), certificate], undefined, new Budget())?.message
  }
  it.each<[GeneralName, GeneralName, string]>([
    [
      dns('a.test'),
      dns('b.test'),
      'DNS name a.test is not permitted by the name constraints of "CN=ca", serial ',
    ],
    [ip('10.0.0.1'), subnet(11, 0, 0, 0, 255, 0, 0, 0), 'IP address 10.0.0.1 is not permitted by the name'],
    [uri('urn:a:b'), uri('b.test'), 'cannot be applied to the URI "urn:a:b", which has no authority'],
    [
      uri('http://10.0.0.1/'),
      uri('b.test'),
      'the URI "http://10.0.0.1/", whose authority is not a host name',
    ],
    [email('nobody'), email('b.test'), 'the email address "nobody", which is malformed'],
    [dns('a.test.'), dns('a.test'), 'the DNS name "a.test.", which is malformed'],
    [other, other, 'the name constraints of "CN=ca", serial '],
  ])('of %o by %o has the name and the CA', async (name, constraint, wanted) => {
    expect(await messageOf(name, constraint)).toContain(wanted)
  })

  it('says that the constraint is that of an anchor without a certificate', async () => {
    const constraints = { permitted: [{ base: dns('b.test'), minimum: 0, maximum: undefined }], excluded: [] }
    const fault = checkNameConstraints([await leafOf([dns('a.test')])], constraints, new Budget())
    expect(fault?.message).toBe('DNS name a.test is not permitted by the name constraints of the anchor')
  })
})

describe('checkNameConstraints', () => {
  it.each<[string, GeneralName, GeneralName, boolean]>([
    ['the domain itself', dns('example.com'), dns('example.com'), true],
    ['a host below', dns('a.b.example.com'), dns('example.com'), true],
    ['in another case', dns('WEB.Example.COM'), dns('eXample.com'), true],
    ['a longer label', dns('badexample.com'), dns('example.com'), false],
    ['the parent', dns('com'), dns('example.com'), false],
    ['any name by the empty base', dns('example.com'), dns(''), true],
    ['a wildcard whose domain is within', dns('*.example.com'), dns('example.com'), true],
    ['a host of a URI', uri('https://web.example.com/x'), uri('web.example.com'), true],
    [
      'user, port and case of a URI',
      uri('https://a.test@WEB.example.com:8443?x'),
      uri('web.example.com'),
      true,
    ],
    ['a URI below a host', uri('https://a.web.example.com/'), uri('web.example.com'), false],
    ['a URI below a domain', uri('spiffe://a.example.com/x'), uri('.example.com'), true],
    ['a URI of the domain itself', uri('https://example.com/'), uri('.example.com'), false],
    ['a mailbox', email('u@example.com'), email('u@EXAMPLE.com'), true],
    ['a quoted mailbox', email('"u @ v"@example.com'), email('example.com'), true],
    ['a mailbox that is quoted for nothing', email('"u"@example.com'), email('u@example.com'), true],
    ['a mailbox with an escape for nothing', email('"\\u"@example.com'), email('u@example.com'), true],
    ['a constraint that is quoted for nothing', email('u@example.com'), email('"u"@example.com'), true],
    ['a mailbox in another case', email('U@example.com'), email('u@example.com'), false],
    ['a mailbox at a host', email('u@example.com'), email('example.com'), true],
    ['a mailbox below a host', email('u@a.example.com'), email('example.com'), false],
    ['a mailbox below a domain', email('u@a.example.com'), email('.example.com'), true],
    ['an address in a net', ip('10.1.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), true],
    ['an address outside it', ip('10.2.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), false],
    ['IPv6 against IPv4', ip('::ffff:10.1.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), false],
    ['an address in a net of one', ip('10.1.2.3'), subnet(10, 1, 2, 3, 255, 255, 255, 255), true],
    ['any address in the widest net', ip('203.0.113.9'), subnet(0, 0, 0, 0, 0, 0, 0, 0), true],
    ['IPv6 against the widest net of IPv4', ip('2001:db8::1'), subnet(0, 0, 0, 0, 0, 0, 0, 0), false],
    [
      'a net whose address has bits beyond its mask',
      ip('10.1.2.3'),
      subnet(10, 1, 9, 9, 255, 255, 0, 0),
      true,
    ],
    ['IPv6 in a net', ip('2001:db8:1::1'), subnet(...net6('2001:db8::', 32)), true],
    ['IPv6 in a net within an octet', ip('2001:db8:8000::1'), subnet(...net6('2001:db8:8000::', 33)), true],
    ['IPv6 outside it', ip('2001:db8::1'), subnet(...net6('2001:db8:8000::', 33)), false],
    ['IPv4 against the widest net of IPv6', ip('10.1.2.3'), subnet(...net6('::', 0)), false],
    ['a directory name of another string type', printable('EXAMPLE'), directory('O=example'), true],
    ['a directory name in a BMPString', bmp('Example'), directory('O=example'), true],
    [
      'a directory name of several words',
      directory('O=Example   of  names '),
      directory('O=example of names'),
      true,
    ],
    ['a directory name in compatibility forms', directory('O=\uff25xample'), directory('O=example'), true],
    [
      'a directory name in capital Greek',
      directory('O=\u039f\u0394\u039f\u03a3'),
      directory('O=\u03bf\u03b4\u03bf\u03c2'),
      true,
    ],
    ['a directory name of several parts in one', directory('CN=x,OU=b+O=a'), directory('O=A+OU=B'), true],
    ['a directory name of one part more', directory('CN=x,OU=b+O=a'), directory('O=a'), false],
    ['any directory name by the empty one', directory('CN=x'), directory(''), true],
    ['a directory name in the order of the text', directory('O=Example,CN=x'), directory('O=Example'), false],
    ['user and password of a URI', uri('https://example.com:x@web.example.org/'), uri('example.com'), false],
    ['two @ in a URI', uri('https://a@b@web.example.com/'), uri('web.example.com'), true],
    [
      'a host in the path of a URI',
      uri('https://evil.test/@web.example.com/'),
      uri('web.example.com'),
      false,
    ],
    [
      'a host in the query of a URI',
      uri('https://evil.test?@web.example.com'),
      uri('web.example.com'),
      false,
    ],
    ['a trust domain with an underscore', uri('spiffe://a_b/x'), uri('a_b'), true],
    ['a URI whose host ends as the domain does', uri('https://badexample.com/'), uri('.example.com'), false],
    ['a mailbox whose host is longer', email('u@example.com.test'), email('example.com'), false],
    ['a mailbox of the domain itself', email('u@example.com'), email('.example.com'), false],
    ['another user at the host', email('v@example.com'), email('u@example.com'), false],
    ['a directory name below', directory('CN=x,OU=u,O=Example'), directory('OU=U,O=EXAMPLE'), true],
    ['a directory name beside', directory('CN=x,OU=v,O=Example'), directory('OU=u,O=Example'), false],
    ['a directory name above', directory('O=Example'), directory('OU=u,O=Example'), false],
  ])('%s', async (_, name, base, within) => {
    expect(await judge([name], { permitted: [base] })).toBe(within ? 'allowed' : notPermitted)
    expect(await judge([name], { excluded: [base] })).toBe(within ? excluded : 'allowed')
  })

  it.each<[string, GeneralName[], ExtensionFields['nameConstraints'], string]>([
    [
      'one of two names outside',
      [dns('a.example.com'), dns('a.test')],
      { permitted: [dns('example.com')] },
      notPermitted,
    ],
    [
      'each in another subtree',
      [dns('a.example.com'), dns('a.test')],
      { permitted: [dns('example.com'), dns('test')] },
      'allowed',
    ],
    [
      'excluded within what is permitted',
      [dns('a.b.example.com')],
      { permitted: [dns('example.com')], excluded: [dns('b.example.com')] },
      excluded,
    ],
    [
      'permitted within what is excluded',
      [dns('a.b.example.com')],
      { permitted: [dns('b.example.com')], excluded: [dns('example.com')] },
      excluded,
    ],
    [
      'IPv4 permitted, IPv6 not spoken of',
      [ip('10.0.0.1'), ip('2001:db8::1')],
      { permitted: [subnet(10, 0, 0, 0, 255, 0, 0, 0)] },
      notPermitted,
    ],
    [
      'both nets permitted',
      [ip('10.0.0.1'), ip('2001:db8::1')],
      { permitted: [subnet(10, 0, 0, 0, 255, 0, 0, 0), subnet(...net6('2001:db8::', 32))] },
      'allowed',
    ],
    ['all IPv4 excluded', [ip('2001:db8::1')], { excluded: [subnet(0, 0, 0, 0, 0, 0, 0, 0)] }, 'allowed'],
    ['every DNS name excluded', [dns('a.test')], { excluded: [dns('')] }, excluded],
    ['every DNS name excluded, none there', [ip('10.0.0.1')], { excluded: [dns('')] }, 'allowed'],
    [
      'a kind that is not there, and cannot be judged',
      [dns('a.test')],
      { permitted: [other, { type: 'registeredId', oid: '1.2.3' }] },
      'allowed',
    ],
    [
      'the domain above a wildcard excluded',
      [dns('*.example.com')],
      { excluded: [dns('example.com')] },
      excluded,
    ],
    [
      'the domain far above a wildcard excluded',
      [dns('*.a.example.com')],
      { excluded: [dns('com')] },
      excluded,
    ],
    [
      'a name that looks like an address',
      [dns('10.0.0.1')],
      { excluded: [subnet(10, 0, 0, 0, 255, 0, 0, 0)] },
      'allowed',
    ],
  ])('%s', async (_, names, constraints, expected) => {
    expect(await judge(names, constraints)).toBe(expected)
  })

  it(
    'has nothing to hold where the subject is empty (§4.2.1.10: "when the certificate includes a ' +
      'non-empty subject field")',
    async () => {
      for (const constraints of [{ permitted: [directory('O=fine')] }, { excluded: [directory('')] }])
        expect(await judge([dns('a.test')], constraints)).toBe('allowed')
    },
  )

  it('is never about the common name, which is no host name here', async () => {
    expect(
      await judge(
        [dns('a.example.com')],
        { permitted: [dns('example.com')] },
        DistinguishedName.parse('CN=evil.test'),
      ),
    ).toBe('allowed')
  })

  it('permits a wildcard only where all that it stands for is permitted', async () => {
    expect(await judge([dns('*.example.com')], { permitted: [dns('a.example.com')] })).toBe(notPermitted)
  })

  // A wildcard that may be the excluded host: CVE-2025-61727.
  it.each<[GeneralName, GeneralName, string]>([
    [dns('*.example.com'), dns('secret.example.com'), excluded],
    [dns('*.example.com'), dns('a.secret.example.com'), 'allowed'],
    [dns('*.other.com'), dns('secret.example.com'), 'allowed'],
  ])('a wildcard and an excluded host', async (name, base, expected) => {
    expect(await judge([name], { excluded: [base] })).toBe(expected)
  })

  it.each<[string, GeneralName, GeneralName]>([
    ['a DNS constraint with a leading period', dns('a.example.com'), dns('.example.com')],
    ['a DNS constraint with a wildcard', dns('a.example.com'), dns('*.example.com')],
    ['a DNS name that ends in a period', dns('a.example.com.'), dns('example.com')],
    ['a wildcard in the middle', dns('a.*.example.com'), dns('example.com')],
    ['a partial wildcard', dns('a*.example.com'), dns('example.com')],
    ['a mask with holes', ip('10.1.2.3'), subnet(10, 0, 0, 0, 255, 0, 255, 0)],
    ['a URI without authority', uri('urn:x:y'), uri('example.com')],
    ['a URI without a host', uri('https:///x'), uri('example.com')],
    ['a URI with a port alone', uri('https://:443/'), uri('example.com')],
    ['a URI whose host ends in a period', uri('https://example.com./'), uri('example.com')],
    ['a URI with a host in escapes', uri('https://ex%61mple.com/'), uri('example.com')],
    ['a URI constraint with a scheme', uri('https://example.com/'), uri('https://example.com')],
    ['a URI constraint with a wildcard', uri('https://a.example.com/'), uri('*.example.com')],
    ['an empty URI constraint', uri('https://example.com/'), uri('')],
    ['an empty email constraint', email('u@example.com'), email('')],
    ['an email constraint without a user', email('u@example.com'), email('@example.com')],
    ['an email constraint with a wildcard', email('u@a.example.com'), email('*.example.com')],
    [
      'a directory name with what is not seen (RFC 4518 §2.2)',
      directory('O=Ex\u00adam\u200bple'),
      directory('O=example'),
    ],
    ['a directory name with a NUL', organisation(utf8String('Exam\u0000ple')), directory('O=example')],
    [
      'a directory name constraint with what is not seen',
      directory('O=Example'),
      directory('O=exam\u200dple'),
    ],
    ['an email at an address', email('u@[10.0.0.1]'), email('example.com')],
    ['two wildcards', dns('*.*.example.com'), dns('example.com')],
    ['a wildcard alone', dns('*'), dns('')],
    ['an empty DNS name', dns(''), dns('')],
    ['a DNS constraint of two periods', dns('a.example.com'), dns('example..com')],
    [
      'an IPv6 mask with holes',
      ip('2001:db8::1'),
      subnet(...net6('2001:db8::', 32).map((octet, i) => (i === 25 ? 1 : octet))),
    ],
    [
      'a registered identifier',
      { type: 'registeredId', oid: '1.2.3' },
      { type: 'registeredId', oid: '1.2.4' },
    ],
    ['a URI with an address', uri('https://10.0.0.1/'), uri('example.com')],
    ['a URI with an IPv6 address', uri('https://[::1]:8443/'), uri('example.com')],
    ['an address without mailbox', email('example.com'), email('example.com')],
    ['an address with two @', email('a@b@example.com'), email('example.com')],
    ['an otherName', other, other],
  ])('cannot be judged, so it is refused: %s', async (_, name, base) => {
    expect(await judge([name], { permitted: [base] })).toBe(notJudged)
    expect(await judge([name], { excluded: [base] })).toBe(notJudged)
    // What no constraint is about is not looked at.
    expect(await judge([name], { excluded: [name.type === 'ip' ? dns('x.test') : ip4] })).toBe('allowed')
  })

  it(
    'holds the subject against directory names, and its email addresses where no alternative name ' +
      'is one',
    async () => {
      const subject = DistinguishedName.of([
        ['O', 'Example'],
        ['emailAddress', 'u@bad.test'],
      ])
      expect(await judge([dns('a.test')], { excluded: [directory('O=example')] }, subject)).toBe(excluded)
      expect(await judge([dns('a.test')], { excluded: [email('bad.test')] }, subject)).toBe(excluded)
      expect(await judge([email('u@good.test')], { excluded: [email('bad.test')] }, subject)).toBe('allowed')
    },
  )

  it('refuses minimum and maximum', async () => {
    for (const bound of [implicit(0, Uint8Array.of(1)), implicit(1, Uint8Array.of(5))]) {
      const value = sequence(explicit(0, sequence(encodeGeneralName(dns('example.com')), bound)))
      const { certificate } = await makeAuthority('ca', undefined, {
        signer,
        extensions: { other: [{ oid: extensionOids.nameConstraints, critical: true, value }] },
      })
      const fault = checkNameConstraints(
        [await leafOf([dns('a.example.com')]), certificate],
        undefined,
        new Budget(),
      )
      expect(fault?.rule).toBe(notJudged)
    }
  })

  it('passes over self-issued intermediates, not over a self-issued leaf', async () => {
    const top = await authority({ permitted: [directory('O=fine')] }, 'top')
    const fine = DistinguishedName.parse('O=fine')
    const selfIssued = await makeAuthority('self', undefined, {
      signer,
      subject: DistinguishedName.parse('O=self'),
    })
    const leaf = await leafOf([], fine)
    expect(
      checkNameConstraints([leaf, selfIssued.certificate, top.certificate], undefined, new Budget()),
    ).toBeUndefined()
    expect(
      checkNameConstraints([selfIssued.certificate, top.certificate], undefined, new Budget())?.rule,
    ).toBe(notPermitted)
  })

  it('holds names to every CA above and to the anchor', async () => {
    const leaf = await leafOf([dns('a.b.test')])
    const [wide, narrow] = [
      await authority({ permitted: [dns('test')] }, 'wide'),
      await authority({ permitted: [dns('b.test')] }, 'narrow'),
    ]
    const path = [leaf, narrow.certificate, wide.certificate]
    expect(checkNameConstraints(path, undefined, new Budget())).toBeUndefined()
    const foreign = { permitted: [{ base: dns('other'), minimum: 0, maximum: undefined }], excluded: [] }
    expect(checkNameConstraints(path, foreign, new Budget())?.rule).toBe(notPermitted)
  })

  it('ends many names under many constraints in the budget', async () => {
    const many = Array.from({ length: 2048 }, (_, i) => dns(`a${String(i)}.test`))
    const { certificate } = await authority({ excluded: many.map((_, i) => dns(`b${String(i)}.test`)) })
    const leaf = await leafOf(many)
    expect(() => checkNameConstraints([leaf, certificate], undefined, new Budget())).toThrow(
      expect.objectContaining({ code: 'ERR_PATH_BUDGET' }),
    )
    // Many constraints whose first already decides cost one comparison a name.
    const cheap = await authority({ permitted: [dns('test'), ...many] })
    const budget = new Budget()
    expect(checkNameConstraints([leaf, cheap.certificate], undefined, budget)).toBeUndefined()
    expect(budget.spent.nameComparisons).toBe(2048)
  })

  it('throws what a malformed subject throws', async () => {
    const badName = DistinguishedName.fromDer(
      sequence(setOf(sequence(oid('2.5.4.3'), octetString(Uint8Array.of(1)), utf8String('x')))),
    )
    await expect(judge([], { excluded: [directory('O=x')] }, badName)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_NAME_INVALID' }),
    )
  })
})

const ip4 = subnet(203, 0, 113, 0, 255, 255, 255, 0)

describe('an email address in UTF-8 (RFC 9598)', () => {
  const mailbox: GeneralName = {
    type: 'otherName',
    oid: '1.3.6.1.5.5.7.8.9',
    value: utf8String('\u00fc@example.com'),
  }
  it.each<[string, ExtensionFields['nameConstraints'], string]>([
    ['excluded addresses', { excluded: [email('example.com')] }, notJudged],
    ['permitted addresses', { permitted: [email('other.example')] }, notJudged],
    ['other names', { excluded: [other] }, notJudged],
    ['hosts', { excluded: [dns('example.com')] }, 'allowed'],
  ])('under %s', async (_what, constraints, wanted) => {
    expect(await judge([mailbox], constraints)).toBe(wanted)
  })

  it('is a kind of its own', async () => {
    expect(await judge([other], { excluded: [email('example.com')] })).toBe('allowed')
  })
})
