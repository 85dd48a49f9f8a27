// How bundles of a federated trust domain take effect, and which certificates a trust domain may have.

import { PkiError } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import type { TrustBundle } from '../svid/index.ts'

/** How a bundle of a federated trust domain takes effect. @inline */
export type FederationMode = 'manual' | 'automatic' | 'conditional'

/** Decides whether an offered bundle may replace the current one. @inline */
export type ConditionalTest = (offered: TrustBundle, current: TrustBundle | undefined) => boolean

/** Properties of the certificates of a trust domain, for the policies of issuers and verifiers. @inline */
export interface TrustDomainPolicy {
  readonly defaultTtlSeconds?: number
  readonly maxTtlSeconds?: number
  /** `uri`, `dns`, `ip`, `email`. */
  readonly sanKinds?: readonly string[]
  readonly keyUsages?: readonly string[]
  readonly keyAlgorithms?: readonly string[]
  /** The handling of an unknown revocation status: `hard-fail`, `soft-fail`, or `off`. */
  readonly revocation?: 'hard-fail' | 'soft-fail' | 'off'
}

/** A frozen copy. @throws ERR_INVALID_ARGUMENT */
export function copyPolicy(policy: TrustDomainPolicy | undefined): TrustDomainPolicy {
  const read = readOptions<TrustDomainPolicy>('TrustDomainRegistry', policy, {
    defaultTtlSeconds: 'guard',
    maxTtlSeconds: 'guard',
    sanKinds: 'guard',
    keyUsages: 'guard',
    keyAlgorithms: 'guard',
    revocation: 'guard',
  })
  const { defaultTtlSeconds, maxTtlSeconds, revocation } = read
  checkCounts({ defaultTtlSeconds, maxTtlSeconds }, 1)
  if (defaultTtlSeconds !== undefined && maxTtlSeconds !== undefined && defaultTtlSeconds > maxTtlSeconds)
    throw bad('defaultTtlSeconds is above maxTtlSeconds')
  if (revocation !== undefined && !revocations.includes(revocation))
    throw bad(`revocation is not one of ${revocations.join(', ')}`)
  const lists = Object.fromEntries(
    (['sanKinds', 'keyUsages', 'keyAlgorithms'] as const)
      .filter((key) => read[key] !== undefined)
      .map((key) => [key, textsOf(key, read[key])]),
  )
  return Object.freeze({ ...read, ...lists })
}

/** @throws ERR_INVALID_ARGUMENT */
export function readMode(mode: FederationMode, accepts: unknown): FederationMode {
  if (!modes.includes(mode)) throw bad(`mode is not one of ${modes.join(', ')}`)
  if ((mode === 'conditional') !== (typeof accepts === 'function'))
    throw bad('the mode conditional needs the function accepts, and no other mode has it')
  return mode
}

function textsOf(key: string, list: unknown): readonly string[] {
  if (!Array.isArray(list) || !list.every((text) => typeof text === 'string'))
    throw bad(`${key} is not an array of strings`)
  return Object.freeze([...(list as readonly string[])])
}

/** The error for an invalid argument of the registry. */
export function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `TrustDomainRegistry: ${what}`)
}

const modes: readonly string[] = ['manual', 'automatic', 'conditional'] satisfies FederationMode[]
const revocations: readonly string[] = ['hard-fail', 'soft-fail', 'off']
