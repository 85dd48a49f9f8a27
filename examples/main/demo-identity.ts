// Identities for the examples about something else: a CA in memory that issues whatever name it is asked for.

import {
  SoftwareSigner,
  SpiffeId,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { createX509Source, localCaClient } from 'spiffe-pki/secrets'
import type { X509Source } from 'spiffe-pki/secrets'
import { createTlsIdentity } from 'spiffe-pki/tls'
import type { TlsIdentity } from 'spiffe-pki/tls'

// In production a source comes from createCertificateClient, createWorkloadApiSource or createFileSource.
const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const demoAuthority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
const issuance = createIssuanceService({ authority: demoAuthority })

/** A source with its first SVID. */
export async function demoSource(id: string): Promise<X509Source> {
  const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
  const source = createX509Source({ ca: localCaClient(issuance, caller), id })
  await source.ready()
  return source
}

/** The same for TLS. */
export async function demoIdentity(id: string): Promise<TlsIdentity> {
  return createTlsIdentity({ source: await demoSource(id) })
}
