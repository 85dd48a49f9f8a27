// One verification with all inputs at once, where `PathValidator` is for several with the same anchors.

import type { CertificateInput } from '../x509/index.ts'
import type { PathValidatorOptions } from './path-options.ts'
import { PathValidator } from './path-validator.ts'
import type { AcceptedVerdict, Verdict } from './verdict/verdict.ts'

/**
 * Searches for a path from the leaf to one of the anchors that passes RFC 5280 section 6 and the profile.
 *
 * @throws as the constructor of `PathValidator`
 * @example
 * ```ts
 * const verdict = verifyPath(leaf, { anchors: [root], intermediates: chain, extendedKeyUsage: 'serverAuth' })
 * if (!verdict.ok) console.error(explainVerdict(verdict))
 * ```
 */
export function verifyPath(leaf: CertificateInput, options: PathValidatorOptions): Verdict {
  const { validator, presented } = validatorOf(options)
  return validator.verify(leaf, presented)
}

/** Like `verifyPath`, but throws. @throws PathError with the verdict; as `verifyPath` */
export function verifyPathOrThrow(leaf: CertificateInput, options: PathValidatorOptions): AcceptedVerdict {
  const { validator, presented } = validatorOf(options)
  return validator.verifyOrThrow(leaf, presented)
}

/** The intermediates of a single call are treated as sent by the peer, not as settings. */
function validatorOf(options: PathValidatorOptions): {
  readonly validator: PathValidator
  readonly presented: { readonly intermediates?: readonly CertificateInput[] | undefined }
} {
  const { intermediates } = Object(options) as Partial<PathValidatorOptions>
  return intermediates === undefined
    ? { validator: new PathValidator(options), presented: {} }
    : { validator: new PathValidator({ ...options, intermediates: [] }), presented: { intermediates } }
}
