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
   * Where everything is kept: `keys/`, `ca.sqlite`, `audit/`, `root.pem`. Created with mode 0700 if it does
   * not exist.
   */
  readonly directory: string
  /** The trust domain of the CA. */
  readonly trustDomain: TrustDomain | string
  /**
   * Where records are, instead of in `ca.sqlite`: one that several processes have, such as that of
   * `createPostgresStorage`. All of them issue; one leads, and another takes over where it stops. They have
   * the
   * same `keys`, and each a directory of its own. The caller closes it, after the service.
   */
  readonly storage?: CaStorage
  /**
   * Encrypts the key files. Of a new CA it has at least 12 characters. Required where `keys` is not given.
   */
  readonly passphrase?: Parameters<typeof FileKeyManager.open>[0]['passphrase']
  /** Where the keys are, instead of in files: a token, for instance. The caller closes it. */
  readonly keys?: KeyManager
  /** The template of the certificates. Default `workloadProfile`. */
  readonly profile?: CertificateProfile | undefined
  /** Life of the root, in seconds. Default 10 years. */
  readonly rootTtlSeconds?: number | undefined
  /**
   * Life of an issuing certificate, in seconds; after five sixths the next one takes over. Default 1
   * year.
   */
  readonly issuingTtlSeconds?: number | undefined
  /**
   * The numbers of the rotation: as for `createRotatingAuthority`, which refuses those that cannot hold.
   * Without
   * it the defaults are taken, and what cannot hold is logged.
   */
  readonly rotation?: ServiceRotationOptions
  /** From one CRL to its nextUpdate, in seconds. Default 24 h. */
  readonly crlTtlSeconds?: number | undefined
  /** As for `createCertificateAuthority`. */
  readonly crlDistribution?: Parameters<typeof createCertificateAuthority>[0]['crlDistribution'] | undefined
  /**
   * How long records stay after their certificates expired, in seconds; at least the life of two CRLs.
   * Default 30 days.
   */
  readonly lookBackSeconds?: number | undefined
  /**
   * Whether every decision is written to a transparency log in `audit/`, signed by an Ed25519 key `audit`.
   * Default true.
   */
  readonly audit?: boolean
  /** Receive its records as well: see `openAuditLog`. `createAuditFile` writes them to a file. */
  readonly auditSinks?: Parameters<typeof openAuditLog>[0]['sinks'] | undefined
  /** As for `createSqliteStorage`. */
  readonly acceptEarlierClock?: boolean
  /** As for `createSqliteStorage`. */
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

/** What was read from them. */
export interface ReadCaServiceOptions extends CaServiceOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly logger: Logger
  readonly crlTtlSeconds: number
  readonly lookBackSeconds: number
  readonly audit: boolean
}

/** Asks for the passphrase of something new. @throws ERR_INVALID_ARGUMENT under 12 characters */
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
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createCaService: directory must be a path')
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
