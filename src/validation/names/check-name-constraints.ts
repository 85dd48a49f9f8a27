// Name constraints: RFC 5280 §4.2.1.10, §6.1.3 (b) and (c), §6.1.4 (g).
// A name has to satisfy each CA above it by itself, which is the same as the intersections and unions of §6.1 without building them.

import { generalName } from '../../x509/index.ts'
import type { Certificate, GeneralName, GeneralSubtree, NameConstraints } from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { isWithin, prepareName, prepareSubtree } from './subtree.ts'
import type { PreparedName, PreparedSubtree } from './subtree.ts'

/**
 * Checks every certificate of a path against the constraints of all above it.
 *
 * @param path Leaf first, the anchor left out.
 * @param anchorConstraints What the anchor constrains (RFC 5937).
 * @throws ERR_PATH_BUDGET; what reading a malformed extension or name throws
 */
export function checkNameConstraints(path: readonly Certificate[], anchorConstraints: NameConstraints | undefined, budget: Budget): Rejection | undefined {
  const names = new Map<Certificate, readonly PreparedName[]>()
  for (let above = path.length; above >= 1; above--) {
    const constraints = above === path.length ? anchorConstraints : path[above]?.nameConstraints
    if (constraints === undefined) continue
    const prepared = prepareConstraints(constraints)
    for (let below = above - 1; below >= 0; below--) {
      const certificate = path[below] as Certificate
      // §6.1.3 (b): "and not self-issued, unless it is the final certificate in the path".
      if (below !== 0 && certificate.isSelfIssued) continue
      const found = names.get(certificate) ?? namesOf(certificate)
      names.set(certificate, found)
      const fault = checkNames(found, prepared, certificate, budget)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

type ByType = ReadonlyMap<GeneralName['type'], SubtreesOfType>

interface SubtreesOfType {
  readonly subtrees: PreparedSubtree[]
  /** Why no name of this type can be judged; found once here, so that it costs nothing per name. */
  unusable: string | undefined
}

interface PreparedConstraints {
  readonly permitted: ByType
  readonly excluded: ByType
}

function prepareConstraints({ permitted, excluded }: NameConstraints): PreparedConstraints {
  return { permitted: byType(permitted), excluded: byType(excluded) }
}

function byType(subtrees: readonly GeneralSubtree[]): ByType {
  const sorted = new Map<GeneralName['type'], SubtreesOfType>()
  for (const { base, minimum, maximum } of subtrees) {
    // "minimum MUST be zero, and maximum MUST be absent"; who meets others has to process them or reject.
    const subtree: PreparedSubtree = minimum !== 0 || maximum !== undefined
      ? { type: 'unusable', of: base.type, reason: 'a constraint with a minimum or maximum' }
      : prepareSubtree(base)
    let ofType = sorted.get(base.type)
    if (ofType === undefined) sorted.set(base.type, (ofType = { subtrees: [], unusable: undefined }))
    ofType.subtrees.push(subtree)
    if (subtree.type === 'unusable') ofType.unusable ??= subtree.reason
  }
  return sorted
}

/** The alternative names, the subject, and the email addresses in it where no alternative name is one. */
function namesOf(certificate: Certificate): readonly PreparedName[] {
  const alternative = certificate.subjectAltName ?? []
  const names = alternative.map(prepareName)
  const { subject } = certificate
  if (subject.isEmpty) return names
  names.push(prepareName({ type: 'directoryName', name: subject }))
  if (!alternative.some(({ type }) => type === 'email')) {
    for (const address of subject.values('emailAddress')) names.push(prepareName(generalName.email(address)))
  }
  return names
}

function checkNames(names: readonly PreparedName[], constraints: PreparedConstraints, certificate: Certificate, budget: Budget): Rejection | undefined {
  for (const name of names) {
    const type = name.type === 'unusable' ? name.of : name.type
    const permitted = constraints.permitted.get(type)
    const excluded = constraints.excluded.get(type)
    if (permitted === undefined && excluded === undefined) continue
    const unusable = name.type === 'unusable' ? name.reason : permitted?.unusable ?? excluded?.unusable
    if (unusable !== undefined) return reject('ERR_PATH_NAME_CONSTRAINTS', 'RFC 5280 §4.2.1.10', `${unusable} cannot be judged`, certificate)
    if (excluded !== undefined && anyHolds(name, excluded.subtrees, 'excluded', budget)) {
      return reject('ERR_PATH_NAME_CONSTRAINTS', 'RFC 5280 §6.1.3 (c)', `${describe(name)} is excluded`, certificate)
    }
    if (permitted !== undefined && !anyHolds(name, permitted.subtrees, 'permitted', budget)) {
      return reject('ERR_PATH_NAME_CONSTRAINTS', 'RFC 5280 §6.1.3 (b)', `${describe(name)} is not permitted`, certificate)
    }
  }
  return undefined
}

function anyHolds(name: PreparedName, subtrees: readonly PreparedSubtree[], kind: 'permitted' | 'excluded', budget: Budget): boolean {
  for (const subtree of subtrees) {
    budget.spend('nameComparisons')
    if (isWithin(name, subtree, kind)) return true
  }
  return false
}

function describe(name: PreparedName): string {
  switch (name.type) {
    case 'dns': return `DNS name ${name.value}`
    case 'uri': return `URI host ${name.value}`
    case 'email': return `email address ${name.local}@${name.value}`.slice(0, 300)
    case 'ip': return `address of ${name.octets.length} octets`
    case 'directoryName': return 'the directory name'
    case 'unusable': return name.reason
  }
}
