// What a Node contender can be asked to do, by name: ours, and the bare calls of node:crypto that it is
// measured against.

import { createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { createCertificateAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { createPathValidator } from '../../src/validation/index.ts'
import { Certificate, CertificateRequest } from '../../src/x509/index.ts'
import { bareCryptography, bareInput } from '../bare-cryptography.ts'
import { benchStorage } from '../issuance.ts'
import { benchId } from './inputs.ts'
import type { CpuInputs } from './inputs.ts'

/** One unit of work; a promise where the work waits for one. */
export type Work = () => unknown

/** Every work that these inputs allow. */
export function nodeWorks(inputs: CpuInputs): Readonly<Record<string, Work>> {
  return { ...issuing(inputs), ...verifying(inputs) }
}

function issuing({ caKey, caCertificate, request }: CpuInputs): Record<string, Work> {
  const signer = new SoftwareSigner(createPrivateKey(caKey))
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: caCertificate,
    signer,
    storage: benchStorage(),
  })
  const issuance = createIssuanceService({ authority })
  const caller = { identities: [SpiffeId.parse(benchId)], credential: 'bench', claims: {} }
  const input = bareInput(CertificateRequest.fromPem(request), signer.privateKey())
  return {
    'issue: ours': async () => (await issuance.issue({ csr: request }, caller)).certificate.toPem(),
    'issue: node:crypto': bareCryptography(input),
    'issue: node:crypto by subtle': bareCryptography(input, true),
  }
}

function verifying(inputs: CpuInputs): Record<string, Work> {
  const [leaf, intermediate, root] = [inputs.leaf, inputs.intermediate, inputs.root].map((pem) =>
    Certificate.fromPem(pem),
  ) as [Certificate, Certificate, Certificate]
  const validator = createPathValidator({
    anchors: [root],
    intermediates: [intermediate],
    profile: 'spiffe',
  })
  const spki = Buffer.from(intermediate.publicKey.spki)
  const issuerKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const { tbs, signature } = leaf
  return {
    'verify: ours': () => {
      if (!validator.verify(leaf.der).ok) throw new Error('refused')
    },
    'verify: node:crypto': () => {
      if (!verify('sha256', tbs, issuerKey, signature)) throw new Error('refused')
    },
  }
}
