// Algorithms and keys that a profile takes, in leaves, intermediates and anchors.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { validationProfiles, verifyPath } from '../../../src/validation/index.ts'
import type { ValidationProfile } from '../../../src/validation/index.ts'
import type { ProfileName } from '../../../src/validation/profile.ts'
import { PublicKey } from '../../../src/x509/index.ts'
import type { SignatureAlgorithm, Signer } from '../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../src/x509/internal.ts'
import { certificateParts, makeAuthority, makeLeaf, rejectionOf, resign, time } from './test-pki.ts'

const rsa = (modulusLength: number): Signer =>
  new SoftwareSigner(generateKeyPairSync('rsa', { modulusLength }).privateKey)
const ed25519 = (): Signer => new SoftwareSigner(generateKeyPairSync('ed25519').privateKey)
const curve = (namedCurve: string): Signer =>
  new SoftwareSigner(generateKeyPairSync('ec', { namedCurve }).privateKey)

interface Keys {
  readonly root?: Signer
  readonly leaf?: Signer
  readonly anchor?: 'certificate' | 'key'
  readonly profile?: ProfileName | ValidationProfile
}

async function outcome({
  root: rootSigner,
  leaf: leafSigner,
  anchor = 'certificate',
  profile = 'rfc5280',
}: Keys): Promise<string> {
  const root = await makeAuthority('root', undefined, rootSigner === undefined ? {} : { signer: rootSigner })
  const leaf = await makeLeaf(root, leafSigner === undefined ? {} : { signer: leafSigner })
  const anchors = [
    anchor === 'certificate' ? root.certificate : { subject: root.name, publicKey: root.signer.publicKey },
  ]
  return rejectionOf(verifyPath(leaf, { anchors, time, profile, extendedKeyUsage: 'serverAuth' })) ?? 'ok'
}

