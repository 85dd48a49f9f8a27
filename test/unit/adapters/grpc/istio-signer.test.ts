// A CA of Istio's protocol that signs for a registration authority: over the wire, held against the decision.

import { describe, expect, it } from 'vitest'
import { createCertificateClient, createIstioSigner } from '../../../../src/adapters/grpc/index.ts'
import { createRegistrationAuthority } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { closedAfterEach, startTestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { callerOf, newRequest, testPki } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const { request: csr } = await newRequest()

/** The CA elsewhere certifies `workloadId` to everybody who does not impersonate. */
async function registration(impersonate: boolean) {
  const { server } = keep(await startTestServer({}, pki))
  const client = keep(
    await createCertificateClient({
      address: `localhost:${server.port}`,
      tls: () => ({ roots: pki.root.toPem() }),
      retry: { attempts: 1 },
    }),
  )
  const signer = createIstioSigner({ client, roots: async () => [pki.root], impersonate })
  const authority = await createRegistrationAuthority({ trustDomain: 'example.org', signer })
  return createIssuanceService({ authority })
}

describe("a CA of Istio's protocol", () => {
  it('signs what was decided', async () => {
    const issuance = await registration(false)
    const { certificate, roots } = await issuance.issue({ csr, ttlSeconds: 600 }, callerOf())
    expect(certificate.verifySignatureBy(pki.root.publicKey)).toBe(true)
    expect(roots.map((root) => root.equals(pki.root))).toEqual([true])
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'valid' })
  })

  it('is refused where it signs for somebody else', async () => {
    const issuance = await registration(false)
    const other = callerOf('spiffe://example.org/ns/prod/sa/other')
    await expect(issuance.issue({ csr, ttlSeconds: 600 }, other)).rejects.toThrow(code('ERR_CA_REPLY'))
  })

  it('refuses an impersonation that it does not allow', async () => {
    const issuance = await registration(true)
    await expect(issuance.issue({ csr, ttlSeconds: 600 }, callerOf())).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_CA_/) }),
    )
  })

  it.each([{ client: {} }, { roots: undefined }, { impersonate: undefined }, { x: 1 }])(
    'is not used with %j',
    (options) => {
      const client = { createCertificate: () => undefined }
      const given = { client, roots: [pki.root], ...options } as never
      expect(() => createIstioSigner(given)).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})
