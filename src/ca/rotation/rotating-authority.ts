// A CA that replaces its keys automatically: the recorded steps, the CA that applies them, and the schedule.

import { FollowingAuthority } from './following-authority.ts'
import { readRotatingOptions } from './rotating-options.ts'
import type { RotatingAuthorityOptions } from './rotating-options.ts'
import type { RotatingAuthority } from './rotation-contract.ts'

/**
 * A CA whose keys are replaced on schedule, without an interruption: a successor with a new key is published
 * in the trust bundle before it signs, and its predecessor stays there until its last leaf has expired. The
 * states are in `storage`, so a restarted process continues. If several processes use one storage, the holder
 * of a lease takes the steps, and the others apply them.
 *
 * @throws ERR_ROTATION_PLAN as `planRotation`; ERR_KEY_NOT_FOUND if the key of the active authority is
 * missing, ERR_STORE_OWNER if it is another key; ERR_CA_REPLY, ERR_INVALID_ARGUMENT; the errors of keys,
 * storage and upstream
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
 * Like `createRotatingAuthority`, but a refused plan throws only if `strict` is set. Otherwise it is logged,
 * and the steps happen at the same shares of the validity.
 */
export async function openRotatingAuthority(
  options: RotatingAuthorityOptions,
  strict: boolean,
): Promise<RotatingAuthority> {
  const { settings, steps } = readRotatingOptions(options, strict)
  return FollowingAuthority.open(steps, settings)
}
