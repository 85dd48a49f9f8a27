// The CRLs given to a checker: each is read once, and sorted by its possible use.

import { isPkiError, PkiError } from '../../../errors/index.ts'
import { Crl } from '../../../x509/index.ts'
import { crlThatAccuses } from '../../../x509/internal.ts'
import type { CrlInput } from '../../../x509/internal.ts'
import { describeIgnored, readEach } from '../../ignored-input.ts'
import type { IgnoredInput } from '../../ignored-input.ts'
import { printable, shortened } from '../../../internal/values/outside-text.ts'
import { accusingTolerances } from '../accusing-tolerances.ts'
import { byScope } from './crl-lists.ts'
import type { CrlSettings } from './crl-status.ts'

type Lists = Pick<CrlSettings, 'scopes' | 'accusing' | 'malformed'>
type ListInputs = readonly CrlInput[] | (() => readonly CrlInput[])
type OnIgnored = ((ignored: IgnoredInput) => void) | undefined

/** A function that returns the current lists; a list that was returned before is not read again. */
export function createListReader(given: ListInputs, onIgnoredList: OnIgnored): () => Lists {
  const parsed = new WeakMap<object, Crl>()
  if (typeof given !== 'function') {
    const lists = readLists(given, parsed, onIgnoredList)
    return () => lists
  }
  let known: { readonly inputs: readonly CrlInput[]; readonly lists: Lists } | undefined
  return () => {
    const inputs: unknown = given()
    if (!Array.isArray(inputs))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'the function lists must return an array of CRLs, not a promise',
      )
    const isSame =
      known?.inputs.length === inputs.length && known.inputs.every((each, at) => each === inputs[at])
    if (known === undefined || !isSame) {
      const copy = [...(inputs as readonly CrlInput[])]
      known = { inputs: copy, lists: readLists(copy, parsed, onIgnoredList) }
    }
    return known.lists
  }
}

/**
 * Reads each list once; `Crl.from` copies octets. A list that is refused only for its form, or has an
 * extension that cannot be read, is reported as ignored, but its revocations still count.
 */
function readLists(
  inputs: readonly CrlInput[],
  parsed: WeakMap<object, Crl>,
  onIgnoredList: OnIgnored,
): Lists {
  const ignored: IgnoredInput[] = []
  const accusing = new Map<CrlInput, Crl>()
  const read = (input: CrlInput): Crl => {
    let list = typeof input === 'object' ? parsed.get(input) : undefined
    try {
      list ??= readList(input)
      if (typeof input === 'object') parsed.set(input, list)
      readExtensions(list)
      return list
    } catch (error) {
      if (!isPkiError(error) || error.code === 'ERR_INVALID_ARGUMENT') throw error
      list ??= readToAccuse(input)
      if (list !== undefined) accusing.set(input, list)
      throw error
    }
  }
  const sound = readEach('lists', inputs, ignored, read, (input) => issuerOf(accusing.get(input)))
  for (const each of ignored) onIgnoredList?.(each)
  return {
    scopes: byScope(sound),
    accusing: [...accusing.values()],
    malformed: ignored[0] && describeIgnored(ignored[0]),
  }
}

function readList(input: CrlInput): Crl {
  const list = Crl.from(input)
  void list.issuer.comparisonKey
  return list
}

function readToAccuse(input: CrlInput): Crl | undefined {
  try {
    const list = crlThatAccuses(input, accusingTolerances)
    void list.issuer.comparisonKey
    return list
  } catch (error) {
    if (!isPkiError(error)) throw error
    return undefined
  }
}

/** The issuer of a list, for people: text from outside, escaped. */
function issuerOf(list: Crl | undefined): string | undefined {
  return list === undefined ? undefined : shortened(printable(list.issuer.toString()), 200)
}

/**
 * Reads the extensions that determine which certificates a list covers, and its order among other lists.
 *
 * @throws the errors of reading a malformed extension
 */
function readExtensions(list: Crl): void {
  void list.crlNumber
  void list.deltaCrlIndicator
  void list.issuingDistributionPoint
  void list.authorityKeyIdentifier
}

/** Whether reading succeeds without a `PkiError`. */
export function isReadable(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (!isPkiError(error)) throw error
    return false
  }
}
