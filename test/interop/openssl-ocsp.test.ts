// OCSP with OpenSSL at the other end: we read what `openssl ocsp` answers, and it reads what we ask and
// answer.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createRootCertificate } from '../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { createOcspChecker, verifyPath } from '../../src/validation/index.ts'
import {
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildCertificate,
  buildOcspResponse,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'

const present = requires('openssl')
const folder = present ? mkdtempSync(join(tmpdir(), 'ocsp-')) : ''
const file = (name: string): string => join(folder, name)
const openssl = (...options: string[]): string =>
  execFileSync('openssl', ['ocsp', ...options], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const now = Math.floor(Date.now() / 1000) * 1000
const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`
/** id-pkix-ocsp-nocheck: without it the responder's own status is asked for. */
const noCheck = { oid: '1.3.6.1.5.5.7.48.1.5', critical: false, value: Uint8Array.of(5, 0) }
const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) }

afterAll(() => {
  if (present) rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(!present).each(['P-256', 'RSA-2048', 'P-384'] as const)(
  'openssl ocsp, keys of %s',
  async (algorithm: KeyAlgorithm) => {
    if (!present) return
    const signer = await SoftwareSigner.generate(algorithm)
    const root = await createRootCertificate(signer, { subject: 'CN=ocsp root' })
    const issuer = { subject: root.subject, publicKey: root.publicKey }
    const leafOf = async (
      name: string,
      purposes: readonly string[] = [keyPurposeOids.serverAuth],
      key?: SoftwareSigner,
    ): Promise<Certificate> =>
      buildCertificate(
        {
          issuer: root.subject,
          subject: DistinguishedName.parse(`CN=${name}`),
          publicKey: (key ?? (await SoftwareSigner.generate('P-256'))).publicKey,
          ...validity,
          extensions: {
            basicConstraints: { ca: false },
            keyUsage: ['digitalSignature'],
            extendedKeyUsage: purposes,
            authorityKeyIdentifier: signer.publicKey.keyIdentifier,
            subjectAltName: [generalName.dns('leaf.example')],
            ...(key === undefined ? {} : { other: [noCheck] }),
          },
        },
        signer,
      )
    const [valid, revoked, unlisted] = await Promise.all(
      ['valid', 'revoked', 'unlisted'].map((name) => leafOf(name)),
    )
    const responderKey = await SoftwareSigner.generate(algorithm)
    const responder = await leafOf('responder', [keyPurposeOids.ocspSigning], responderKey)
    writeFileSync(file('root.pem'), root.toPem())
    writeFileSync(file('root.key'), exportPrivateKey(signer.privateKey()))
    writeFileSync(file('responder.pem'), responder.toPem())
    writeFileSync(file('responder.key'), exportPrivateKey(responderKey.privateKey()))
    const line = (state: string, when: string, { serialNumber }: Certificate, name: string): string =>
      `${state}\t${stamp(validity.notAfter.getTime())}\t${when}\t${serialNumber}\tunknown\t/CN=${name}\n`
    const written = new Map<string, string>()
    const put = (name: string, content: string | Uint8Array): string => {
      const path = file(`${algorithm}-${name}`)
      writeFileSync(path, content)
      written.set(name, path)
      return path
    }
    for (const [name, from] of [
      ['root.pem', 'root.pem'],
      ['root.key', 'root.key'],
      ['responder.pem', 'responder.pem'],
      ['responder.key', 'responder.key'],
    ] as const)
      put(name, readFileSync(file(from)))
    const index = put(
      'index.txt',
      line('V', '', valid!, 'valid') + line('R', `${stamp(now - 60_000)},keyCompromise`, revoked!, 'revoked'),
    )

    const verdict = (
      certificate: Certificate,
      response: OcspResponse,
      nonce: Uint8Array | undefined,
    ): string => {
      const found = verifyPath(certificate, {
        anchors: [root],
        profile: 'rfc5280',
        revocation: createOcspChecker({
          ...{ responses: [response], mode: 'hard-fail' },
          ...(nonce === undefined ? {} : { nonce }),
        }),
      })
      return found.ok ? 'good' : found.rejected[0]!.code
    }

    it.each([
      { by: 'root', which: 'valid', certificate: valid!, wanted: 'good' },
      { by: 'root', which: 'revoked', certificate: revoked!, wanted: 'ERR_REVOKED' },
      { by: 'root', which: 'unlisted', certificate: unlisted!, wanted: 'ERR_REVOCATION_UNKNOWN' },
      { by: 'responder', which: 'valid', certificate: valid!, wanted: 'good' },
      { by: 'responder', which: 'revoked', certificate: revoked!, wanted: 'ERR_REVOKED' },
    ])(
      'answers our request about a certificate that is $which, by the $by: $wanted',
      ({ by, certificate, wanted }) => {
        const request = OcspRequest.of(
          [OcspCertificateId.of(certificate, issuer, by === 'root' ? 'sha1' : 'sha256')],
          { nonce: true },
        )
        const [asked, answered] = [put('request.der', request.der), file(`${algorithm}-response.der`)]
        openssl(
          '-index',
          index,
          '-rsigner',
          written.get(`${by}.pem`)!,
          '-rkey',
          written.get(`${by}.key`)!,
          '-CA',
          written.get('root.pem')!,
          '-reqin',
          asked,
          '-respout',
          answered,
          '-ndays',
          '1',
        )
        const response = OcspResponse.parse(new Uint8Array(readFileSync(answered)))
        expect(verdict(certificate, response, request.nonce)).toBe(wanted)
      },
    )

    it('writes requests that we read', () => {
      const leaf = put('leaf.pem', valid!.toPem())
      const asked = file(`${algorithm}-asked.der`)
      openssl('-issuer', written.get('root.pem')!, '-cert', leaf, '-reqout', asked)
      const request = OcspRequest.parse(new Uint8Array(readFileSync(asked)))
      expect(request.certificateIds[0]!.identifies(valid!, issuer)).toBe(true)
      expect(request.nonce?.length).toBeGreaterThan(0)
    })

    it.each([
      ['the issuer itself', false],
      ['a delegated responder', true],
    ] as const)('believes our responses, signed by %s', async (_, delegated) => {
      for (const [certificate, status, said] of [
        [valid!, { status: 'good' }, 'good'],
        [
          revoked!,
          { status: 'revoked', revokedAt: new Date(now - 60_000), reason: 'keyCompromise' },
          'revoked',
        ],
        [unlisted!, { status: 'unknown' }, 'unknown'],
      ] as const) {
        const response = await buildOcspResponse(
          {
            producedAt: new Date(now),
            responses: [
              {
                certificateId: OcspCertificateId.of(certificate, issuer),
                certificateStatus: status,
                thisUpdate: new Date(now - 60_000),
                nextUpdate: new Date(now + 3_600_000),
              },
            ],
            ...(delegated ? { certificates: [responder] } : {}),
          },
          delegated ? responderKey : signer,
        )
        const text = openssl(
          '-respin',
          put('ours.der', response.der),
          '-issuer',
          written.get('root.pem')!,
          '-cert',
          put('leaf.pem', certificate.toPem()),
          '-CAfile',
          written.get('root.pem')!,
          '-no_nonce',
        )
        expect(text).toContain(`leaf.pem: ${said}`)
      }
    })
  },
)
