// The storage of one CA: every store from one backend.

import type { RenewalBlockStore } from '../blocks/renewal-blocks.ts'
import type { CrlStore } from '../crl/crl-store.ts'
import type { AuditStore } from './audit-store.ts'
import type { AuthorityStore } from './authority-store.ts'
import type { CertificateStore } from './certificate-store.ts'
import type { LeaseStore } from './lease-store.ts'

/** The storage of one CA: one object has every store, so that one transaction can span them. */
export interface CaStorage extends AsyncDisposable {
  readonly certificates: CertificateStore
  readonly authorities: AuthorityStore
  readonly crls: CrlStore
  readonly leases: LeaseStore
  readonly audit: AuditStore
  /**
   * The block-list: identities and keys that get no further certificate, and certificates that are not
   * renewed. A storage without it has no block-list.
   */
  readonly blocks?: RenewalBlockStore | undefined
}
