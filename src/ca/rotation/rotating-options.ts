// The options of createRotatingAuthority: their meaning, their defaults, and the steps created from them.

import { randomInt } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { shownValue } from '../../internal/values/name-of.ts'
import { requireKeyAlgorithm } from '../../keys/internal.ts'
import type { KeyAlgorithm, KeyManager } from '../../keys/index.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import type { CaCertificateOptions } from '../authority/ca-certificate.ts'
import { readProfile, workloadProfile } from '../profile/certificate-profile.ts'
import type { CertificateProfile } from '../profile/certificate-profile.ts'
import type { CrlDistribution } from '../crl/crl-shards.ts'
import { measuredStorage } from '../measured/measured-calls.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import type { UpstreamAuthority } from '../upstream/upstream-authority.ts'
import { selfSignedOrigin, upstreamOrigin } from './steps/authority-origin.ts'
import type { RotationChange } from './rotation-contract.ts'
import { planRotation, unplannedRotation } from './rotation-plan.ts'
import type { RotationPlan, RotationPlanOptions } from './rotation-plan.ts'
import { RotationSteps } from './steps/rotation-steps.ts'

/** Options of `createRotatingAuthority`. @inline */
export interface RotatingAuthorityOptions
  extends
    Pick<RotationPlanOptions, 'refreshHintSeconds' | 'missedRefreshes' | 'clockSkewSeconds'>,
    Pick<CaCertificateOptions, 'nameConstraints'> {
  /** The trust domain of the CA. */
  readonly trustDomain: TrustDomain | string
  /**
   * The storage of the authorities, their states and the certificates. The code that creates it must close
   * it.
   */
  readonly storage: CaStorage
  /**
   * The key manager: each authority has a version of the key `name`. The code that creates it must close it.
   */
  readonly keys: KeyManager
  /**
   * The name of the authorities and of their key: two rotations in one storage need different names. Default
   * `ca`.
   */
  readonly name?: string
  /** Default P-256; a key that exists already keeps its algorithm. */
  readonly algorithm?: KeyAlgorithm | undefined
  /** The parent CA. Default: each authority is a self-signed root. */
  readonly upstream?: UpstreamAuthority
  /**
   * The subject of the certificates; the version of the key is appended. Default `CN=<trust domain>
   * <name>`.
   */
  readonly subject?: string | undefined
  /** Validity of each CA certificate, in seconds. Default: root 10 years, below an upstream 1 year. */
  readonly ttlSeconds?: number | undefined
  /** CA certificates that may follow below a self-signed root. Not with `upstream`. Default 1. */
  readonly pathLength?: number
  /**
   * Whether the previous root also certifies a new one, and this certificate is added to the chain of leaves:
   * relying parties that have only the old root accept its leaves. Not with `upstream`. Default false.
   */
  readonly crossSign?: boolean
  /** The template of the leaves. Default `workloadProfile`. */
  readonly profile?: CertificateProfile | undefined
  /** Maximum validity of a leaf, for the plan of the rotation. Default: the profile's default. */
  readonly leafTtlSeconds?: number | undefined
  /** How often due steps are looked for, in seconds. Default 60. */
  readonly pollIntervalSeconds?: number | undefined
  /** Whether due steps are taken automatically. Default true. */
  readonly automatic?: boolean
  /**
   * The minimum validity, in seconds, to which the end of the issuing chain may shorten a certificate; below
   * it the CA refuses with ERR_CA_EXPIRED. Default 60.
   */
  readonly minTtlSeconds?: number | undefined
  /** Time from a CRL to its nextUpdate, in seconds. Default 24 h. */
  readonly crlTtlSeconds?: number | undefined
  /**
   * Where CRLs are published, their shards, and delta CRLs. Default: one complete list, not named in
   * certificates.
   */
  readonly crlDistribution?: CrlDistribution | undefined
  /** From thisUpdate to nextUpdate of OCSP responses, in seconds. Default 1 h. */
  readonly ocspTtlSeconds?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  /** Receives the duration of each signature, and of each call of the storage that the CA makes itself. */
  readonly metrics?: Metrics | undefined
  /**
   * The entries of the audit log for a step, such as `encodeAuditRecord` makes: they are written in the
   * transaction of the step. Default: none.
   */
  readonly auditOf?: (change: RotationChange) => readonly Uint8Array[]
  /** Returns a random number from 0 to 1 for the jitter of each authority. Default: that of the platform. */
  readonly random?: (() => number) | undefined
}

/** The settings of the parts of a rotating authority. */
export interface RotatingSettings {
  readonly trustDomain: TrustDomain
  readonly profile: CertificateProfile
  readonly pollIntervalSeconds: number
  readonly automatic: boolean
  readonly upstream: UpstreamAuthority | undefined
  readonly authority: Pick<
    RotatingAuthorityOptions,
    'minTtlSeconds' | 'crlTtlSeconds' | 'crlDistribution' | 'ocspTtlSeconds' | 'metrics'
  >
  /** The storage from the options. */
  readonly storage: CaStorage
  readonly logger: Logger
}

