// What every row issues with: a store that can hold all certificates of a long run, and the service over it.

import { createCertificateAuthority, createMemoryStorage, createRootCertificate } from '../src/ca/index.ts'
import type { CaStorage } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import type { IssuanceService } from '../src/issuance/index.ts'
import type { SoftwareSigner } from '../src/keys/index.ts'

/**
 * A memory store of larger limits than the default: every certificate of a row is for one identity, and none
 * expires during the run.
 */
export function benchStorage(): CaStorage {
  const maxRecords = 5_000_000
  return createMemoryStorage({ maxRecords, maxRecordsPerIdentity: maxRecords })
}

/** Over a self-signed root; the store is `benchStorage`, everything else is at its defaults. */
export async function issuanceService(signer: SoftwareSigner): Promise<IssuanceService> {
  const certificate = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain: 'example.org' })
  const storage = benchStorage()
  return createIssuanceService({
    authority: createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, storage }),
  })
}
