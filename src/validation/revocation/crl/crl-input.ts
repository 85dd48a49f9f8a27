// The CRLs given to a checker: each is read once, and sorted by its possible use.

import { isPkiError, PkiError } from '../../../errors/index.ts'
import { Crl } from '../../../x509/index.ts'
import { crlThatAccuses } from '../../../x509/internal.ts'
import type { CrlInput } from '../../../x509/internal.ts'
import { describeIgnored, readEach } from '../../ignored-input.ts'
import type { IgnoredInput } from '../../ignored-input.ts'
import { accusingTolerances } from '../accusing-tolerances.ts'
import { byScope } from './crl-lists.ts'
import type { CrlSettings } from './crl-status.ts'

type Lists = Pick<CrlSettings, 'scopes' | 'accusing' | 'nothingFound'>
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
 * Reads each list once. Octets are copied, because the checker keeps them after the call. A list that is
 * refused only for its form is reported as ignored, but its revocations still count.
 */
function readLists(
  inputs: readonly CrlInput[],
  parsed: WeakMap<object, Crl>,
  onIgnoredList: OnIgnored,
): Lists {
  const ignored: IgnoredInput[] = []
  const accusing: Crl[] = []
  const all = readEach('lists', inputs, ignored, (input) => {
    const before = typeof input === 'object' ? parsed.get(input) : undefined
    try {
      const list = before ?? readList(input)
      if (typeof input === 'object') parsed.set(input, list)
      return list
    } catch (error) {
      if (isPkiError(error) && error.code !== 'ERR_INVALID_ARGUMENT') accusing.push(...readToAccuse(input))
      throw error
    }
  })
  for (const each of ignored) onIgnoredList?.(each)
  const sound = all.filter(hasSoundExtensions)
  const isOdd = sound.length !== inputs.length
  const first = ignored[0]
  return {
    scopes: byScope(sound),
    accusing: [...all.filter((list) => !hasSoundExtensions(list)), ...accusing],
    nothingFound: [
      `no list covers it${isOdd ? ', and one is malformed' : ''}`,
      ...(first === undefined ? [] : [describeIgnored(first)]),
    ].join(': '),
  }
}

function readList(input: CrlInput): Crl {
  const list = Crl.from(input instanceof Uint8Array ? input.slice() : input)
  void list.issuer.comparisonKey
  return list
}

function readToAccuse(input: CrlInput): readonly Crl[] {
  try {
    const list = crlThatAccuses(input, accusingTolerances)
    void list.issuer.comparisonKey
    return [list]
  } catch (error) {
    if (!isPkiError(error)) throw error
    return []
  }
}

/** Reads the extensions that determine which certificates a list covers, and its order among other lists. */
function hasSoundExtensions(list: Crl): boolean {
  return isReadable(() => [
    list.crlNumber,
    list.deltaCrlIndicator,
    list.issuingDistributionPoint,
    list.authorityKeyIdentifier,
  ])
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
