// Secrets for an Envoy beside this process: certificates and roots rotate without a restart of anything.

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
import { createSdsServer } from 'spiffe-pki/grpc/sds'
import { createWorkloadSecrets, createX509Source, localCaClient } from 'spiffe-pki/secrets'

const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
const issuance = createIssuanceService({ authority })

const id = 'spiffe://example.org/ns/prod/sa/api'
const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
await using source = createX509Source({ ca: localCaClient(issuance, caller), id })
await source.ready()
await using secrets = createWorkloadSecrets({ sources: [source] })

// In production a path that the user of Envoy can open, such as unix:///run/mesh/sds.sock with socketMode
// 0o660.
const path = join(mkdtempSync(join(tmpdir(), 'sds-')), 'sds.sock')
await using sds = await createSdsServer({ address: `unix://${path}`, secrets })

// What goes into Envoy's bootstrap: a cluster for the socket, and the names of the secrets in a TLS context.
const from = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }],
  },
}
console.log('cluster "sds" at', sds.address)
console.log(
  JSON.stringify({
    common_tls_context: {
      tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: from }],
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: from },
    },
  }),
)

const before = source.current.svid.leaf.serialNumber
await source.renew()
console.log('rotated from', before, 'to', source.current.svid.leaf.serialNumber)
