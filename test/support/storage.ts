// CA storage around one store, and a short way to its records.

import { createMemoryStorage } from '../../src/ca/index.ts'
import type {
  CaStorage,
  CertificateAuthority,
  CertificateRecord,
  CertificateStore,
} from '../../src/ca/index.ts'
import type { SpiffeId } from '../../src/spiffe/index.ts'
import { workloadId } from './pki.ts'

/** Storage in memory with this store for its certificates. */
export function storageOf(certificates: CertificateStore): CaStorage {
  return { ...createMemoryStorage(), certificates }
}

/** The records of an identity, in the order of their intents. */
export async function recordsOf(
  store: CertificateStore,
  identity: SpiffeId = workloadId,
): Promise<readonly CertificateRecord[]> {
  return (await store.query({ identity, limit: 1000 })).items
}

/** The same CA, as issuance sees it with another store for its certificates. */
export function storedIn(
  authority: CertificateAuthority,
  certificates: CertificateStore,
): CertificateAuthority {
  const storage = storageOf(certificates)
  return new Proxy(authority, {
    get(target, name) {
      if (name === 'storage') return storage
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
