// Whether the word of a refused CRL issuer or responder still revokes.

import type { Certificate } from '../../x509/index.ts'
import { ownAnswerRule } from '../revocation-contract.ts'
import type { RevocationQuery } from '../revocation-contract.ts'
import type { Rejection } from '../verdict/rejection.ts'

/**
 * Whether an authority is accepted, or refused only for a rule of the profile, because its own status is
 * unknown, or for both. If refused, its revocations count, but it cannot show a good status. A status that
 * depends on the authority's own answer does not count.
 */
export function stillAccuses(
  authority: Certificate,
  refused: Rejection | undefined,
  purpose: 'crl' | 'ocsp',
  query: RevocationQuery,
): boolean {
  const left =
    refused?.code === 'ERR_PATH_PROFILE' ? query.verifyAuthority(authority, purpose, 'path') : refused
  return left === undefined || (left.code === 'ERR_REVOCATION_UNKNOWN' && left.rule !== ownAnswerRule)
}
