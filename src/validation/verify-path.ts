// One verification with everything given at once. For more than one against the same anchors, keep a `PathValidator`.

import type { CertificateInput } from '../x509/index.ts'
import type { PathValidatorOptions } from './path-options.ts'
import { PathValidator } from './path-validator.ts'
import type { Verdict, VerifiedPath } from './verdict.ts'

/**
 * Looks for a path from the leaf to one of the anchors that passes RFC 5280 section 6 and the profile.
 *
 * @example
 * const verdict = verifyPath(leaf, { anchors: [root], intermediates: chain, extendedKeyUsage: 'serverAuth' })
 * if (!verdict.ok) console.error(explainVerdict(verdict))
 *
 * @throws ERR_INVALID_ARGUMENT without an anchor; the codes of `Certificate.from` for an anchor that is no certificate
 */
export function verifyPath(leaf: CertificateInput, options: PathValidatorOptions): Verdict {
  return validatorOf(options).verify(leaf, options)
}

/** The same, for callers that want an exception. @throws PathError with the code of the most telling rejection; as `verifyPath` */
export function requirePath(leaf: CertificateInput, options: PathValidatorOptions): VerifiedPath {
  return validatorOf(options).require(leaf, options)
}

/** Intermediates of a single call came with the leaf: they are taken one by one, not as settings that must be right. */
function validatorOf(options: PathValidatorOptions): PathValidator {
  return new PathValidator(options.intermediates === undefined ? options : { ...options, intermediates: undefined })
}