describe('keys and signatures', () => {
  it.each<[string, () => Keys, string]>([
    ['P-384 over P-256', () => ({ root: curve('P-384') }), 'ok'],
    ['P-521 over P-256', () => ({ root: curve('P-521') }), 'ok'],
    ['RSA-2048 over RSA-2048', () => ({ root: rsa(2048), leaf: rsa(2048) }), 'ok'],
    ['Ed25519 over Ed25519', () => ({ root: ed25519(), leaf: ed25519() }), 'ok'],
    ['Ed25519 signs in the web PKI', () => ({ root: ed25519(), profile: 'webpki' }), 'ERR_PATH_ALGORITHM'],
    ['an Ed25519 leaf in the web PKI', () => ({ leaf: ed25519(), profile: 'webpki' }), 'ERR_PATH_ALGORITHM'],
    ['a leaf whose point is not on its curve', () => ({ leaf: offCurve }), 'ERR_PATH_ALGORITHM'],
    [
      'a bare key whose point is not on its curve',
      () => ({ root: offCurve, anchor: 'key' }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an RSA root that is shorter than the profile wants',
      () => ({ root: rsa(2048), profile: longRsa }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'the same as a bare key',
      () => ({ root: rsa(2048), anchor: 'key', profile: longRsa }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an RSA leaf that is shorter than the profile wants',
      () => ({ leaf: rsa(2048), profile: longRsa }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an RSA root that is longer than the profile wants',
      () => ({ root: rsa(3072), profile: shortRsa }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an RSA root that is as long as the profile wants',
      () => ({ root: rsa(2048), profile: shortRsa }),
      'ok',
    ],
    [
      'a known algorithm that the profile does not take',
      () => ({ profile: { ...validationProfiles.rfc5280, signatureAlgorithms: ['ecdsa-with-SHA384'] } }),
      'ERR_PATH_ALGORITHM',
    ],
    [
      'a known key that the profile does not take',
      () => ({ leaf: curve('P-384'), profile: { ...validationProfiles.rfc5280, keyAlgorithms: ['P-256'] } }),
      'ERR_PATH_ALGORITHM',
    ],
    ['a bare key that is long enough', () => ({ root: rsa(3072), anchor: 'key', profile: longRsa }), 'ok'],
  ])('%s', async (_name, keys, wanted) => {
    expect(await outcome(keys())).toBe(wanted)
  })
})

it('of an anchor nobody asks what it is signed with, of an intermediate one does', async () => {
  const upper = await makeAuthority('upper', undefined, { signer: curve('P-384') })
  const authority = await makeAuthority('authority', upper)
  const leaf = await makeLeaf(authority)
  const profile: ValidationProfile = {
    ...validationProfiles.rfc5280,
    signatureAlgorithms: ['ecdsa-with-SHA256'],
  }
  expect(rejectionOf(verifyPath(leaf, { anchors: [authority.certificate], time, profile })) ?? 'ok').toBe(
    'ok',
  )
  expect(
    rejectionOf(
      verifyPath(leaf, {
        anchors: [upper.certificate],
        intermediates: [authority.certificate],
        time,
        profile,
      }),
    ),
  ).toBe('ERR_PATH_ALGORITHM')
})

describe('parameters of an algorithm', () => {
  const sha = (arc: string, parameters = '0500'): string =>
    tlv('30', `0609608648016503040${arc}${parameters}`)
  const sha1 = tlv('30', '06052b0e03021a0500')
  const mgf = (hash: string): string => tlv('30', `06092a864886f70d010108${hash}`)
  const pss = (...parts: string[]): string => tlv('30', `06092a864886f70d01010a${tlv('30', parts.join(''))}`)
  const [hash, mask, salt] = [tlv('a0', sha('201')), tlv('a1', mgf(sha('201'))), 'a203020120']
  it.each<[string, string, string]>([
    ['RSASSA-PSS as it is written', pss(hash, mask, salt), 'ok'],
    ['hashes without NULL', pss(tlv('a0', sha('201', '')), tlv('a1', mgf(sha('201', ''))), salt), 'ok'],
    ['a trailer that is the default, written out', pss(hash, mask, salt, 'a303020101'), 'ok'],
    ['another trailer', pss(hash, mask, salt, 'a303020102'), 'ERR_PATH_ALGORITHM'],
    ['another salt length', pss(hash, mask, 'a203020121'), 'ERR_PATH_SIGNATURE'],
    ['the default salt length', pss(hash, mask), 'ERR_PATH_SIGNATURE'],
    ['a negative salt length', pss(hash, mask, 'a2030201ff'), 'ERR_PATH_ALGORITHM'],
    ['another hash', pss(tlv('a0', sha('202')), tlv('a1', mgf(sha('202'))), salt), 'ERR_PATH_SIGNATURE'],
    ['two hashes', pss(hash, tlv('a1', mgf(sha('202'))), salt), 'ERR_PATH_ALGORITHM'],
    ['SHA-1', pss(tlv('a0', sha1), tlv('a1', mgf(sha1)), salt), 'ERR_PATH_ALGORITHM'],
    ['all defaults', pss(), 'ERR_PATH_ALGORITHM'],
    ['no parameters', tlv('30', '06092a864886f70d01010a'), 'ERR_PATH_ALGORITHM'],
    ['NULL', tlv('30', '06092a864886f70d01010a0500'), 'ERR_PATH_ALGORITHM'],
    ['parameters in another order', pss(mask, hash, salt), 'ERR_PATH_ALGORITHM'],
    ['something after the parameters', pss(hash, mask, salt, '0500'), 'ERR_PATH_ALGORITHM'],
    ['PKCS #1 v1.5', '300d06092a864886f70d01010b0500', 'ERR_PATH_SIGNATURE'],
    ['PKCS #1 v1.5 without NULL', '300b06092a864886f70d01010b', 'ERR_PATH_SIGNATURE'],
    ['PKCS #1 v1.5 with SHA-1', '300d06092a864886f70d0101050500', 'ERR_PATH_ALGORITHM'],
    ['PKCS #1 v1.5 with MD5', '300d06092a864886f70d0101040500', 'ERR_PATH_ALGORITHM'],
    ['an algorithm of keys', '300d06092a864886f70d0101010500', 'ERR_PATH_ALGORITHM'],
  ])('%s', async (_what, identifier, wanted) => {
    const issuer = await pssIssuer
    const algorithm = Uint8Array.from(Buffer.from(identifier, 'hex'))
    const made = await makeLeaf(issuer)
    const leaf = await resign(
      made.tbs,
      issuer.signer,
      (parts) => parts.with(certificateParts.algorithm, algorithm),
      algorithm,
    )
    const verdict = verifyPath(leaf, { anchors: [issuer.certificate], time })
    expect(rejectionOf(verdict) ?? 'ok').toBe(wanted)
  })

  it.each<[string, SignatureAlgorithm, RegExp]>([
    ['r || s', 'ecdsa-with-SHA256', /not an ECDSA-Sig-Value \(RFC 3279 2\.2\.3\); it may be r \|\| s/],
    [
      'an algorithm of RSA',
      'sha256WithRSAEncryption',
      /signed with sha256WithRSAEncryption, but the key of the issuer candidate is P-256/,
    ],
  ])('%s by an EC key is named', async (_what, name, message) => {
    const issuer = await makeAuthority('form')
    const { identifier } = signatureAlgorithms[name]
    const fixed: Signer = { ...issuer.signer, sign: () => Promise.resolve(new Uint8Array(64).fill(7)) }
    const leaf = await resign(
      (await makeLeaf(issuer)).tbs,
      fixed,
      (parts) => parts.with(certificateParts.algorithm, identifier),
      identifier,
    )
    const verdict = verifyPath(leaf, { anchors: [issuer.certificate], time })
    expect(verdict.ok ? 'ok' : verdict.rejected[0]?.message).toMatch(message)
  })

  it.each<[ProfileName, string]>([
    ['rfc5280', 'ok'],
    ['spiffe', 'ok'],
    ['webpki', 'BR 7.1.3.2'],
  ])('PKCS #1 v1.5 without NULL, under %s: %s', async (profile, wanted) => {
    const absent = Uint8Array.from(Buffer.from('300b06092a864886f70d01010b', 'hex'))
    const issuer = await makeAuthority('rsa', undefined, { signer: rsa(2048) })
    const leaf = await resign(
      (await makeLeaf(issuer)).tbs,
      issuer.signer,
      (parts) => parts.with(certificateParts.algorithm, absent),
      absent,
    )
    const verdict = verifyPath(leaf, { anchors: [issuer.certificate], time, profile })
    expect(verdict.ok ? 'ok' : verdict.rejected[0]?.rule).toBe(wanted)
  })

  function tlv(tag: string, content: string): string {
    return `${tag}${(content.length / 2).toString(16).padStart(2, '0')}${content}`
  }
})

const pssIssuer = SoftwareSigner.generate('RSA-PSS-2048').then((signer) =>
  makeAuthority('pss', undefined, { signer }),
)
/** A key of which nothing is asked but its octets; it signs with another. */
const offCurve: Signer = {
  id: 'off the curve',
  signatureAlgorithm: 'ecdsa-with-SHA256',
  sign: (data) => curve('P-256').sign(data),
  publicKey: PublicKey.fromSpki(Uint8Array.from(curve('P-256').publicKey.spki).fill(1, 83)),
}
const longRsa: ValidationProfile = { ...validationProfiles.rfc5280, name: 'long RSA', minRsaBits: 3072 }
const shortRsa: ValidationProfile = { ...validationProfiles.rfc5280, name: 'short RSA', maxRsaBits: 2048 }
