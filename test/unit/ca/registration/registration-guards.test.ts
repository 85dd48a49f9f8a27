// What a registration authority refuses before it forwards a request, and the reason that it gives for an
// answer that the verification of the path would refuse too.

import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRegistrationAuthority } from '../../../../src/ca/index.ts'
import type { RemoteSigner } from '../../../../src/ca/index.ts'
import {
  PublicKey,
  buildCertificate,
  buildCertificateRequest,
  generalName,
} from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { newRequest, testPki, workloadId } from '../../../support/pki.ts'

const { root, signer: rootSigner } = await testPki()
const { request: csr } = await newRequest()
const subjectAltName = [generalName.uri(workloadId.toString())]
const second = 1000

/** The CA elsewhere, which counts its calls; `from` and `to` are seconds from now. */
function elsewhere({ from = -60, to = 600, ca = false, answer = {} } = {}) {
  let calls = 0
  const signer: RemoteSigner = {
    name: 'elsewhere',
    roots: async () => [root],
    async sign({ csr: { publicKey } }) {
      calls++
      const nowMs = Math.floor(Date.now() / second) * second
      const certificate = await buildCertificate(
        {
          issuer: root.subject,
          publicKey,
          notBefore: new Date(nowMs + from * second),
          notAfter: new Date(nowMs + to * second),
          extensions: {
            basicConstraints: { ca },
            keyUsage: ca ? ['digitalSignature', 'keyCertSign'] : ['digitalSignature'],
            extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
            subjectKeyIdentifier: publicKey,
            authorityKeyIdentifier: root.subjectKeyIdentifier,
            subjectAltName,
          },
        },
        rootSigner,
      )
      return { certificate, chain: [], roots: [root], ...answer }
    },
  }
  const authority = createRegistrationAuthority({ trustDomain: 'example.org', signer })
  return { authority, calls: () => calls }
}

describe('a request is not prepared', () => {
  it.each([
    ['that is not a request', { request: csr.der }, 'ERR_INVALID_ARGUMENT'],
    ['that was aborted', { options: { signal: AbortSignal.abort() } }, 'ERR_ABORTED'],
    ['without a list of names', { content: { subjectAltName: undefined } }, 'ERR_LINT'],
    [
      'with more names than the profile allows',
      {
        content: { subjectAltName: Array.from({ length: 1001 }, (_, at) => generalName.dns(`n${at}.test`)) },
      },
      'ERR_LINT',
    ],
    ...[0, 0.5, Number.NaN, '60'].map(
      (maxTtlSeconds) =>
        [`for ${maxTtlSeconds} s`, { content: { maxTtlSeconds } }, 'ERR_INVALID_ARGUMENT'] as const,
    ),
  ] as const)(
    '%s',
    async (_what, change: { request?: unknown; content?: object; options?: object }, expected) => {
      const authority = await elsewhere().authority
      const { request = csr, content, options } = change
      await expect(
        authority.prepare(request as never, { subjectAltName, ...content } as never, options),
      ).rejects.toThrow(code(expected))
    },
  )

  it('with a weak key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const weak = await buildCertificateRequest(
      {},
      {
        id: 'weak',
        publicKey: PublicKey.from(privateKey),
        signatureAlgorithm: 'sha256WithRSAEncryption',
        sign: (data) => sign('sha256', data, privateKey),
      },
    )
    const authority = await elsewhere().authority
    await expect(authority.prepare(weak, { subjectAltName })).rejects.toThrow(code('ERR_KEY_WEAK'))
  })
})

it('a policy shortens the validity that is forwarded', async () => {
  const authority = await elsewhere().authority
  const whole = await authority.prepare(csr, { subjectAltName, ttlSeconds: 600 })
  const short = await authority.prepare(csr, { subjectAltName, ttlSeconds: 600, maxTtlSeconds: 60 })
  expect(whole.shortened).toBeUndefined()
  expect(short.shortened).toMatchObject({ by: 'policy', to: short.notAfter })
  expect(short.notAfter.getTime()).toBeLessThan(whole.notAfter.getTime())
})

it('a request that was aborted after it was prepared is not forwarded', async () => {
  const { authority, calls } = elsewhere()
  const prepared = await (await authority).prepare(csr, { subjectAltName })
  const signed = (await authority).sign(prepared, { signal: AbortSignal.abort() })
  await expect(signed).rejects.toThrow(code('ERR_ABORTED'))
  expect(calls()).toBe(0)
})

it.each([
  ['a CA', { ca: true }, /it is a CA certificate/],
  ['one of the future', { from: 60 }, /it is valid from/],
  ['an expired one', { to: -5 }, /it is valid from/],
  ['a chain that is not a list', { answer: { chain: root } }, /chain is not a list of at most 8/],
])('an answer with %s is refused with this reason', async (_what, change, reason) => {
  const authority = await elsewhere(change).authority
  const prepared = await authority.prepare(csr, { subjectAltName, ttlSeconds: 600 })
  await expect(authority.sign(prepared)).rejects.toThrow(reason)
})

it('listeners hear of roots that changed, and of nothing else', async () => {
  const { root: other } = await testPki()
  for (const [roots, expected] of [
    [[root], 0],
    [[root, other], 1],
  ] as const) {
    let heard = 0
    const authority = await elsewhere({ answer: { roots } }).authority
    authority.onTrustBundleChange(() => heard++)
    await authority.sign(await authority.prepare(csr, { subjectAltName, ttlSeconds: 600 }))
    expect(heard).toBe(expected)
  }
})
