// Lints for a leaf before it is signed, over its exact bytes, numbered as in docs/guides/ca.md.

import { PkiError } from '../../errors/index.ts'
import { leafExtensionLints } from './leaf-extension-lints.ts'
import { leafFieldLints } from './leaf-field-lints.ts'
import { leafNameLints } from './leaf-name-lints.ts'
import { leafSubject } from './leaf-subject.ts'
import type { LeafLintInput, LeafSubject } from './leaf-subject.ts'
import { runLints } from './run-lints.ts'
import type { Lint } from './run-lints.ts'

/** Every lint of a leaf, in the order of their numbers; cheap enough to run on each certificate. Frozen. */
export const leafLints: readonly Lint<LeafSubject>[] = Object.freeze(
  [...leafFieldLints, ...leafExtensionLints, ...leafNameLints].sort(
    (a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)),
  ),
)

/**
 * Checks a leaf against every rule of `leafLints`.
 *
 * @throws ERR_LINT for the first broken rule: a fault of this package or its
 *   configuration, never of the requester
 */
export function lintCertificate(input: LeafLintInput): void {
  let subject: LeafSubject
  try {
    subject = leafSubject(input)
  } catch (cause) {
    throw new PkiError('ERR_LINT', 'L20 (RFC 5280 §4.2.1.6): the subject alternative name is malformed', {
      cause,
    })
  }
  runLints(leafLints, subject)
}
