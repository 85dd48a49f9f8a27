// Tolerances: the closed set of leniencies for reading certificates made by other software, each with its
// clause and its risk.

import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'

/** The name of one tolerance. @inline */
export type Tolerance =
  | 'invalid-string-octets'
  | 'explicit-defaults'
  | 'empty-extensions'
  | 'long-serial-numbers'
  | 'leading-dot-constraints'
  | 'self-signed-leaf-anchor'
  | 'version-1-anchor'

/** What one tolerance accepts, which clause forbids it, and what a reader risks by accepting it. */
export interface ToleranceInfo {
  /** The input that is refused without the tolerance. */
  readonly accepts: string
  /** The clause that the input breaks. */
  readonly clause: string
  /** The risk of accepting it. */
  readonly risk: string
}

/**
 * All tolerances by name; all are off by default. The first three apply when bytes are parsed, the others in
 * path validation (`spiffe-pki/validation`).
 */
export const tolerances: Readonly<Record<Tolerance, ToleranceInfo>> = {
  'invalid-string-octets': {
    accepts:
      'an attribute value with octets that are invalid for its string type, such as "_" in a ' +
      'PrintableString; ' +
      'it has no text and is compared octet by octet',
    clause: 'X.680 41.4, RFC 5280 4.1.2.4',
    risk: 'two spellings of one name are different names; text rules do not apply to the value',
  },
  'explicit-defaults': {
    accepts: 'an encoded DEFAULT value: critical FALSE, cA FALSE, minimum 0, version 1, CRL flags FALSE',
    clause: 'X.690 11.5',
    risk: 'one value has two encodings, so two certificates can differ in their bytes alone',
  },
  'empty-extensions': {
    accepts: 'an Extensions field without any extension',
    clause: 'RFC 5280 4.1.2.9, 5.1.2.7 (SIZE (1..MAX))',
    risk: 'none known; an absent field means the same',
  },
  'long-serial-numbers': {
    accepts: 'serial numbers above 20 octets where certificateRules is "rfc5280" or stricter',
    clause: 'RFC 5280 4.1.2.2',
    risk: 'software that compares the first 20 octets takes two certificates for one',
  },
  'leading-dot-constraints': {
    accepts:
      'a DNS name constraint with a leading dot; it covers the names below the domain, not the domain itself',
    clause: 'RFC 5280 4.2.1.10',
    risk: 'the constraint has no meaning in the standard; other validators may read it as the domain too',
  },
  'self-signed-leaf-anchor': {
    accepts: 'a leaf that is byte for byte one of the trust anchors, though it is not a CA',
    clause: 'RFC 5280 6.1',
    risk: 'the certificate is trusted for every name and purpose in it; no CA can revoke it',
  },
  'version-1-anchor': {
    accepts: 'a trust anchor of version 1, which has no basic constraints',
    clause: 'RFC 5280 4.2.1.9, 6.1.4 (k)',
    risk: 'a version 1 leaf among the anchors can issue certificates',
  },
}

/** Options for reading certificates made by other software. @inline */
export interface ParseOptions {
  /** The accepted tolerances; default: none. */
  readonly tolerances?: readonly Tolerance[] | undefined
}

/** No tolerances; the default of every reader. */
export const noTolerances: readonly Tolerance[] = Object.freeze([])

/** The tolerances of `options`, checked, without duplicates, frozen. @throws ERR_INVALID_ARGUMENT */
export function readParseOptions(caller: string, options: ParseOptions | undefined): readonly Tolerance[] {
  if (options === undefined) return noTolerances
  const { tolerances: given } = readOptions<ParseOptions>(caller, options, { tolerances: 'optional' })
  return given === undefined ? noTolerances : readTolerances(caller, given)
}

/**
 * A list of tolerances, checked, without duplicates, frozen.
 * @throws ERR_INVALID_ARGUMENT for an unknown name
 */
export function readTolerances(caller: string, given: readonly Tolerance[]): readonly Tolerance[] {
  const isList: boolean = Array.isArray(given)
  if (!isList) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: tolerances must be an array of names`)
  }
  for (const name of given as readonly unknown[]) {
    if (typeof name === 'string' && Object.hasOwn(tolerances, name)) continue
    const found = typeof name === 'string' ? JSON.stringify(name.slice(0, 64)) : `a ${typeof name}`
    const known = Object.keys(tolerances).join(', ')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: ${found} is not a tolerance; they are ${known}`)
  }
  return Object.freeze([...new Set<Tolerance>(given)])
}

/** The end of an error message: the tolerance that accepts the refused input. */
export function acceptedBy(tolerance: Tolerance): string {
  return `; the tolerance '${tolerance}' accepts it`
}

/**
 * Refuses an encoded DEFAULT value (X.690 11.5), unless it is tolerated. `what` names the value.
 * @throws ERR_DER
 */
export function refuseExplicitDefault(what: string, accepted: readonly Tolerance[]): void {
  if (accepted.includes('explicit-defaults')) return
  throw new PkiError(
    'ERR_DER',
    `${what} is the default and must be absent (X.690 11.5)${acceptedBy('explicit-defaults')}`,
  )
}
