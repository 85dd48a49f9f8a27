// A CA whose certificates a validator would refuse is refused when it is made, and in rotate; the message
// says why.

import { constants, createSign, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { PublicKey, buildCertificate, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/extensions/extension-fields.ts'
import type { Certificate, Signer } from '../../../src/x509/index.ts'
import { newRequest } from '../../support/pki.ts'

const start = Date.UTC(2026, 0, 1)
const day = 86_400_000
const clock = new FakeClock(new Date(start))

interface Made {
  readonly certificate: Certificate
  readonly signer: Signer
}

interface Wish {
  readonly parent?: Made
  readonly signer?: Signer
  readonly extensions?: ExtensionFields
  readonly from?: number
  readonly to?: number
}

async function make(name: string, { parent, signer, extensions, from, to }: Wish = {}): Promise<Made> {
  const own = signer ?? (await SoftwareSigner.generate('P-256'))
  const certificate = await buildCertificate(
    {
      issuer: parent?.certificate.subject ?? `CN=${name}`,
      subject: `CN=${name}`,
      publicKey: own.publicKey,
      notBefore: new Date(from ?? start - 10 * day),
      notAfter: new Date(to ?? start + 1000 * day),
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

/** A signer that no key manager gives: a short RSA key, or SHA-1. */
function oldRsa(modulusLength: number): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  return {
    id: `rsa-${modulusLength}`,
    publicKey: PublicKey.from(publicKey),
    signatureAlgorithm: 'sha256WithRSAEncryption',
    sign: (data) =>
      createSign('sha256').update(data).sign({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }),
  }
}

const root = await make('root')
const goodMaterial = { ...(await make('good', { parent: root })), roots: [root.certificate] }

/** A CA below the root, or below another. */
const below = async (wish: Wish, above: Made = root): Promise<object> => ({
  ...(await make('ca', { parent: above, ...wish })),
  roots: [above.certificate],
})
const critical = { oid: '1.2.3.4.5', critical: true, value: Uint8Array.of(5, 0) }

describe('a CA that its own validator would refuse', () => {
  it.each<[string, () => Promise<object>, RegExp]>([
    [
      'is for code signing alone',
      () => below({ extensions: { extendedKeyUsage: [keyPurposeOids.codeSigning] } }),
      /CN=ca|extended key usage|purpose/i,
    ],
    [
      'is for servers alone, and its profile has clients too',
      () => below({ extensions: { extendedKeyUsage: [keyPurposeOids.serverAuth] } }),
      /extended key usage|purpose/i,
    ],
    [
      'has a critical extension that nobody supports',
      () => below({ extensions: { other: [critical] } }),
      /1\.2\.3\.4\.5/,
    ],
    [
      'wants a policy that no leaf has',
      () =>
        below({
          extensions: { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } },
        }),
      /polic/i,
    ],
    ['may not sign certificates', () => below({ extensions: { keyUsage: ['cRLSign'] } }), /keyCertSign/],
    ['may not sign lists', () => below({ extensions: { keyUsage: ['keyCertSign'] } }), /cRLSign/],
    ['is no CA', () => below({ extensions: { basicConstraints: { ca: false } } }), /CA/],
    ['expired', () => below({ to: start - day }), /expired: CN=ca .*the time is/],
    ['is not valid yet', () => below({ from: start + day }), /not valid yet: CN=ca .*the time is/],
    [
      'is below a root that expired',
      async () => below({}, await make('old', { to: start - day })),
      /expired: CN=old/,
    ],
    [
      'is not valid yet, beside a root that expired and that it does not need',
      async () => {
        const { certificate: other } = await make('other', { to: start - day })
        return { ...(await below({ from: start + day })), roots: [root.certificate, other] }
      },
      /^not valid yet: CN=ca [^;]*; the time is/,
    ],
    [
      'is below a root that allows no CA below it',
      async () => {
        const short = await make('root', { extensions: { basicConstraints: { ca: true, pathLength: 0 } } })
        const middle = await make('middle', { parent: short })
        return {
          ...(await make('ca', { parent: middle })),
          chain: [middle.certificate],
          roots: [short.certificate],
        }
      },
      /path|length/i,
    ],
    [
      'is below a root whose key is short',
      async () => below({}, await make('short', { signer: oldRsa(1024) })),
      /1024/,
    ],
    [
      'has names that its root excludes',
      async () =>
        below(
          {},
          await make('narrow', {
            extensions: { nameConstraints: { excluded: [generalName.uri('example.org')] } },
          }),
        ),
      /constraint|excluded/i,
    ],
  ])('%s: refused when made, and in rotate', async (_what, material, message) => {
    const made = (await material()) as typeof goodMaterial
    const wanted = expect.objectContaining({
      code: expect.stringMatching(/^ERR_CA_/),
      message: expect.stringMatching(message),
    })
    const options = { trustDomain: 'example.org', clock }
    expect(() => createCertificateAuthority({ ...options, ...made })).toThrow(wanted)
    const authority = createCertificateAuthority({ ...options, ...goodMaterial })
    await expect(authority.rotate({ ...made, roots: [root.certificate, ...made.roots] })).rejects.toThrow(
      wanted,
    )
    // What was there goes on.
    expect(authority.certificate.equals(goodMaterial.certificate)).toBe(true)
  })
})

it('names each expired certificate once when it refuses to sign', async () => {
  const later = new FakeClock(new Date(start))
  const authority = createCertificateAuthority({ trustDomain: 'example.org', clock: later, ...goodMaterial })
  later.advance(1001 * day)
  const content = { subjectAltName: [generalName.uri('spiffe://example.org/w')] }
  await expect(authority.prepare((await newRequest()).request, content)).rejects.toEqual(
    expect.objectContaining({
      code: 'ERR_CA_EXPIRED',
      message: expect.stringMatching(/^expired: CN=good [^;]*; CN=root [^;]*; the time is [^;]*$/),
    }),
  )
})
