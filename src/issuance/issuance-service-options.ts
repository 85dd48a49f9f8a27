// What an issuance service is made of.

import type { Caller } from '../auth/index.ts'
import type { CaStorage, CertificateAuthority } from '../ca/index.ts'
import type { IssuancePolicy, UsageWatch } from '../policy/index.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import type { ReceiptLog } from './records/receipts.ts'
import type { KeyReuse } from './records/refusal/key-reuse.ts'

/** Options of `createIssuanceService`. @inline */
export interface IssuanceServiceOptions {
  /** The CA that signs. Its storage holds the records. */
  readonly authority: CertificateAuthority
  /** Default: `callerIdentityPolicy` for the trust domain of the authority. */
  readonly policy?: IssuancePolicy
  /**
   * Only the storage of `authority`, which is the default: another one is
   * refused, because CRLs are made from that of the CA.
   */
  readonly storage?: CaStorage | undefined
  /**
   * Callers that may revoke certificates of other identities, and release
   * holds. Only the literal `true` allows it. Default: none.
   */
  readonly isAdministrator?: ((caller: Caller) => boolean) | undefined
  /**
   * Writes a record of each decision into `authority.storage.audit`, in the
   * transaction that it describes: a certificate without its record does not leave the
   * CA. `openAuditLog` makes the transparency log of them. Of the refusals of one caller ten a second are
   * recorded, of all callers a hundred; the number of the others stands in the next record. Default false.
   */
  readonly audit?: boolean | undefined
  /**
   * The log that hands out receipts of certificates to requests that ask for them: what `openAuditLog`
   * returned, over the storage of `authority`, and integrated each second or so. Needs `audit`. Default:
   * none, and such requests are refused.
   */
  readonly receipts?: ReceiptLog
  /**
   * What is done where the key of a request has a certificate of another identity on record: `report` issues,
   * with a line in the log and `keyAlsoOf` in the audit record; `refuse` throws ERR_KEY_REUSED. Of two
   * requests at once with one key, both may be refused. Default `allow`.
   */
  readonly keyReuse?: KeyReuse
  /**
   * Whether `revoke` and `release` resolve only when the CRLs that say so are published. Where that fails
   * they reject, and the revocation stays in the store; a renewal whose policy revokes what it replaces is
   * answered all the same. Default false: lists follow when they are next asked for.
   */
  readonly publishRevocations?: boolean | undefined
  /**
   * How often expired records are settled and removed (`CertificateStore.prune`), in seconds. Default 3,600,
   * and the first time a minute after the start; Infinity for a storage that something else prunes. Where the
   * wall clock has jumped ahead by `lookBackSeconds` or more since the last time, that time is left out.
   */
  readonly pruneIntervalSeconds?: number | undefined
  /**
   * Counts each certificate that was issued by identity, source, key and validity. What it throws is ignored.
   */
  readonly usage?: Pick<UsageWatch, 'record'> | undefined
  /**
   * How long a record stays after notAfter, in seconds: at least the life of two CRLs of the authority (RFC
   * 5280 §3.3). Default 48 h, or that life where it is longer.
   */
  readonly lookBackSeconds?: number | undefined
  readonly clock?: Clock | undefined
  /** Logs one line for every outcome: issued, revoked, released, and each refusal. */
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}
