// Name constraints (RFC 5280 §4.2.1.10, §6.1.3 (b), (c), §6.1.4 (g)): each name is checked against each CA
// above it, which is equivalent to the intersections and unions of §6.1.

import type { Certificate } from '../../x509/index.ts'
import type { NameConstraints } from '../../x509/internal.ts'
import type { Budget } from '../budget.ts'
import { describeCertificate } from '../verdict/describe-certificate.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { TrustAnchor } from '../trust-anchor.ts'
import { PreparedNames } from './prepared-names.ts'
import type { NamesByType, PreparedConstraints, SubtreesOfType } from './prepared-names.ts'
import { isWithin } from './subtree.ts'
import type { PreparedName, PreparedSubtree } from './subtree.ts'

/**
 * Checks every certificate of a path against the constraints of all CAs above it.
 *
 * @param path Leaf first, without the anchor.
 * @param anchorConstraints The constraints of the anchor (RFC 5937).
 * @throws ERR_PATH_BUDGET; the errors of reading a malformed extension or name
 */
export function checkNameConstraints(
  path: readonly Certificate[],
  anchorConstraints: NameConstraints | undefined,
  budget: Budget,
): Rejection | undefined {
  const anchor = { nameConstraints: anchorConstraints, certificate: undefined }
  return checkPreparedNames(path, anchor, budget, new PreparedNames([]))
}

/** Like `checkNameConstraints`, reusing names and constraints prepared for earlier paths. */
export function checkPreparedNames(
  path: readonly Certificate[],
  anchor: Pick<TrustAnchor, 'nameConstraints' | 'certificate'>,
  budget: Budget,
  ready: PreparedNames,
): Rejection | undefined {
  for (let above = path.length; above >= 1; above--) {
    const issuer = above === path.length ? anchor : (path[above] as Certificate)
    const constraints = issuer.nameConstraints
    if (constraints === undefined) continue
    const prepared = ready.constraintsOf(constraints)
    const owner = issuer === anchor ? anchor.certificate : path[above]
    for (let below = above - 1; below >= 0; below--) {
      const certificate = path[below] as Certificate
      // §6.1.3 (b): "and not self-issued, unless it is the final certificate in the path".
      if (below !== 0 && certificate.isSelfIssued) continue
      const fault = checkNames(ready.namesOf(certificate), prepared, { certificate, owner, budget })
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

interface Asked {
  /** The certificate whose names are checked. */
  readonly certificate: Certificate
  /** The CA whose constraints they are checked against; undefined for an anchor without a certificate. */
  readonly owner: Certificate | undefined
  readonly budget: Budget
}

function checkNames(
  names: NamesByType,
  constraints: PreparedConstraints,
  asked: Asked,
): Rejection | undefined {
  for (const [type, ofType] of names) {
    const permitted = constraints.permitted.get(type)
    const excluded = constraints.excluded.get(type)
    if (permitted === undefined && excluded === undefined) continue
    for (const name of ofType) {
      const fault = checkName(name, permitted, excluded, asked)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

function checkName(
  name: PreparedName,
  permitted: SubtreesOfType | undefined,
  excluded: SubtreesOfType | undefined,
  { certificate, owner, budget }: Asked,
): Rejection | undefined {
  const unjudged = name.type === 'unusable' ? name.reason : undefined
  if (unjudged !== undefined)
    return reject(
      code,
      'RFC 5280 §4.2.1.10',
      `the name constraints ${ofOwner(owner)} cannot be applied to ${unjudged}`,
      certificate,
    )
  const constraint = permitted?.unusable ?? excluded?.unusable
  if (constraint !== undefined)
    return reject(code, 'RFC 5280 §4.2.1.10', `${describe(name)} cannot be compared: ${constraint}`, owner)
  if (excluded !== undefined && anyHolds(name, excluded.subtrees, 'excluded', budget)) {
    return reject(
      code,
      'RFC 5280 §6.1.3 (c)',
      `${describe(name)} is excluded by the name constraints ${ofOwner(owner)}`,
      certificate,
    )
  }
  if (permitted !== undefined && !anyHolds(name, permitted.subtrees, 'permitted', budget)) {
    return reject(
      code,
      'RFC 5280 §6.1.3 (b)',
      `${describe(name)} is not permitted by the name constraints ${ofOwner(owner)}`,
      certificate,
    )
  }
  return undefined
}

function anyHolds(
  name: PreparedName,
  subtrees: readonly PreparedSubtree[],
  kind: 'permitted' | 'excluded',
  budget: Budget,
): boolean {
  for (const subtree of subtrees) {
    budget.spend('nameComparisons')
    if (isWithin(name, subtree, kind)) return true
  }
  return false
}

/** The CA whose constraints they are: the `certificate` of the rejection is that of the name. */
function ofOwner(owner: Certificate | undefined): string {
  return owner === undefined ? 'of the anchor' : `of ${describeCertificate(owner)}`
}

function describe(name: PreparedName): string {
  switch (name.type) {
    case 'dns':
      return `DNS name ${name.value}`
    case 'uri':
      return `URI host ${name.value}`
    case 'email':
      return `email address ${name.local}@${name.value}`.slice(0, 300)
    case 'ip':
      return `IP address ${name.value}`
    case 'directoryName':
      return 'the directory name'
    case 'unusable':
      return name.reason
  }
}

const code = 'ERR_PATH_NAME_CONSTRAINTS'
