// A CA that changes its keys by itself: the steps on record, the CA that follows them, and the schedule.

import { FollowingAuthority } from './following-authority.ts'
import { readRotatingOptions } from './rotating-options.ts'
import type { RotatingAuthorityOptions } from './rotating-options.ts'
import type { RotatingAuthority } from './rotation-contract.ts'

/**
 * A CA whose keys are replaced on schedule, without an interruption: a successor with a new key is published
 * in
 * the trust bundle before it signs, and the CA before stays there until its last leaf has expired. The states
 * are in `storage`: opened again, it continues. Of several processes on one storage one takes the steps, by a
 * lease, and the others follow.
 *
 * @throws ERR_ROTATION_PLAN where publish-before-use or leaf ≤ CA cannot hold, as `planRotation`;
 *   ERR_KEY_NOT_FOUND, ERR_STORE_OWNER where the key of the active authority is missing or another one;
 *   ERR_CA_REPLY, ERR_INVALID_ARGUMENT; what keys, storage and upstream throw
 * @example
 * ```ts
 * const rotating = await createRotatingAuthority({ trustDomain: 'example.org', storage, keys })
 * const issuing = createIssuanceService({ authority: rotating.authority })
 * ```
 */
export async function createRotatingAuthority(options: RotatingAuthorityOptions): Promise<RotatingAuthority> {
  return openRotatingAuthority(options, true)
}

/**
 * The same; a plan that is refused throws only where it is `strict`. Else it is logged, and the rotation
 * goes by
 * the same shares of the life.
 */
export async function openRotatingAuthority(
  options: RotatingAuthorityOptions,
  strict: boolean,
): Promise<RotatingAuthority> {
  const { settings, steps } = readRotatingOptions(options, strict)
  return FollowingAuthority.open(steps, settings)
}
