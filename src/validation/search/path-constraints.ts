// Name constraints of a complete path, if it has any.

import type { Budget } from '../budget.ts'
import { checkPreparedNames } from '../names/check-name-constraints.ts'
import type { PreparedNames } from '../names/prepared-names.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { CompletePath } from './search-settings.ts'

/** Checks the names of a path against the constraints of its anchor and its CAs. @throws ERR_PATH_BUDGET */
export function checkConstraints(
  { certificates, issuers, anchor }: CompletePath,
  budget: Budget,
  names: PreparedNames,
): Rejection | undefined {
  const constrained = anchor.nameConstraints !== undefined || issuers.some((issuer) => issuer.constrainsNames)
  return constrained ? checkPreparedNames(certificates, anchor, budget, names) : undefined
}
