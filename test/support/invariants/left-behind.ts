// What a CA has left behind, and what earlier checks of the same CA have found.

import type { AuditLog } from '../../../src/audit/index.ts'
import type { AuthorityState } from '../../../src/ca/records/authority-store.ts'
import type { CaStorage, CertificateAuthority } from '../../../src/ca/index.ts'
import type { IssuanceService } from '../../../src/issuance/index.ts'
import type { KeyManager } from '../../../src/keys/index.ts'
import type { CertificateRequest } from '../../../src/x509/index.ts'
import type { Answered } from '../crash-fixture.ts'
import type { Deed } from '../leader-process.ts'

/** A CA that is open again. What is not given is not checked. */
export interface LeftBehind {
  readonly storage: CaStorage
  readonly authority: CertificateAuthority
  /** What its processes have answered, in their order. */
  readonly answers: readonly Answered[]
  /** The request that every certificate is for. Not given: no request is made again. */
  readonly csr?: CertificateRequest | undefined
  /** Not given: one without audit. */
  readonly issuance?: IssuanceService | undefined
  /** The log and the directory of its tiles. */
  readonly audit?: { readonly log: AuditLog; readonly directory: string } | undefined
  /** Where the keys of the authorities on record are. */
  readonly keys?: KeyManager | undefined
  /** `root.pem` as it was left. */
  readonly rootPem?: string | undefined
  /** What the leaders of several processes did. */
  readonly deeds?: readonly Deed[] | undefined
  /** A directory of which no file may have a secret. */
  readonly directory?: string | undefined
}

/** What earlier checks have found sound, so that it is not checked again, and what may not go back. */
export class CheckMemory {
  /** Records and certificates, by all that was checked of them. */
  readonly sound: Set<string> = new Set()
  /** The states of the authorities. */
  states: ReadonlyMap<string, AuthorityState> = new Map()
  /** What the audit log says, up to `entries`. */
  entries = 0
  readonly issuedEntries: Map<string, string> = new Map()
  readonly revokedEntries: Set<string> = new Set()
  readonly steps: Map<string, AuthorityState> = new Map()
}

/** Adds a violation where a condition does not hold. */
export type Holds = (condition: boolean, text: string) => void
