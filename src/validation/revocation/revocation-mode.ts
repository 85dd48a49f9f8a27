// The effect of an unknown status, and the certificates of a path that a source checks.

import { PkiError } from '../../errors/index.ts'
import type { RevocationQuery } from '../revocation-contract.ts'

/**
 * The effect of an unknown status. `hard-fail`: the certificate is refused. `soft-fail`: it is accepted; only
 * a source with "revoked" refuses it. `off`: the source is not used.
 *
 * @inline
 */
export type RevocationMode = 'off' | 'soft-fail' | 'hard-fail'

/** `chain`: every certificate below the anchor; `leaf`: only the leaf. @inline */
export type RevocationScope = 'chain' | 'leaf'

/**
 * Whether a source checks a certificate. With `leaf`: the target of the verification, a CA or not, and every
 * other certificate that is not a CA.
 *
 * @throws ERR_INVALID_ARGUMENT for an unknown mode or scope, so that a typo cannot change what is refused
 */
export function questionOf({
  mode,
  scope = 'chain',
}: {
  readonly mode: RevocationMode
  readonly scope?: RevocationScope | undefined
}): (query: RevocationQuery) => boolean {
  if (!modes.includes(mode))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${JSON.stringify(mode)} is not a mode; expected one of ${modes.join(', ')}`,
    )
  if (!scopes.includes(scope))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${JSON.stringify(scope)} is not a scope; expected chain or leaf`,
    )
  return ({ certificate, isTarget }) =>
    mode !== 'off' && (scope === 'chain' || isTarget === true || certificate.basicConstraints?.ca !== true)
}

const modes: readonly RevocationMode[] = ['off', 'soft-fail', 'hard-fail']
const scopes: readonly unknown[] = ['chain', 'leaf']
