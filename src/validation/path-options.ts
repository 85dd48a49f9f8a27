// The options of one path validation, and their reader.

import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { requireCount } from '../internal/numbers.ts'
import { nameOf } from '../internal/values/name-of.ts'
import type { Clock } from '../runtime/index.ts'
import type { Certificate, CertificateInput } from '../x509/index.ts'
import type { KeyUsageName, Tolerance } from '../x509/internal.ts'
import { readBudget } from './budget.ts'
import type { BudgetLimits } from './budget.ts'
import type { KeyPurpose } from './checks/key-purposes.ts'
import { peersOf } from './names/check-peer-name.ts'
import type { PeerName } from './names/index.ts'
import { checkPolicyInputs } from './policies/policy-inputs.ts'
import type { PolicyInputs } from './policies/policy-inputs.ts'
import type { ProfileName, ValidationProfile } from './profile.ts'
import type { Rejection } from './verdict/rejection.ts'
import type { RevocationChecker } from './revocation-contract.ts'
import type { TrustAnchorInput } from './trust-anchor.ts'

/** Options that can differ between verifications. @inline */
export interface PathOptions {
  /** Certificates that may be between leaf and anchor, in any order; one that does not parse is ignored. */
  readonly intermediates?: readonly CertificateInput[] | undefined
  /** The time of the verification. Default: now. */
  readonly time?: Date | undefined
  /** Purposes that the leaf must allow. Default: not checked. */
  readonly extendedKeyUsage?: KeyPurpose | readonly KeyPurpose[]
  /** Key usages that the leaf must have, if it has the extension. Default: not checked. */
  readonly keyUsage?: readonly KeyUsageName[]
  /** The expected peer; of several, all must match, and an empty list is refused. Default: not checked. */
  readonly peer?: PeerName | readonly PeerName[]
  /** Inputs of RFC 5280 §6.1.1 (c), (e), (f), (g). Default: any policy, nothing inhibited. */
  readonly policies?: PolicyInputs
  /**
   * Maximum number of intermediate certificates, without self-issued ones. Default: limited by the budget
   * only.
   */
  readonly maxDepth?: number
  /** The budget of this verification; omitted limits have their defaults. */
  readonly budget?: Partial<BudgetLimits>
  /** Called last, for every certificate below the anchor. Default: revocation is not checked. */
  readonly revocation?: RevocationChecker
  /**
   * An additional rule for issuers, called for the certificate of every issuer in a path, including the
   * anchor's, while paths are built. A rejection excludes the paths through that issuer; undefined accepts
   * it. Default: no additional rule.
   */
  readonly checkIssuer?: (issuer: Certificate) => Rejection | undefined
}

/** The settings of a validator. @inline */
export interface PathValidatorOptions extends PathOptions {
  /**
   * The trust anchors, at least one. A certificate's own constraints apply too (RFC 5937). An anchor that
   * cannot be read is skipped and reported in `PathValidator.ignored`.
   */
  readonly anchors: readonly TrustAnchorInput[]
  /** Default `rfc5280`. */
  readonly profile?: ProfileName | ValidationProfile | undefined
  /** Object identifiers of critical extensions that the caller processes. */
  readonly knownCriticalExtensions?: readonly string[] | undefined
  /** Tolerances for certificates made by other software, by name; see `tolerances`. Default: none. */
  readonly tolerances?: readonly Tolerance[] | undefined
  /**
   * The number of remembered intermediates of verified paths, including their
   * signature checks. Default 256; 0 remembers none.
   */
  readonly maxRememberedIssuers?: number | undefined
  /** The clock for verifications without `time`. */
  readonly clock?: Clock | undefined
}

/** Options that are refused when present but undefined, because the default checks less. */
const pathOptionKinds: OptionKinds<PathOptions> = {
  intermediates: 'optional',
  time: 'optional',
  extendedKeyUsage: 'guard',
  keyUsage: 'guard',
  peer: 'guard',
  policies: 'guard',
  maxDepth: 'guard',
  budget: 'optional',
  revocation: 'guard',
  checkIssuer: 'guard',
}

const validatorOptionKinds: OptionKinds<PathValidatorOptions> = {
  ...pathOptionKinds,
  anchors: 'required',
  profile: 'optional',
  knownCriticalExtensions: 'optional',
  tolerances: 'optional',
  maxRememberedIssuers: 'optional',
  clock: 'optional',
}

/** @throws ERR_INVALID_ARGUMENT */
export function readPathOptions(caller: string, options: PathOptions): PathOptions {
  const read = readOptions<PathOptions>(caller, options, pathOptionKinds)
  checkValues(read)
  return read
}

/** @throws ERR_INVALID_ARGUMENT */
export function readValidatorOptions(caller: string, options: PathValidatorOptions): PathValidatorOptions {
  const read = readOptions<PathValidatorOptions>(caller, options, validatorOptionKinds)
  checkValues(read)
  return read
}

function checkValues(options: PathOptions): void {
  checkHooks(options)
  const { intermediates, time, keyUsage, peer, policies, maxDepth, budget } = options
  if (maxDepth !== undefined) requireCount('maxDepth', maxDepth, 0, Infinity)
  if (budget !== undefined) readBudget(budget)
  if (policies !== undefined) checkPolicyInputs(policies)
  if (peer !== undefined) peersOf(peer)
  // NaN compares false with everything: every certificate would be valid.
  if (time !== undefined && !(time instanceof Date && !Number.isNaN(time.getTime())))
    throw new PkiError('ERR_INVALID_ARGUMENT', `time must be a valid Date, found ${nameOf(time)}`)
  if (intermediates !== undefined && !Array.isArray(intermediates))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `intermediates must be an array of certificates, found ${nameOf(intermediates)}`,
    )
  if (keyUsage !== undefined && !Array.isArray(keyUsage))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `keyUsage must be an array of key usage names, found ${nameOf(keyUsage)}`,
    )
}

function checkHooks({ revocation, checkIssuer }: PathOptions): void {
  if (
    revocation !== undefined &&
    typeof (Object(revocation) as { readonly check?: unknown }).check !== 'function'
  )
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `revocation must be a RevocationChecker, found ${nameOf(revocation)}`,
    )
  if (checkIssuer !== undefined && typeof checkIssuer !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `checkIssuer must be a function, found ${nameOf(checkIssuer)}`)
}
