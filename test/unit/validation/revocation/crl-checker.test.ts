import { describe, expect, it } from 'vitest'
import { createIntermediateCertificate, createRootCertificate } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { createCrlChecker, verifyPath } from '../../../../src/validation/index.ts'
import type { CrlCheckerOptions } from '../../../../src/validation/index.ts'
import { DistinguishedName, buildCertificate, buildRevocationList, generalName } from '../../../../src/x509/index.ts'
import type { RevocationListFields } from '../../../../src/x509/index.ts'

const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const at = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000)
const rootSigner = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(rootSigner, { subject: 'CN=root' })
const caSigner = await SoftwareSigner.generate('P-256')
const ca = await createIntermediateCertificate({ certificate: root, signer: rootSigner }, caSigner.publicKey, { subject: 'CN=ca' })
const crlSigner = await SoftwareSigner.generate('P-256')
const crlIssuer = await buildCertificate({
  issuer: ca.subject, subject: DistinguishedName.parse('CN=crl issuer'), publicKey: crlSigner.publicKey, notBefore: at(-1), notAfter: at(24),
  extensions: { keyUsage: ['cRLSign'], basicConstraints: { ca: false }, subjectKeyIdentifier: crlSigner.publicKey, authorityKeyIdentifier: caSigner.publicKey.keyIdentifier },
}, caSigner)
const distribution = { fullName: [generalName.uri('http://crl.example/1')] }
const leafOf = async (point?: NonNullable<Parameters<typeof buildCertificate>[0]['extensions']>['crlDistributionPoints']): ReturnType<typeof buildCertificate> =>
  buildCertificate({ issuer: ca.subject, subject: DistinguishedName.parse('CN=leaf'), publicKey: (await SoftwareSigner.generate('P-256')).publicKey, notBefore: at(-1), notAfter: at(24), extensions: { keyUsage: ['digitalSignature'], basicConstraints: { ca: false }, authorityKeyIdentifier: caSigner.publicKey.keyIdentifier, subjectAltName: [generalName.dns('leaf.example')], crlDistributionPoints: point } }, caSigner)
const leaf = await leafOf()
const revoked = { serialNumber: leaf.serialNumber, revocationDate: at(-0.5), reason: 'keyCompromise' as const }
const list = (fields: Partial<RevocationListFields> = {}, signer = caSigner, issuer = ca.subject): ReturnType<typeof buildRevocationList> =>
  buildRevocationList({ issuer, thisUpdate: at(-1), nextUpdate: at(1), crlNumber: 1, authorityKeyIdentifier: signer.publicKey.keyIdentifier, entries: [], ...fields }, signer)
const rootList = await list({}, rootSigner, root.subject)

async function outcome(lists: CrlCheckerOptions['lists'], options: Partial<CrlCheckerOptions> = {}, certificate = leaf): Promise<string> {
  const verdict = verifyPath(certificate, { anchors: [root], intermediates: [ca], time: now, profile: 'spiffe', revocation: createCrlChecker({ lists: [rootList, ...lists], mode: 'hard-fail', ...options }) })
  return verdict.ok ? 'good' : (verdict.rejected[0]?.code ?? 'none')
}