/** Creates the steps and the settings from options. */
export function readRotatingOptions(
  options: RotatingAuthorityOptions,
  strict: boolean,
): { readonly settings: RotatingSettings; readonly steps: RotationSteps } {
  const read = readOptions('createRotatingAuthority', options, {
    trustDomain: 'required',
    storage: 'required',
    keys: 'required',
    name: 'guard',
    algorithm: 'optional',
    upstream: 'guard',
    subject: 'optional',
    ttlSeconds: 'optional',
    pathLength: 'guard',
    crossSign: 'guard',
    nameConstraints: 'guard',
    profile: 'optional',
    leafTtlSeconds: 'optional',
    refreshHintSeconds: 'guard',
    missedRefreshes: 'guard',
    clockSkewSeconds: 'guard',
    pollIntervalSeconds: 'optional',
    automatic: 'guard',
    minTtlSeconds: 'optional',
    crlTtlSeconds: 'optional',
    crlDistribution: 'optional',
    ocspTtlSeconds: 'optional',
    clock: 'optional',
    logger: 'optional',
    metrics: 'optional',
    auditOf: 'guard',
    random: 'optional',
  })
  const numbers = readNumbers(read)
  const { trustDomain, profile, ttlSeconds, leafTtlSeconds, pollIntervalSeconds, pathLength } = numbers
  const { upstream, nameConstraints, clock = systemClock, crossSign = false } = read
  const { name, algorithm } = readKey(read)
  const logger = safeLogger('createRotatingAuthority', read.logger)
  const plan = readPlan(
    { ...read, ttlSeconds, leafTtlSeconds, pollIntervalSeconds, backdateSeconds: profile.backdateSeconds },
    strict,
    logger,
  )
  const origin = { trustDomain, profile, clock, ttlSeconds, nameConstraints, pathLength }
  const metrics = safeMetrics('createRotatingAuthority', read.metrics)
  const storage = measuredStorage(read.storage, { metrics, clock })
  const steps = new RotationSteps({
    ...{ name, storage, keys: read.keys, algorithm, plan, clock, leafTtlSeconds },
    subject: read.subject ?? `CN=${trustDomain.name} ${name}`,
    origin: upstream === undefined ? selfSignedOrigin(origin, crossSign) : upstreamOrigin(origin, upstream),
    caTtlSeconds: ttlSeconds,
    proof: { trustDomain, profile, clock },
    auditOf: read.auditOf,
    random: read.random ?? (() => randomInt(2 ** 32) / 2 ** 32),
  })
  const { minTtlSeconds, crlTtlSeconds, crlDistribution, ocspTtlSeconds, automatic = true } = read
  const authority = { minTtlSeconds, crlTtlSeconds, crlDistribution, ocspTtlSeconds, metrics }
  return {
    steps,
    settings: {
      ...{ trustDomain, profile, pollIntervalSeconds, automatic, upstream, authority, logger },
      storage: read.storage,
    },
  }
}

/** @throws ERR_INVALID_ARGUMENT */
function readNumbers(read: RotatingAuthorityOptions) {
  const { upstream, nameConstraints, crossSign = false, pollIntervalSeconds = 60, pathLength = 1 } = read
  const profile = readProfile(read.profile ?? workloadProfile)
  const { ttlSeconds = upstream === undefined ? tenYears : oneYear } = read
  const { leafTtlSeconds = profile.defaultTtlSeconds } = read
  checkCounts({ ttlSeconds, pollIntervalSeconds, leafTtlSeconds }, 1)
  checkCounts({ pathLength }, crossSign ? 1 : 0, 255)
  const isForRoots = crossSign || nameConstraints !== undefined || read.pathLength !== undefined
  if (upstream !== undefined && isForRoots)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createRotatingAuthority: crossSign, nameConstraints and pathLength are for self-signed roots; ' +
        'below an upstream the upstream decides',
    )
  const trustDomain = TrustDomain.from(read.trustDomain)
  return { trustDomain, profile, ttlSeconds, leafTtlSeconds, pollIntervalSeconds, pathLength }
}

/** @throws ERR_INVALID_ARGUMENT */
function readKey({ name = 'ca', algorithm = 'P-256' }: RotatingAuthorityOptions) {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(name))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createRotatingAuthority: name must be 1 to 32 of the characters a-z, 0-9 and -, a letter first, ' +
        `found ${shownValue(name)}`,
    )
  requireKeyAlgorithm(algorithm)
  return { name, algorithm }
}

type PlanNumbers = Pick<
  RotatingAuthorityOptions,
  'refreshHintSeconds' | 'missedRefreshes' | 'clockSkewSeconds'
> &
  Readonly<Record<'ttlSeconds' | 'leafTtlSeconds' | 'pollIntervalSeconds' | 'backdateSeconds', number>>

function readPlan(numbers: PlanNumbers, strict: boolean, logger: Logger): RotationPlan {
  const { refreshHintSeconds, missedRefreshes, clockSkewSeconds, ttlSeconds } = numbers
  const options: RotationPlanOptions = {
    caTtlSeconds: ttlSeconds,
    leafTtlSeconds: numbers.leafTtlSeconds,
    pollIntervalSeconds: numbers.pollIntervalSeconds,
    backdateSeconds: numbers.backdateSeconds,
    ...(refreshHintSeconds === undefined ? {} : { refreshHintSeconds }),
    ...(missedRefreshes === undefined ? {} : { missedRefreshes }),
    ...(clockSkewSeconds === undefined ? {} : { clockSkewSeconds }),
  }
  if (strict) return planRotation(options)
  try {
    return planRotation(options)
  } catch (error) {
    if (!(error instanceof PkiError) || error.code !== 'ERR_ROTATION_PLAN') throw error
    logger.warn({ code: error.code }, error.message)
    return unplannedRotation(options)
  }
}

const oneYear = 365 * 24 * 3600
const tenYears = 10 * oneYear
