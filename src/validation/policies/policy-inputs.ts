// What a caller wants of certificate policies: RFC 5280 §6.1.1 (c), (e), (f), (g).

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
