// How lists are compared and named: locations as AD CS writes them, and reports of lists that clear nobody.

import { describe, expect, it } from 'vitest'
import { element, integer, octetString, oid, sequence, boolean } from '../../../../src/der/index.ts'
import { createCrlChecker, verifyPath } from '../../../../src/validation/index.ts'
import type { IgnoredInput } from '../../../../src/validation/ignored-input.ts'
import { extensionOids } from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { at, editedList, judge, makeChain, makeLeaf, makeList, time } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const rootList = await makeList(root)

/** The name of a distribution point with one URI, which no builder would encode. */
const uriPoint = (uri: string): Uint8Array =>
  element(0xa0, element(0xa0, element(0x86, Buffer.from(uri, 'latin1'))))
const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value))
const crlNumber = extension(extensionOids.crlNumber, integer(3))
const scoped = (uri: string): Uint8Array =>
  extension(extensionOids.issuingDistributionPoint, sequence(uriPoint(uri)), true)
const entryOf = (certificate: Certificate): Uint8Array =>
  sequence(integer(certificate.serialNumberBytes), element(0x17, Buffer.from('260101000000Z')))

const ldap = 'ldap:///CN=Contoso CA,CN=pki 01,CN=CDP?certificateRevocationList'

describe('a location that is no URI (AD CS writes blanks and backslashes)', () => {
  const located = (uri: string): Promise<Certificate> =>
    makeLeaf(ca, {
      extensions: {
        other: [
          {
            oid: extensionOids.crlDistributionPoints,
            critical: false,
            value: sequence(sequence(uriPoint(uri))),
          },
        ],
      },
    })
  const judged = (list: Uint8Array, certificate: Certificate, mode: 'soft-fail' | 'hard-fail'): string =>
    judge(chain, createCrlChecker({ lists: [rootList, list], mode }), certificate, { profile: 'spiffe' })

  it.each([ldap, 'file://\\\\pki\\CertEnroll\\CA.crl', ''])('is compared as found: %j', async (uri) => {
    const [listed, other] = [await located(uri), await located(uri)]
    const list = await editedList(ca, { entries: [entryOf(listed)], extensions: [crlNumber, scoped(uri)] })
    expect(judged(list, listed, 'soft-fail')).toBe('ERR_REVOKED')
    expect(judged(list, other, 'hard-fail')).toBe('good')
  })

  it('of another list is another distribution point, and refuses nobody', async () => {
    const list = await editedList(ca, { entries: [entryOf(leaf)], extensions: [crlNumber, scoped(ldap)] })
    expect(judged(list, leaf, 'soft-fail')).toBe('good')
    expect(judged(list, leaf, 'hard-fail')).toBe('ERR_REVOCATION_UNKNOWN')
    const elsewhere = await located('http://crl.example/a list')
    expect(judged(list, elsewhere, 'soft-fail')).toBe('good')
  })
})

describe('a list with an extension that cannot be read', () => {
  const malformed = extension(extensionOids.crlNumber, octetString(Uint8Array.of(7)))

  it('is reported with its place, its issuer and the extension, and still accuses', async () => {
    const list = await editedList(ca, { entries: [entryOf(leaf)], extensions: [malformed] })
    const ignored: IgnoredInput[] = []
    const revocation = createCrlChecker({
      lists: [rootList, list],
      mode: 'hard-fail',
      onIgnoredList: (each) => ignored.push(each),
    })
    expect(ignored).toEqual([
      expect.objectContaining({
        index: 1,
        name: ca.name.toString(),
        reason: expect.stringContaining('cRLNumber'),
      }),
    ])
    expect(judge(chain, revocation)).toBe('ERR_REVOKED')
    const other = await makeLeaf(ca)
    const verdict = verifyPath(other, {
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      revocation,
    })
    expect(verdict.ok ? '' : verdict.rejected[0]?.message).toMatch(/lists\[1\] \(.*\) is ignored: cRLNumber/u)
  })
})

describe('a delta list without its complete list', () => {
  it('is named as such where it does not list the certificate', async () => {
    const delta = await editedList(ca, {
      extensions: [crlNumber, extension(extensionOids.deltaCrlIndicator, integer(2), true)],
      fields: { thisUpdate: at(-1) },
    })
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      revocation: createCrlChecker({ lists: [rootList, delta], mode: 'hard-fail' }),
    })
    expect(verdict.ok ? '' : verdict.rejected[0]?.message).toContain('it is a delta list')
  })
})
