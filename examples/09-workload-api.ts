// The SPIFFE Workload API: any SPIFFE client of this machine, such as go-spiffe, gets the identity of the
// socket.

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  SoftwareSigner,
  SpiffeId,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { createWorkloadApiServer, createWorkloadApiSource } from 'spiffe-pki/grpc/workload-api'
import { createWorkloadSecrets, createX509Source, localCaClient } from 'spiffe-pki/secrets'
import { JwtAuthority, TrustBundleSet, issueJwtSvid, verifyJwtSvid } from 'spiffe-pki/svid'

const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
const issuance = createIssuanceService({ authority })

// JWT-SVIDs have keys of their own, in the bundle beside the roots.
const jwtKey = await SoftwareSigner.generate('P-256')
const jwtAuthorities = [JwtAuthority.from('jwt-1', jwtKey.publicKey)]
const bundles = new TrustBundleSet([authority.trustBundle().with({ jwtAuthorities })])

const id = 'spiffe://example.org/ns/prod/sa/api'
const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
await using source = createX509Source({ ca: localCaClient(issuance, caller), id, bundles })
await source.ready()
await using workload = createWorkloadSecrets({
  sources: [source],
  bundles,
  issueJwtSvid: (of, audience) => issueJwtSvid({ id: of, audience: [...audience], keyId: 'jwt-1' }, jwtKey),
})
const path = join(mkdtempSync(join(tmpdir(), 'spiffe-')), 'api.sock')
await using server = await createWorkloadApiServer({ address: `unix://${path}`, workload })

// In Go: workloadapi.NewX509Source(ctx), with this variable in the environment.
console.log(`SPIFFE_ENDPOINT_SOCKET=${server.address}`)

// In Node, the same API as a source for `createTlsIdentity`.
await using agent = await createWorkloadApiSource({ address: server.address })
const { svid } = await agent.ready()
console.log('X.509-SVID of', svid.id.toString(), 'until', svid.leaf.notAfter.toISOString())
const { token } = await agent.fetchJwtSvid({ audience: 'orders' })
const verified = await verifyJwtSvid(token, { bundles, audience: 'orders' })
console.log('JWT-SVID of', verified.id.toString(), 'for', verified.audience.join())
