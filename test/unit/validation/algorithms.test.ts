// Algorithms and keys that a profile takes, in leaves, intermediates and anchors.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { validationProfiles, verifyPath } from '../../../src/validation/index.ts'
import type { ProfileName, ValidationProfile } from '../../../src/validation/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, time } from './test-pki.ts'

const rsa = (modulusLength: number): Signer => new SoftwareSigner(generateKeyPairSync('rsa', { modulusLength }).privateKey)
const ed25519 = (): Signer => new SoftwareSigner(generateKeyPairSync('ed25519').privateKey)
const curve = (namedCurve: string): Signer => new SoftwareSigner(generateKeyPairSync('ec', { namedCurve }).privateKey)

interface Keys {
  readonly root?: Signer
  readonly leaf?: Signer
  readonly anchor?: 'certificate' | 'key'
  readonly profile?: ProfileName | ValidationProfile
}

async function outcome({ root: rootSigner, leaf: leafSigner, anchor = 'certificate', profile = 'rfc5280' }: Keys): Promise<string> {
  const root = await makeAuthority('root', undefined, rootSigner === undefined ? {} : { signer: rootSigner })
  const leaf = await makeLeaf(root, leafSigner === undefined ? {} : { signer: leafSigner })
  const anchors = [anchor === 'certificate' ? root.certificate : { subject: root.name, publicKey: root.signer.publicKey }]
  const verdict = verifyPath(leaf, { anchors, time, profile, extendedKeyUsage: 'serverAuth' })
  return verdict.ok ? 'ok' : (verdict.rejected[0]?.code ?? '')
}

describe('keys and signatures', () => {
  it.each<[string, () => Keys, string]>([
    ['P-384 over P-256', () => ({ root: curve('P-384') }), 'ok'],
    ['P-521 over P-256', () => ({ root: curve('P-521') }), 'ok'],
    ['RSA-2048 over RSA-2048', () => ({ root: rsa(2048), leaf: rsa(2048) }), 'ok'],
    ['Ed25519 over Ed25519', () => ({ root: ed25519(), leaf: ed25519() }), 'ok'],
    ['Ed25519 signs in the web PKI', () => ({ root: ed25519(), profile: 'webpki' }), 'ERR_PATH_ALGORITHM'],
    ['an Ed25519 leaf in the web PKI', () => ({ leaf: ed25519(), profile: 'webpki' }), 'ERR_PATH_ALGORITHM'],
    ['an RSA root that is shorter than the profile wants', () => ({ root: rsa(2048), profile: longRsa }), 'ERR_PATH_ALGORITHM'],
    ['the same as a bare key', () => ({ root: rsa(2048), anchor: 'key', profile: longRsa }), 'ERR_PATH_ALGORITHM'],
    ['an RSA leaf that is shorter than the profile wants', () => ({ leaf: rsa(2048), profile: longRsa }), 'ERR_PATH_ALGORITHM'],
    ['a bare key that is long enough', () => ({ root: rsa(3072), anchor: 'key', profile: longRsa }), 'ok'],
  ])('%s', async (_name, keys, wanted) => {
    expect(await outcome(keys())).toBe(wanted)
  })
})

const longRsa: ValidationProfile = { ...validationProfiles.rfc5280, name: 'long RSA', minimumRsaBits: 3072 }
