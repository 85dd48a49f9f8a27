// An indirect list with a fault accuses the certificates of every issuer that its entries name with certainty
// (RFC 5280 §5.2.5, §5.3.3).

import { describe, expect, it } from 'vitest'
import {
  boolean,
  element,
  encodeTime,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
} from '../../../../src/der/index.ts'
import { createCrlChecker } from '../../../../src/validation/index.ts'
import { extensionOids } from '../../../../src/x509/index.ts'
import type { Certificate, DistinguishedName, GeneralName } from '../../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../../src/x509/internal.ts'
import { encodeAltName } from '../../../../src/x509/names/general-name-encoder.ts'
import {
  at,
  editedList,
  judge,
  makeChain,
  makeCrlIssuer,
  makeLeaf,
  makeList,
  newSigner,
  resign,
} from '../test-pki.ts'
import type { Issuer, ListEdits } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca } = chain
const rootList = await makeList(root)
const lister = await makeCrlIssuer(root)
const directoryName = (name: DistinguishedName): GeneralName => ({ type: 'directoryName', name })
const point = { name: undefined, reasons: undefined, crlIssuer: [directoryName(lister.name)] }
const leaf = await makeLeaf(ca, { extensions: { crlDistributionPoints: [point] } })
const unlisted = await makeLeaf(ca, { extensions: { crlDistributionPoints: [point] } })
/** Of the same CA, and names no CRL issuer. */
const stranger = await makeLeaf(ca, { serialNumber: leaf.serialNumberBytes })

const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value))
const number = extension(extensionOids.crlNumber, integer(1))
const keyIdentifier = extension(
  extensionOids.authorityKeyIdentifier,
  sequence(element(0x80, lister.signer.publicKey.keyIdentifier)),
)
const scope = (...flags: readonly number[]): Uint8Array =>
  extension(
    extensionOids.issuingDistributionPoint,
    sequence(...flags.map((flag) => element(0x80 + flag, Uint8Array.of(0xff)))),
    true,
  )
const indirect = scope(4)
const reason = (code: number): Uint8Array =>
  extension(extensionOids.reasonCode, element(10, Uint8Array.of(code)))
const of = (name: DistinguishedName): Uint8Array =>
  extension(extensionOids.certificateIssuer, encodeAltName([directoryName(name)]), true)
const unreadableIssuer = extension(extensionOids.certificateIssuer, sequence(), true)
const date = encodeTime(at(-5).getTime())
const entry = (serial: Uint8Array, ...extensions: readonly Uint8Array[]): Uint8Array =>
  sequence(element(2, serial), date, ...(extensions.length === 0 ? [] : [sequence(...extensions)]))
const other = Uint8Array.of(1, 2, 3)
const listed = [entry(other, of(ca.name)), entry(leaf.serialNumberBytes)]

/** What soft-fail and hard-fail say. */
const judged = (list: Uint8Array, certificate: Certificate = leaf): string[] =>
  (['soft-fail', 'hard-fail'] as const).map((mode) =>
    judge(
      chain,
      createCrlChecker({ lists: [rootList, list], mode, issuers: [lister.certificate] }),
      certificate,
    ),
  )
const accused = ['ERR_REVOKED', 'ERR_REVOKED']
const unknown = ['good', 'ERR_REVOCATION_UNKNOWN']
const listOf = (edits: ListEdits, by: Issuer = lister): Promise<Uint8Array> =>
  editedList(by, { extensions: [number, keyIdentifier, indirect], ...edits })

const version1 = async (by: Issuer = lister): Promise<Uint8Array> => {
  const made = await makeList(by, { entries: [{ serialNumber: other, revocationDate: at(-5) }] })
  return resign(made.tbs, by.signer, ([, ...parts]) => [
    ...parts.slice(0, 4),
    sequence(...listed),
    explicit(0, sequence(indirect)),
  ])
}

const otherAlgorithm = async (): Promise<Uint8Array> => {
  const made = await makeList(lister, { entries: [{ serialNumber: other, revocationDate: at(-5) }] })
  return resign(made.tbs, lister.signer, ([version, , ...parts]) => [
    version as Uint8Array,
    signatureAlgorithms['ecdsa-with-SHA384'].identifier,
    ...parts.slice(0, 3),
    sequence(...listed),
    explicit(0, sequence(number, keyIdentifier, indirect)),
  ])
}

