// Malformed certificates or lists in an input are skipped, and reported with their index.

import { isPkiError, PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { nameOf } from '../internal/values/name-of.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { displayedSubject } from '../x509/internal.ts'
import { printable, shortened } from '../internal/values/outside-text.ts'

/** A skipped input of a long-lived object, and the reason. @inline */
export interface IgnoredInput {
  /** The option that contained it: `anchors`, `intermediates`, `lists`, …  */
  readonly option: string
  /** Its index in the option, from 0. */
  readonly index: number
  /** The subject of the certificate, or the issuer of the list, if readable; text from outside, escaped. */
  readonly name: string | undefined
  /** The reason as an error code. */
  readonly code: PkiErrorCode
  /** The reason as text. */
  readonly reason: string
}

/**
 * Reads each input; a malformed one is added to `ignored`.
 *
 * @throws ERR_INVALID_ARGUMENT for an input of the wrong type, which is a
 *   mistake of the caller; the message has its index
 */
export function readEach<Input, Output>(
  option: string,
  inputs: readonly Input[],
  ignored: IgnoredInput[],
  read: (input: Input) => Output,
  nameOf: (input: Input) => string | undefined = subjectOf,
): Output[] {
  const outputs: Output[] = []
  for (const [index, input] of inputs.entries()) {
    try {
      outputs.push(read(input))
    } catch (error) {
      if (!isPkiError(error)) throw error
      const { code, message } = error
      if (code === 'ERR_INVALID_ARGUMENT')
        throw new PkiError(code, `${option}[${index}]: ${message}`, { cause: error })
      ignored.push(Object.freeze({ option, index, name: nameOf(input), code, reason: message }))
    }
  }
  return outputs
}

/** Reads certificates that are all required. @throws as `Certificate.from`, with the place and the subject */
export function requireEach(option: string, inputs: readonly CertificateInput[]): Certificate[] {
  if (!Array.isArray(inputs))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${option} must be an array of certificates, found ${nameOf(inputs)}`,
    )
  return (inputs as readonly CertificateInput[]).map((input, index) => {
    try {
      return Certificate.from(input)
    } catch (error) {
      if (!isPkiError(error)) throw error
      const subject = subjectOf(input)
      const name = subject === undefined ? '' : ` (${subject})`
      throw new PkiError(error.code, `${option}[${index}]${name}: ${error.message}`, { cause: error })
    }
  })
}

/** One line of text about an ignored input. */
export function describeIgnored({ option, index, name, reason }: IgnoredInput): string {
  return `${option}[${index}]${name === undefined ? '' : ` (${name})`} is ignored: ${reason}`
}

/**
 * The subject of a certificate that this package refuses; OpenSSL is more
 * lenient, and the name is only displayed.
 */
export function subjectOf(input: unknown): string | undefined {
  const bytes = input instanceof Certificate ? input.der : input
  if (typeof bytes !== 'string' && !(bytes instanceof Uint8Array)) return undefined
  const subject = displayedSubject(bytes)
  return subject === undefined ? undefined : shortened(printable(subject), 200)
}
