// Everything that one CA issues, for linters of other people: CA certificates, leaves, CRLs, OCSP responses.

import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  workloadProfile,
} from '../../src/ca/index.ts'
import type { CertificateAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import {
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildCertificateRequest,
} from '../../src/x509/index.ts'
import { generalName } from '../../src/x509/index.ts'
import { callerOf, workloadId } from './pki.ts'

/** What a linter is told to expect in a file. */
export type IssuedKind = 'certificate' | 'crl' | 'ocsp'

/** One thing that was issued. */
export interface IssuedFile {
  readonly kind: IssuedKind
  readonly name: string
  readonly der: Uint8Array
}

const trustDomain = 'example.org'

/** Everything that a CA whose keys are of `algorithm` issues. */
export async function issueAll(algorithm: KeyAlgorithm): Promise<readonly IssuedFile[]> {
  const files: IssuedFile[] = []
  const write = (kind: IssuedKind, name: string, { der }: { readonly der: Uint8Array }): void =>
    void files.push({ kind, name: `${algorithm}-${name}`, der })
  const [rootKey, nextKey, caKey] = await Promise.all([
    SoftwareSigner.generate(algorithm),
    SoftwareSigner.generate(algorithm),
    SoftwareSigner.generate(algorithm),
  ])
  const root = await createRootCertificate(rootKey, { subject: `CN=root ${algorithm}`, trustDomain })
  const next = await createRootCertificate(nextKey, { subject: 'CN=next root', trustDomain })
  const parent = { certificate: root, signer: rootKey }
  const ca = await createIntermediateCertificate(parent, caKey.publicKey, {
    subject: 'CN=issuing',
    trustDomain,
    nameConstraints: { permitted: [generalName.uri(trustDomain), generalName.dns('localhost')] },
  })
  const cross = await createCrossCertificate({ certificate: next, signer: nextKey }, root, {
    pathLength: 1,
  })
  for (const [name, one] of Object.entries({ root, next, ca, cross })) write('certificate', name, one)

  const material = { trustDomain, certificate: ca, signer: caKey, roots: [root] }
  const whole = createCertificateAuthority(material)
  await issueBelow(whole, algorithm, (kind, name, one) => write(kind, name, one))
  const divided = createCertificateAuthority({
    ...material,
    crlDistribution: { url: 'http://ca.example.org/crl', shards: 2, deltaTtlSeconds: 3600 },
  })
  await issueBelow(divided, algorithm, (kind, name, one) => write(kind, `divided-${name}`, one))
  for (const shard of ['0', '1'])
    for (const delta of [false, true])
      write('crl', `shard-${shard}${delta ? '-delta' : ''}`, await divided.issueCrl({ shard, delta }))
  const host = createCertificateAuthority({
    ...material,
    profile: { ...workloadProfile, name: 'host', spiffeId: 'absent' },
  })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate(algorithm))
  const content = { subjectAltName: [generalName.dns('localhost')] }
  write('certificate', 'host-leaf', (await host.sign(await host.prepare(csr, content))).certificate)
  return files
}

/** Leaves of one authority with their statuses, one of them revoked, and its list before and after. */
async function issueBelow(
  authority: CertificateAuthority,
  algorithm: KeyAlgorithm,
  write: (kind: IssuedKind, name: string, issued: { readonly der: Uint8Array }) => void,
): Promise<void> {
  await using issuance = createIssuanceService({
    authority,
    isAdministrator: () => true,
    policy: callerIdentityPolicy({ trustDomain: authority.trustDomain, mayHaveName: () => true }),
  })
  const caller = callerOf(workloadId.toString())
  write('crl', 'empty-list', await authority.issueCrl())
  let responder: Uint8Array | undefined
  for (const [name, subject] of [
    ['leaf', undefined],
    ['leaf-with-subject', 'CN=api.example.org'],
  ] as const) {
    const key = await SoftwareSigner.generate(algorithm)
    const names = [generalName.uri(workloadId.toString()), generalName.dns('localhost')]
    const csr = await buildCertificateRequest(
      { ...(subject === undefined ? {} : { subject }), extensions: { subjectAltName: names } },
      key,
    )
    const { certificate } = await issuance.issue({ csr }, caller)
    write('certificate', name, certificate)
    if (subject !== undefined) await issuance.revoke(certificate.serialNumber, 'keyCompromise', caller)
    const request = OcspRequest.of([OcspCertificateId.of(certificate, authority.certificate)])
    const status = OcspResponse.parse((await authority.answerOcsp(request.der)).response)
    write('ocsp', `${name}-status`, status)
    responder ??= status.answer?.certificates[0]
  }
  if (responder !== undefined) write('certificate', 'responder', { der: responder })
  write('crl', 'list', await authority.issueCrl())
}
