// The TLS identity of a workload of a test CA.

import { createTlsIdentity } from '../../src/adapters/tls/index.ts'
import type { TlsIdentity } from '../../src/adapters/tls/index.ts'
import { createX509Source, localCaClient } from '../../src/secrets/index.ts'
import { callerOf } from './pki.ts'
import type { TestPki } from './pki.ts'

/** With its first SVID. */
export async function tlsIdentityOf({ issuance }: TestPki, id: string): Promise<TlsIdentity> {
  const source = createX509Source({ ca: localCaClient(issuance, callerOf(id)), id })
  await source.ready()
  return createTlsIdentity({ source })
}
