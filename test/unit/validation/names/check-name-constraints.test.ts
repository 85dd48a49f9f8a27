import { describe, expect, it } from 'vitest'
import { explicit, implicit, octetString, sequence, setOf, oid, utf8String } from '../../../../src/der/index.ts'
import { Budget } from '../../../../src/validation/index.ts'
import { checkNameConstraints } from '../../../../src/validation/names/index.ts'
import { DistinguishedName, encodeGeneralName, extensionOids, generalName } from '../../../../src/x509/index.ts'
import type { Certificate, ExtensionFields, GeneralName } from '../../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, newSigner } from '../test-pki.ts'
import type { Authority } from '../test-pki.ts'

const signer = newSigner()
const { dns, uri, email, ip } = generalName
const directory = (text: string): GeneralName => ({ type: 'directoryName', name: DistinguishedName.parse(text) })
const subnet = (...octets: number[]): GeneralName => ({ type: 'ip', address: Uint8Array.from(octets), value: '' })
const other: GeneralName = { type: 'otherName', oid: '1.2.3', value: utf8String('x') }

const authority = (constraints: ExtensionFields['nameConstraints'], name = 'ca'): Promise<Authority> => makeAuthority(name, undefined, { signer, extensions: { nameConstraints: constraints } })
const leafOf = async (names: readonly GeneralName[], subject?: DistinguishedName): Promise<Certificate> =>
  makeLeaf(await authority({ excluded: [dns('unused')] }), { signer, ...(subject === undefined ? {} : { subject }), extensions: names.length === 0 ? {} : { subjectAltName: names } })

async function judge(names: readonly GeneralName[], constraints: ExtensionFields['nameConstraints'], subject?: DistinguishedName): Promise<string> {
  const { certificate } = await authority(constraints)
  const fault = checkNameConstraints([await leafOf(names, subject), certificate], undefined, new Budget())
  return fault === undefined ? 'allowed' : fault.rule
}

const notPermitted = 'RFC 5280 §6.1.3 (b)'
const excluded = 'RFC 5280 §6.1.3 (c)'
const notJudged = 'RFC 5280 §4.2.1.10'

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
    ['user, port and case of a URI', uri('https://a.test@WEB.example.com:8443?x'), uri('web.example.com'), true],
    ['a URI below a host', uri('https://a.web.example.com/'), uri('web.example.com'), false],
    ['a URI below a domain', uri('spiffe://a.example.com/x'), uri('.example.com'), true],
    ['a URI of the domain itself', uri('https://example.com/'), uri('.example.com'), false],
    ['a mailbox', email('u@example.com'), email('u@EXAMPLE.com'), true],
    ['a quoted mailbox', email('"u @ v"@example.com'), email('example.com'), true],
    ['a mailbox in another case', email('U@example.com'), email('u@example.com'), false],
    ['a mailbox at a host', email('u@example.com'), email('example.com'), true],
    ['a mailbox below a host', email('u@a.example.com'), email('example.com'), false],
    ['a mailbox below a domain', email('u@a.example.com'), email('.example.com'), true],
    ['an address in a net', ip('10.1.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), true],
    ['an address outside it', ip('10.2.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), false],
    ['IPv6 against IPv4', ip('::ffff:10.1.2.3'), subnet(10, 1, 0, 0, 255, 255, 0, 0), false],
    ['a directory name below', directory('CN=x,OU=u,O=Example'), directory('OU=U,O=EXAMPLE'), true],
    ['a directory name beside', directory('CN=x,OU=v,O=Example'), directory('OU=u,O=Example'), false],
    ['a directory name above', directory('O=Example'), directory('OU=u,O=Example'), false],
  ])('%s', async (_, name, base, within) => {
    expect(await judge([name], { permitted: [base] })).toBe(within ? 'allowed' : notPermitted)
    expect(await judge([name], { excluded: [base] })).toBe(within ? excluded : 'allowed')
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

  it('holds the subject against directory names, and its email addresses where no alternative name is one', async () => {
    const subject = DistinguishedName.of([['O', 'Example'], ['emailAddress', 'u@bad.test']])
    expect(await judge([dns('a.test')], { excluded: [directory('O=example')] }, subject)).toBe(excluded)
    expect(await judge([dns('a.test')], { excluded: [email('bad.test')] }, subject)).toBe(excluded)
    expect(await judge([email('u@good.test')], { excluded: [email('bad.test')] }, subject)).toBe('allowed')
  })

  it('refuses minimum and maximum', async () => {
    for (const bound of [implicit(0, Uint8Array.of(1)), implicit(1, Uint8Array.of(5))]) {
      const value = sequence(explicit(0, sequence(encodeGeneralName(dns('example.com')), bound)))
      const { certificate } = await makeAuthority('ca', undefined, { signer, extensions: { other: [{ oid: extensionOids.nameConstraints, critical: true, value }] } })
      const fault = checkNameConstraints([await leafOf([dns('a.example.com')]), certificate], undefined, new Budget())
      expect(fault?.rule).toBe(notJudged)
    }
  })

  it('passes over self-issued intermediates, not over a self-issued leaf', async () => {
    const top = await authority({ permitted: [directory('O=fine')] }, 'top')
    const fine = DistinguishedName.parse('O=fine')
    const selfIssued = await makeAuthority('self', undefined, { signer, subject: DistinguishedName.parse('O=self') })
    const leaf = await leafOf([], fine)
    expect(checkNameConstraints([leaf, selfIssued.certificate, top.certificate], undefined, new Budget())).toBeUndefined()
    expect(checkNameConstraints([selfIssued.certificate, top.certificate], undefined, new Budget())?.rule).toBe(notPermitted)
  })

  it('holds names to every CA above and to the anchor', async () => {
    const leaf = await leafOf([dns('a.b.test')])
    const [wide, narrow] = [await authority({ permitted: [dns('test')] }, 'wide'), await authority({ permitted: [dns('b.test')] }, 'narrow')]
    const path = [leaf, narrow.certificate, wide.certificate]
    expect(checkNameConstraints(path, undefined, new Budget())).toBeUndefined()
    const foreign = { permitted: [{ base: dns('other'), minimum: 0, maximum: undefined }], excluded: [] }
    expect(checkNameConstraints(path, foreign, new Budget())?.rule).toBe(notPermitted)
  })

  it('ends many names under many constraints in the budget', async () => {
    const many = Array.from({ length: 2048 }, (_, i) => dns(`a${String(i)}.test`))
    const { certificate } = await authority({ excluded: many.map((_, i) => dns(`b${String(i)}.test`)) })
    const leaf = await leafOf(many)
    expect(() => checkNameConstraints([leaf, certificate], undefined, new Budget())).toThrow(expect.objectContaining({ code: 'ERR_PATH_BUDGET' }))
    // Many constraints whose first already decides cost one comparison a name.
    const cheap = await authority({ permitted: [dns('test'), ...many] })
    const budget = new Budget()
    expect(checkNameConstraints([leaf, cheap.certificate], undefined, budget)).toBeUndefined()
    expect(budget.spent.nameComparisons).toBe(2048)
  })

  it('throws what a malformed subject throws', async () => {
    const badName = DistinguishedName.fromDer(sequence(setOf(sequence(oid('2.5.4.3'), octetString(Uint8Array.of(1)), utf8String('x')))))
    await expect(judge([], { excluded: [directory('O=x')] }, badName)).rejects.toThrow(expect.objectContaining({ code: 'ERR_NAME_INVALID' }))
  })
})

const ip4 = subnet(203, 0, 113, 0, 255, 255, 255, 0)