describe('CRL checks', () => {
  it.each([
    { what: 'a current list without the leaf', lists: () => list(), wanted: 'good' },
    { what: 'a current list with the leaf', lists: () => list({ entries: [revoked] }), wanted: 'ERR_REVOKED' },
    { what: 'a list with another certificate', lists: () => list({ entries: [{ ...revoked, serialNumber: ca.serialNumber }] }), wanted: 'good' },
    { what: 'a list past its next update', lists: () => list({ thisUpdate: at(-3), nextUpdate: at(-2) }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a stale list with the leaf', lists: () => list({ thisUpdate: at(-3), nextUpdate: at(-2), entries: [revoked] }), wanted: 'ERR_REVOKED' },
    { what: 'a stale list with the leaf on hold', lists: () => list({ thisUpdate: at(-3), nextUpdate: at(-2), entries: [{ ...revoked, reason: 'certificateHold' }] }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a list from the future', lists: () => list({ thisUpdate: at(0.5), nextUpdate: at(2) }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a list signed by somebody else', lists: () => list({}, rootSigner, ca.subject), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'an unknown critical extension', lists: () => list({ other: [{ oid: '1.2.3', critical: true, value: Uint8Array.of(5, 0) }] }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a list about CAs alone', lists: () => list({ issuingDistributionPoint: { onlyContainsCaCerts: true } }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a list about end entities', lists: () => list({ issuingDistributionPoint: { onlyContainsUserCerts: true } }), wanted: 'good' },
    { what: 'a list about some reasons', lists: () => list({ issuingDistributionPoint: { onlySomeReasons: 2 } }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a list of another distribution point', lists: () => list({ issuingDistributionPoint: { name: distribution } }), wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'a delta without a base', lists: () => list({ deltaCrlIndicator: 1, crlNumber: 2, entries: [revoked] }), wanted: 'ERR_REVOCATION_UNKNOWN' },
  ])('$what: $wanted', async ({ lists, wanted }) => {
    expect(await outcome([await lists()])).toBe(wanted)
  })

  it('takes reasons together from several lists', async () => {
    expect(await outcome([await list({ issuingDistributionPoint: { onlySomeReasons: 0x0e } }), await list({ crlNumber: 2, issuingDistributionPoint: { onlySomeReasons: 0x1f0 } })])).toBe('good')
  })

  it('believes the newer of two lists', async () => {
    expect(await outcome([await list(), await list({ crlNumber: 2, entries: [revoked] })])).toBe('ERR_REVOKED')
  })

  it('completes a list by its delta', async () => {
    expect(await outcome([await list(), await list({ crlNumber: 2, deltaCrlIndicator: 1, entries: [revoked] })])).toBe('ERR_REVOKED')
    const held = await list({ entries: [{ ...revoked, reason: 'certificateHold' }] })
    expect(await outcome([held])).toBe('ERR_REVOKED')
    expect(await outcome([held, await list({ crlNumber: 2, deltaCrlIndicator: 1, entries: [{ ...revoked, reason: 'removeFromCRL' }] })])).toBe('good')
    expect(await outcome([held, await list({ crlNumber: 2, deltaCrlIndicator: 2, entries: [{ ...revoked, reason: 'removeFromCRL' }] })])).toBe('ERR_REVOKED')
  })

  it('follows an indirect list to its issuer', async () => {
    const point = [{ name: distribution, reasons: undefined, crlIssuer: [{ type: 'directoryName' as const, name: crlIssuer.subject }] }]
    const certificate = await leafOf(point)
    const scope = { name: distribution, indirectCrl: true }
    const entry = { serialNumber: certificate.serialNumber, revocationDate: at(-0.5) }
    const named = { ...entry, certificateIssuer: [{ type: 'directoryName' as const, name: ca.subject }] }
    const indirect = (entries: RevocationListFields['entries']): ReturnType<typeof list> => list({ issuingDistributionPoint: scope, entries }, crlSigner, crlIssuer.subject)
    expect(await outcome([await indirect([])], { issuers: [crlIssuer] }, certificate)).toBe('ERR_REVOCATION_UNKNOWN') // the issuer's own status is not known
    const own = await list() // about the CRL issuer
    expect(await outcome([own, await indirect([])], { issuers: [crlIssuer] }, certificate)).toBe('good')
    expect(await outcome([own, await indirect([named])], { issuers: [crlIssuer] }, certificate)).toBe('ERR_REVOKED')
  })

  it.each([
    { what: 'soft-fail lets an unknown status through', options: { mode: 'soft-fail' as const }, lists: () => [], wanted: 'good' },
    { what: 'soft-fail believes a list', options: { mode: 'soft-fail' as const }, lists: async () => [await list({ entries: [revoked] })], wanted: 'ERR_REVOKED' },
    { what: 'off asks nobody', options: { mode: 'off' as const }, lists: async () => [await list({ entries: [revoked] })], wanted: 'good' },
    { what: 'an age limit', options: { maximumAgeSeconds: 1800 }, lists: async () => [await list()], wanted: 'ERR_REVOCATION_UNKNOWN' },
    { what: 'the leaf alone', options: { scope: 'leaf' as const }, lists: async () => [await list()], wanted: 'good' },
  ])('$what', async ({ options, lists, wanted }) => {
    expect(await outcome(await lists(), options)).toBe(wanted)
  })

  it.each<[string, object]>([
    ['an age that is none', { maximumAgeSeconds: Number.NaN }],
    ['a mode that is misspelt', { mode: 'hardfail' }],
    ['a mode that is switched off in other words', { mode: false }],
    ['no mode', { mode: undefined }],
    ['a scope that is misspelt', { scope: 'leafs' }],
  ])('refuses %s', (_what, options) => {
    expect(() => createCrlChecker({ lists: [], mode: 'hard-fail', ...options })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it('asks with the scope "leaf" about the target, a CA or not', () => {
    const revocation = (entries: RevocationListFields['entries'], mode: 'hard-fail' | 'soft-fail'): Promise<CrlCheckerOptions> => list({ entries }, rootSigner, root.subject).then((own) => ({ lists: [own], mode, scope: 'leaf' }))
    const about = async (options: Promise<CrlCheckerOptions>): Promise<string> => {
      const verdict = verifyPath(ca, { anchors: [root], time: now, profile: 'spiffe', revocation: createCrlChecker(await options) })
      return verdict.ok ? 'good' : (verdict.rejected[0]?.code ?? 'none')
    }
    return expect(Promise.all([
      about(revocation([{ serialNumber: ca.serialNumber, revocationDate: at(-0.5) }], 'soft-fail')), about(revocation([], 'hard-fail')), about(Promise.resolve({ lists: [], mode: 'hard-fail', scope: 'leaf' })),
    ])).resolves.toEqual(['ERR_REVOKED', 'good', 'ERR_REVOCATION_UNKNOWN'])
  })
})
