// What every contender of the CPU rows works on, as text, so that a process in another language reads the
// same.

import { generateKeyPairSync } from 'node:crypto'
import { createRootCertificate } from '../../src/ca/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import { p256Chain } from '../fixtures.ts'

/** All PEM. */
export interface CpuInputs {
  /** A P-256 request of `benchId`. */
  readonly request: string
  /** The CA that issues: a P-256 key as PKCS#8, and its self-signed certificate. */
  readonly caKey: string
  readonly caCertificate: string
  /** A chain of three, valid now; the leaf is an X.509-SVID. */
  readonly leaf: string
  readonly intermediate: string
  readonly root: string
}

/** The identity that every certificate of the CPU rows is issued for. */
export const benchId = 'spiffe://example.org/ns/production/sa/payments'

export async function makeInputs(): Promise<CpuInputs> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = new SoftwareSigner(privateKey)
  const ca = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain: 'example.org' })
  const workload = new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const request = await buildCertificateRequest(
    { extensions: { subjectAltName: [generalName.uri(benchId)] } },
    workload,
  )
  const { leaf, intermediate, root } = await p256Chain()
  return {
    request: request.toPem(),
    caKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    caCertificate: ca.toPem(),
    leaf: leaf.toPem(),
    intermediate: intermediate.toPem(),
    root: root.toPem(),
  }
}
