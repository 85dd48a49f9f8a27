// The options of an issuance service.

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
   * Must be the storage of `authority`, which is the default. Another one is refused, because the CRLs are
   * made from the storage of the CA.
   */
  readonly storage?: CaStorage | undefined
  /**
   * Returns whether a caller may revoke certificates of other identities and release holds. Only the literal
   * `true` allows it. Default: no caller may.
   */
  readonly isAdministrator?: ((caller: Caller) => boolean) | undefined
  /**
   * Writes a record of each decision into `authority.storage.audit`, in the transaction that it describes: a
   * certificate is returned only if its record is stored. `openAuditLog` makes the transparency log from
   * these records. At most ten refusals per second of one caller are recorded, and a hundred of all callers;
   * the next record has the number of the others. Default false.
   */
  readonly audit?: boolean | undefined
  /**
   * The log that makes receipts for requests with `receipt: true`: the result of `openAuditLog` with the
   * storage of `authority`, whose `integrate` must be called about every second. Requires `audit`. Default:
   * none, and such requests are refused.
   */
  readonly receipts?: ReceiptLog
  /**
   * The handling of a request whose key is in a recorded certificate of another identity: `report` issues,
   * with a line in the log and `keyAlsoOf` in the audit record; `refuse` throws ERR_KEY_REUSED. Two
   * concurrent requests with one key may both be refused. Default `allow`.
   */
  readonly keyReuse?: KeyReuse
  /**
   * Whether `revoke` and `release` resolve only after the CRLs with the change are published. If that fails
   * they reject, and the revocation stays in the store; a renewal whose policy revokes the replaced
   * certificate still returns its certificate. Default false: the change is in the next requested lists.
   */
  readonly publishRevocations?: boolean | undefined
  /**
   * How often expired records are settled and removed (`CertificateStore.prune`), in seconds. Default 3,600,
   * and the first time a minute after the start. Infinity turns it off, for a storage that another process
   * prunes. If the wall clock has jumped ahead by `lookBackSeconds` or more since the last prune, one prune
   * is skipped.
   */
  readonly pruneIntervalSeconds?: number | undefined
  /** Counts each issued certificate by identity, source, key and validity. Exceptions of it are ignored. */
  readonly usage?: Pick<UsageWatch, 'record'> | undefined
  /**
   * How long a record stays after notAfter, in seconds: at least twice the validity of a CRL of the authority
   * (RFC 5280 §3.3). Default 48 h, or twice that validity if it is longer.
   */
  readonly lookBackSeconds?: number | undefined
  readonly clock?: Clock | undefined
  /** Logs one line for every outcome: issued, revoked, released, and each refusal. */
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}
