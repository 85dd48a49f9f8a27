// The certificate policy inputs of a caller: RFC 5280 §6.1.1 (c), (e), (f), (g).

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'

/** The policy inputs of a path validation. @inline */
export interface PolicyInputs {
  /** Policies that the caller accepts. Default: any policy. */
  readonly initialPolicySet?: readonly string[]
  /** Whether a policy of the set must be valid for the path. Default false. */
  readonly explicitPolicy?: boolean
  /** Whether policy mappings are ignored from the start. Default false. */
  readonly inhibitPolicyMapping?: boolean
  /** Whether anyPolicy is ignored from the start. Default false. */
  readonly inhibitAnyPolicy?: boolean
}

/** @throws ERR_INVALID_ARGUMENT for values of the wrong type, and an unknown or undefined member */
export function checkPolicyInputs(inputs: PolicyInputs): void {
  const { initialPolicySet, ...flags } = readOptions<PolicyInputs>('policies', inputs, {
    initialPolicySet: 'guard',
    explicitPolicy: 'guard',
    inhibitPolicyMapping: 'guard',
    inhibitAnyPolicy: 'guard',
  })
  if (initialPolicySet !== undefined && !Array.isArray(initialPolicySet))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `initialPolicySet must be a list of object identifiers, found ${nameOf(initialPolicySet)}`,
    )
  for (const [name, flag] of Object.entries(flags)) {
    if (typeof flag !== 'boolean')
      throw new PkiError('ERR_INVALID_ARGUMENT', `policies.${name} must be true or false`)
  }
}
