// What a caller says about the path that is wanted.

import type { Clock } from '../runtime/index.ts'
import type { CertificateInput, KeyUsageName } from '../x509/index.ts'
import type { BudgetLimits } from './budget.ts'
import type { KeyPurpose } from './checks/path-rules.ts'
import type { PeerName } from './names/index.ts'
import type { PolicyInputs } from './policies/check-policies.ts'
import type { ProfileName, ValidationProfile } from './profile.ts'
import type { RevocationChecker } from './revocation-contract.ts'
import type { TrustAnchorInput } from './trust-anchor.ts'

/** What may differ from one verification to the next. */
export interface PathOptions {
  /** Certificates that may stand between leaf and anchor, in any order; what does not parse is passed over. */
  readonly intermediates?: readonly CertificateInput[] | undefined
  /** The time to verify for. Default: now. */
  readonly time?: Date | undefined
  /** Purposes that the leaf must be good for. Default: not asked. */
  readonly extendedKeyUsage?: KeyPurpose | readonly KeyPurpose[] | undefined
  /** Key usages that the leaf must have, where it has the extension. Default: not asked. */
  readonly keyUsage?: readonly KeyUsageName[] | undefined
  /** Whose certificate the leaf must be; of several, all must match, and an empty list is a mistake. Default: not asked. */
  readonly peer?: PeerName | readonly PeerName[] | undefined
  /** Inputs of RFC 5280 §6.1.1 (c), (e), (f), (g). Default: any policy, nothing inhibited. */
  readonly policies?: PolicyInputs | undefined
  /** Most intermediate certificates, self-issued ones not counted. Default: only the budget limits it. */
  readonly maxDepth?: number | undefined
  /** How much work this verification may cause; what is not named has its default. */
  readonly budget?: Partial<BudgetLimits> | undefined
  /** Asked, last, about every certificate below the anchor. Default: revocation is not checked. */
  readonly revocation?: RevocationChecker | undefined
}

/** What a validator keeps. */
export interface PathValidatorOptions extends PathOptions {
  /** What is trusted, at least one. A certificate's own constraints hold too (RFC 5937). */
  readonly anchors: readonly TrustAnchorInput[]
  /** Default `rfc5280`. */
  readonly profile?: ProfileName | ValidationProfile | undefined
  /** Object identifiers of critical extensions that the caller processes. */
  readonly knownCriticalExtensions?: readonly string[] | undefined
  /** Intermediate certificates of verified paths that are remembered, signatures included. Default 256; 0 = none. */
  readonly remember?: number | undefined
  /** Tells the time where `time` is not given. */
  readonly clock?: Clock | undefined
}
