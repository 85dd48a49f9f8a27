// The names of certificates and constraints of CAs, read once per verification and grouped by type.

import { generalName } from '../../x509/index.ts'
import { formatGeneralName } from '../../x509/internal.ts'
import type { Certificate, GeneralName } from '../../x509/index.ts'
import type { Tolerance } from '../../x509/internal.ts'
import type { GeneralSubtree, NameConstraints } from '../../x509/internal.ts'
import { prepareName, prepareSubtree, unusable } from './subtree.ts'
import type { PreparedName, PreparedSubtree } from './subtree.ts'

/**
 * Names and constraints, each read once per verification, because several
 * paths can contain the same certificates.
 */
export class PreparedNames {
  readonly #tolerances: readonly Tolerance[]
  #names: Map<Certificate, NamesByType> | undefined
  #constraints: Map<NameConstraints, PreparedConstraints> | undefined

  constructor(tolerances: readonly Tolerance[]) {
    this.#tolerances = tolerances
  }

  namesOf(certificate: Certificate): NamesByType {
    this.#names ??= new Map()
    let found = this.#names.get(certificate)
    if (found === undefined) this.#names.set(certificate, (found = namesByType(namesOf(certificate))))
    return found
  }

  constraintsOf(constraints: NameConstraints): PreparedConstraints {
    this.#constraints ??= new Map()
    let found = this.#constraints.get(constraints)
    if (found === undefined)
      this.#constraints.set(constraints, (found = prepareConstraints(constraints, this.#tolerances)))
    return found
  }
}

/** By type, so that names without a constraint cost nothing. */
export type NamesByType = ReadonlyMap<GeneralName['type'], readonly PreparedName[]>

function namesByType(names: readonly PreparedName[]): NamesByType {
  const sorted = new Map<GeneralName['type'], PreparedName[]>()
  for (const name of names) {
    const type = name.type === 'unusable' ? name.of : name.type
    const there = sorted.get(type)
    if (there === undefined) sorted.set(type, [name])
    else there.push(name)
  }
  return sorted
}

type ByType = ReadonlyMap<GeneralName['type'], SubtreesOfType>

/** The subtrees of one type of name. */
export interface SubtreesOfType {
  readonly subtrees: PreparedSubtree[]
  /** Why names of this type cannot be compared: the constraint and its fault. */
  unusable: string | undefined
}

/** The constraints of one CA, by type of name. */
export interface PreparedConstraints {
  readonly permitted: ByType
  readonly excluded: ByType
}

function prepareConstraints(
  { permitted, excluded }: NameConstraints,
  tolerances: readonly Tolerance[],
): PreparedConstraints {
  return {
    permitted: byType('permitted', permitted, tolerances),
    excluded: byType('excluded', excluded, tolerances),
  }
}

function byType(
  kind: 'permitted' | 'excluded',
  subtrees: readonly GeneralSubtree[],
  tolerances: readonly Tolerance[],
): ByType {
  const sorted = new Map<GeneralName['type'], SubtreesOfType>()
  for (const { base, minimum, maximum } of subtrees) {
    // "minimum MUST be zero, and maximum MUST be absent"; a validator must
    // process other values or reject the certificate.
    const subtree: PreparedSubtree =
      minimum !== 0 || maximum !== undefined
        ? unusable(base.type, 'has a minimum or maximum; expected minimum 0 and no maximum')
        : prepareSubtree(base, tolerances)
    let ofType = sorted.get(base.type)
    if (ofType === undefined) sorted.set(base.type, (ofType = { subtrees: [], unusable: undefined }))
    ofType.subtrees.push(subtree)
    if (subtree.type === 'unusable')
      ofType.unusable ??= `the ${kind} constraint ${formatGeneralName(base).slice(0, 300)} ${subtree.reason}`
  }
  return sorted
}

/**
 * The alternative names, the subject, and the email addresses in the subject if no alternative name is an
 * email address.
 */
function namesOf(certificate: Certificate): readonly PreparedName[] {
  const alternative = certificate.subjectAltName ?? []
  const names = alternative.map(prepareName)
  // RFC 9598 §6: constraints on email addresses also apply to those in UTF-8.
  // Constraints on another kind of name apply as well.
  if (alternative.some((name) => name.type === 'otherName' && name.oid === smtpUtf8Mailbox))
    names.push(unusable('email', 'an email address in UTF-8 (SmtpUTF8Mailbox)'))
  const { subject } = certificate
  if (subject.isEmpty) return names
  names.push(prepareName({ type: 'directoryName', name: subject }))
  if (!alternative.some(({ type }) => type === 'email')) {
    for (const address of subject.values('emailAddress')) names.push(prepareName(generalName.email(address)))
  }
  return names
}

/** id-on-SmtpUTF8Mailbox: RFC 9598 §3. */
const smtpUtf8Mailbox = '1.3.6.1.5.5.7.8.9'