describe('an indirect list of another issuer', () => {
  it.each<readonly [string, () => Promise<Uint8Array>]>([
    ['version 1', version1],
    ['another algorithm in what is signed', otherAlgorithm],
    [
      'a number twice',
      () => listOf({ entries: listed, extensions: [number, number, keyIdentifier, indirect] }),
    ],
    ['its scope twice', () => listOf({ entries: listed, extensions: [number, indirect, indirect] })],
    ['two scopes', () => listOf({ entries: listed, extensions: [number, scope(1), indirect] })],
    [
      'a scope that cannot be read',
      () => listOf({ entries: listed, extensions: [number, keyIdentifier, scope(9)] }),
    ],
    [
      'a number below zero',
      () =>
        listOf({ entries: listed, extensions: [extension(extensionOids.crlNumber, integer(-1)), indirect] }),
    ],
    [
      'a default that is written out',
      () =>
        listOf({
          entries: listed,
          extensions: [
            sequence(oid(extensionOids.crlNumber), boolean(false), octetString(integer(1))),
            indirect,
          ],
        }),
    ],
  ])('with %s accuses by the issuer of its entries, and clears nobody', async (_what, make) => {
    const list = await make()
    expect(judged(list)).toEqual(accused)
    expect(judged(list, unlisted)).toEqual(unknown)
    expect(judged(list, stranger), 'a certificate that does not name the CRL issuer').toEqual(unknown)
  })

  it('accuses nobody where it is not indirect, or signed by another key, or unusable', async () => {
    const twice = [number, number]
    expect(judged(await listOf({ entries: listed, extensions: twice }))).toEqual(unknown)
    expect(judged(await listOf({ entries: listed, extensions: [...twice, scope(1)] }))).toEqual(unknown)
    const critical = extension('1.2.3.4', nullElement(), true)
    expect(judged(await listOf({ entries: listed, extensions: [...twice, indirect, critical] }))).toEqual(
      unknown,
    )
    expect(judged(await version1({ ...lister, signer: newSigner() }))).toEqual(unknown)
  })

  it('about CAs only accuses no end entity', async () => {
    expect(judged(await listOf({ entries: listed, extensions: [number, number, scope(2, 4)] }))).toEqual(
      unknown,
    )
  })

  it('accuses no certificate of another issuer with the same number', async () => {
    const entries = [entry(other, of(root.name)), entry(leaf.serialNumberBytes)]
    const own = [entry(leaf.serialNumberBytes)]
    for (const extensions of [
      [number, number, indirect],
      [number, scope(9)],
      [number, keyIdentifier, indirect],
    ])
      for (const some of [entries, own])
        expect(judged(await listOf({ entries: some, extensions }))[0]).toBe('good')
  })
})

describe('an entry of an indirect list whose form is odd', () => {
  const names: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['a reason twice', [reason(1), reason(4), of(ca.name)]],
    ['a reason that does not exist', [of(ca.name), reason(7)]],
    ['an explicit FALSE', [of(ca.name), sequence(oid('1.2.3'), boolean(false), octetString(nullElement()))]],
  ]
  it.each(names)('with %s names its issuer, and that of those after it', async (_what, extensions) => {
    for (const entries of [
      [entry(leaf.serialNumberBytes, ...extensions)],
      [entry(other, ...extensions), entry(leaf.serialNumberBytes)],
    ]) {
      const list = await listOf({ entries })
      expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
    }
  })

  it.each<readonly [string, Uint8Array]>([
    ['an empty list of extensions', sequence(element(2, other), date, sequence())],
    ['no date', sequence(element(2, other))],
    ['a padded number', entry(Uint8Array.of(0, 5))],
  ])('with %s leaves the issuer of those after it as it was', async (_what, odd) => {
    const list = await listOf({ entries: [entry(other, of(ca.name)), odd, entry(leaf.serialNumberBytes)] })
    expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
  })

  it.each<readonly [string, Uint8Array]>([
    ['an issuer without names', entry(other, unreadableIssuer)],
    ['two issuers', entry(other, of(ca.name), of(root.name))],
    ['extensions that cannot be read', sequence(element(2, other), date, integer(1))],
    ['extensions that cannot be read, and no date', sequence(element(2, other), sequence(integer(1)))],
    ['another type', integer(5)],
  ])('with %s: the issuer is unknown until an entry names one', async (_what, odd) => {
    const [first, own] = [entry(other, of(ca.name)), entry(leaf.serialNumberBytes)]
    expect(judged(await listOf({ entries: [first, odd, own] }))).toEqual(unknown)
    expect(judged(await listOf({ entries: [odd, own] }))).toEqual(unknown)
    expect(judged(await listOf({ entries: [first, own, odd] }))).toEqual(accused)
    expect(judged(await listOf({ entries: [odd, entry(other, of(ca.name)), own] }))).toEqual(accused)
    expect(judged(await listOf({ entries: [odd, entry(other, of(root.name)), own] }))).toEqual(unknown)
  })

  it('without a date names its issuer all the same', async () => {
    const undated = sequence(element(2, other), sequence(of(root.name)))
    const list = await listOf({
      entries: [entry(other, of(ca.name)), undated, entry(leaf.serialNumberBytes)],
    })
    expect(judged(list)).toEqual(unknown)
    const dated = [undated, sequence(element(2, leaf.serialNumberBytes), sequence(of(ca.name)))]
    expect(judged(await listOf({ entries: dated }))).toEqual(accused)
  })

  it('that is repeated and critical, with an unknown one beside: the list is used for nothing', async () => {
    const critical = extension('1.2.3.4', nullElement(), true)
    const list = await listOf({
      entries: [entry(leaf.serialNumberBytes, reason(1), reason(1), of(ca.name), critical)],
    })
    expect(judged(list)).toEqual(unknown)
  })
})
