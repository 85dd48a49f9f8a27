// Basic constraints: RFC 5280 section 4.2.1.9.

import { boolean, integer, optionalTrue, readWhole, sequence, smallInteger, tags } from '../../der/index.ts'

/** Whether the subject is a CA, and how many intermediates may follow it. */
export interface BasicConstraints {
  readonly ca: boolean
  /** Most non-self-issued intermediate certificates below this one; undefined = no limit. */
  readonly pathLength: number | undefined
}

/** @throws ERR_DER */
export function parseBasicConstraints(der: Uint8Array): BasicConstraints {
  const reader = readWhole(der, tags.sequence, 'basicConstraints')
  const ca = optionalTrue(reader, 'cA')
  const pathLength = reader.done ? undefined : smallInteger(reader.expect(tags.integer, 'pathLenConstraint'), 'pathLenConstraint')
  reader.finish('basicConstraints')
  return { ca, pathLength }
}

/** DER of basic constraints. */
export function encodeBasicConstraints({ ca, pathLength }: BasicConstraints): Uint8Array {
  if (!ca) return sequence()
  return pathLength === undefined ? sequence(boolean(true)) : sequence(boolean(true), integer(pathLength))
}
