// Name constraints: RFC 5280 section 4.2.1.10.

import type { DerReader} from '../../der/index.ts';
import { contextConstructed, contextPrimitive, explicit, readWhole, sequence, smallInteger, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { encodeGeneralName, readGeneralName } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'

/** A subtree of names. `minimum` is 0 and `maximum` absent in this profile; other values are reported, the validator refuses them. */
export interface GeneralSubtree {
  readonly base: GeneralName
  readonly minimum: number
  readonly maximum: number | undefined
}

/** Which names certificates further down may have. */
export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[]
  readonly excluded: readonly GeneralSubtree[]
}

/** @throws ERR_DER, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseNameConstraints(der: Uint8Array): NameConstraints {
  const reader = readWhole(der, tags.sequence, 'nameConstraints')
  const permitted = reader.optional(contextConstructed(0)) ? readSubtrees(reader.inner()) : undefined
  const excluded = reader.optional(contextConstructed(1)) ? readSubtrees(reader.inner()) : undefined
  reader.finish('nameConstraints')
  // RFC 5280: "Conforming CAs MUST NOT issue certificates where name constraints is an empty sequence."
  if (permitted === undefined && excluded === undefined) throw new PkiError('ERR_EXTENSION_MALFORMED', 'nameConstraints: neither permitted nor excluded subtrees')
  return { permitted: permitted ?? [], excluded: excluded ?? [] }
}

/** DER of the name constraints extension. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Uint8Array {
  const trees = (list: readonly GeneralSubtree[]): Uint8Array[] => list.map(({ base }) => sequence(encodeGeneralName(base)))
  return sequence(
    ...(permitted.length === 0 ? [] : [explicit(0, ...trees(permitted))]),
    ...(excluded.length === 0 ? [] : [explicit(1, ...trees(excluded))]),
  )
}

function readSubtrees(list: DerReader): GeneralSubtree[] {
  const subtrees: GeneralSubtree[] = []
  while (!list.done) {
    if (subtrees.length >= maxSubtrees) throw new PkiError('ERR_LIMIT_EXCEEDED', `nameConstraints: more than ${String(maxSubtrees)} subtrees`)
    const reader = list.expect(tags.sequence, 'GeneralSubtree').inner()
    const base = readGeneralName(reader, 'constraint')
    let minimum = 0
    if (reader.optional(contextPrimitive(0))) {
      minimum = smallInteger(reader, 'minimum')
      if (minimum === 0) throw new PkiError('ERR_DER', 'minimum: 0 is the default and must be left out (X.690 11.5)')
    }
    const maximum = reader.optional(contextPrimitive(1)) ? smallInteger(reader, 'maximum') : undefined
    reader.finish('GeneralSubtree')
    subtrees.push({ base, minimum, maximum })
  }
  if (subtrees.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'nameConstraints: an empty list of subtrees (RFC 5280: SIZE (1..MAX))')
  return subtrees
}

const maxSubtrees = 10_000
