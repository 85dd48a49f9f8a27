// Converts a recorded authority to the signing material of a CA.

import type { KeyManager } from '../../keys/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { isSignedBy } from '../authority/signing-material.ts'
import type { SigningMaterial } from '../authority/signing-material.ts'
import type { HeldAuthority } from './held-authority.ts'
import { signerOf } from './steps/rotation-keys.ts'

/** The inputs of `materialOf`. */
interface MaterialContext {
  readonly keys: KeyManager
  readonly clock: Clock
  readonly leafTtlSeconds: number
}

/**
 * Certificate, key, chain and the roots of the trust bundle. A cross-certificate replaces the root in the
 * chain while relying parties may have only the older root, and while it does not shorten the validity of
 * leaves.
 *
 * @throws ERR_KEY_NOT_FOUND, ERR_STORE_OWNER
 */
export async function materialOf(
  { keys, clock, leafTtlSeconds }: MaterialContext,
  one: HeldAuthority,
  roots: readonly Certificate[],
): Promise<SigningMaterial> {
  const { cross } = one
  const isCrossed =
    cross !== undefined &&
    cross.notAfterMs > clock.now() + leafTtlSeconds * 1000 &&
    roots.some((root) => isSignedBy(cross, root))
  const certificate = isCrossed ? cross : one.certificate
  return { certificate, signer: await signerOf(keys, one), chain: one.chain, roots }
}
