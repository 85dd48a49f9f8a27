// What a caller wants of certificate policies: RFC 5280 §6.1.1 (c), (e), (f), (g).

import { PkiError } from '../../errors/index.ts'

/** The policy inputs of a path validation. */
export interface PolicyInputs {
  /** Policies that the caller accepts. Default: any. */
  readonly initialPolicySet?: readonly string[] | undefined
  /** Whether some policy of the set must hold for the path. Default false. */
  readonly explicitPolicy?: boolean | undefined
  /** Whether policy mappings are ignored from the start. Default false. */
  readonly inhibitPolicyMapping?: boolean | undefined
  /** Whether anyPolicy counts for nothing from the start. Default false. */
  readonly inhibitAnyPolicy?: boolean | undefined
}

/** A text `'true'` would count as "no". @throws ERR_INVALID_ARGUMENT */
export function checkPolicyInputs(inputs: PolicyInputs | undefined): void {
  if (inputs === undefined) return
  const { initialPolicySet, explicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy } = inputs
  if (initialPolicySet !== undefined && !Array.isArray(initialPolicySet)) throw new PkiError('ERR_INVALID_ARGUMENT', 'initialPolicySet is a list of object identifiers')
  if ([explicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy].some((flag: unknown) => flag !== undefined && typeof flag !== 'boolean')) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'explicitPolicy, inhibitPolicyMapping and inhibitAnyPolicy are true or false')
  }
}
