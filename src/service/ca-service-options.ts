// The options of createCaService.

import type { FileKeyManager } from '../adapters/files/index.ts'
import type { openAuditLog } from '../audit/index.ts'
import type {
  CaStorage,
  CertificateProfile,
  createCertificateAuthority,
  createRotatingAuthority,
} from '../ca/index.ts'
import { PkiError } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import { requireNewPassphrase } from '../internal/passphrase.ts'
import { nameOf } from '../internal/values/name-of.ts'
import type { createIssuanceService } from '../issuance/index.ts'
import type { KeyManager } from '../keys/index.ts'
import { systemClock } from '../runtime/index.ts'
import { safeLogger } from '../runtime/internal.ts'
import type { Clock, Logger } from '../runtime/index.ts'
import { TrustDomain } from '../spiffe/index.ts'

/** Options of `createCaService`. @inline */
export interface CaServiceOptions extends Pick<
  Parameters<typeof createIssuanceService>[0],
  'policy' | 'isAdministrator' | 'publishRevocations' | 'keyReuse' | 'logger' | 'metrics' | 'clock'
> {
  /**
   * The directory of `keys/`, `ca.sqlite`, `audit/` and `root.pem`. Created with mode 0700 if it does not
   * exist.
   */
  readonly directory: string
  /** The trust domain of the CA. */
  readonly trustDomain: TrustDomain | string
  /**
   * The storage of records, instead of `ca.sqlite`: one that several processes share, such as that of
   * `createPostgresStorage`. All of them issue; one is the leader, and another one takes over if it stops.
   * They use the same `keys`, and each has its own directory. The caller closes the storage, after the
   * service.
   */
  readonly storage?: CaStorage
  /** Encrypts the key files. For a new CA it must have at least 12 characters. Required without `keys`. */
  readonly passphrase?: Parameters<typeof FileKeyManager.open>[0]['passphrase']
  /** The key manager to use instead of files, for example of a token. The caller closes it. */
  readonly keys?: KeyManager
  /** The template of the certificates. Default `workloadProfile`. */
  readonly profile?: CertificateProfile | undefined
  /** Validity of the root, in seconds. Default 10 years. */
  readonly rootTtlSeconds?: number | undefined
  /**
   * Validity of an issuing certificate, in seconds; the next one replaces it after five sixths. Default 1
   * year.
   */
  readonly issuingTtlSeconds?: number | undefined
  /**
   * The settings of the rotation, as for `createRotatingAuthority`, which refuses lifetimes that cannot be
   * combined. Without this option the defaults are used, and such lifetimes are only logged.
   */
  readonly rotation?: ServiceRotationOptions
  /** From one CRL to its nextUpdate, in seconds. Default 24 h. */
  readonly crlTtlSeconds?: number | undefined
  /**
   * Where CRLs are published, their shards, and delta CRLs. Default: one complete list, not named in
   * certificates.
   */
  readonly crlDistribution?: Parameters<typeof createCertificateAuthority>[0]['crlDistribution'] | undefined
  /**
   * How long records stay after their certificates expired, in seconds; at least twice the validity of a CRL.
   * Default 30 days.
   */
  readonly lookBackSeconds?: number | undefined
  /**
   * Whether every decision is written to a transparency log in `audit/`, signed by an Ed25519 key `audit`.
   * Default true.
   */
  readonly audit?: boolean
  /**
   * Sinks that also receive the audit records: see `openAuditLog`. `createAuditFile` writes them to a file.
   */
  readonly auditSinks?: Parameters<typeof openAuditLog>[0]['sinks'] | undefined
  /**
   * Opens the store even if the clock is more than five minutes before the latest recorded time. Default
   * false.
   */
  readonly acceptEarlierClock?: boolean
  /** The module of the thread of SQLite, for a bundled program; see `createSqliteStorage`. */
  readonly workerModule?: URL | undefined
}

/** How the authorities of a service rotate. @inline */
type ServiceRotationOptions = Pick<
  Parameters<typeof createRotatingAuthority>[0],
  | 'refreshHintSeconds'
  | 'missedRefreshes'
  | 'clockSkewSeconds'
  | 'pollIntervalSeconds'
  | 'leafTtlSeconds'
  | 'crossSign'
  | 'automatic'
>

/** The checked options. */
export interface ReadCaServiceOptions extends CaServiceOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly logger: Logger
  readonly crlTtlSeconds: number
  readonly lookBackSeconds: number
  readonly audit: boolean
}

/** Gets the passphrase for new data. @throws ERR_INVALID_ARGUMENT under 12 characters */
export async function newPassphrase(
  caller: string,
  source: NonNullable<CaServiceOptions['passphrase']>,
): Promise<string | Uint8Array> {
  if (typeof source !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: passphrase is not a function`)
  const passphrase = requireNewPassphrase(await source())
  if (passphrase.length >= 12) return passphrase
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${caller}: the passphrase has ${passphrase.length} characters; at least 12 are required`,
  )
}

/** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
export function readCaServiceOptions(options: CaServiceOptions): ReadCaServiceOptions {
  const read = readOptions('createCaService', options, {
    directory: 'required',
    trustDomain: 'required',
    storage: 'guard',
    passphrase: 'guard',
    keys: 'guard',
    policy: 'guard',
    profile: 'optional',
    rootTtlSeconds: 'optional',
    issuingTtlSeconds: 'optional',
    rotation: 'guard',
    crlTtlSeconds: 'optional',
    lookBackSeconds: 'optional',
    audit: 'guard',
    auditSinks: 'optional',
    keyReuse: 'guard',
    acceptEarlierClock: 'guard',
    isAdministrator: 'optional',
    publishRevocations: 'optional',
    workerModule: 'optional',
    logger: 'optional',
    metrics: 'optional',
    crlDistribution: 'optional',
    clock: 'optional',
  })
  if (typeof read.directory !== 'string' || read.directory === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createCaService: directory must be a path, found ${nameOf(read.directory)}`,
    )
  if ((read.passphrase === undefined) === (read.keys === undefined))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createCaService: one of passphrase and keys is required')
  const { crlTtlSeconds = 24 * 3600, rootTtlSeconds, issuingTtlSeconds } = read
  checkCounts({ crlTtlSeconds, rootTtlSeconds, issuingTtlSeconds }, 1)
  if (read.rotation !== undefined)
    readOptions('rotation', read.rotation, {
      refreshHintSeconds: 'guard',
      missedRefreshes: 'guard',
      clockSkewSeconds: 'guard',
      pollIntervalSeconds: 'optional',
      leafTtlSeconds: 'optional',
      crossSign: 'guard',
      automatic: 'guard',
    })
  const { lookBackSeconds = Math.max(30 * 24 * 3600, 2 * crlTtlSeconds) } = read
  checkCounts({ lookBackSeconds }, 2 * crlTtlSeconds)
  return {
    ...read,
    trustDomain: TrustDomain.from(read.trustDomain),
    clock: read.clock ?? systemClock,
    logger: safeLogger('createCaService', read.logger),
    crlTtlSeconds,
    lookBackSeconds,
    audit: read.audit !== false,
  }
}
