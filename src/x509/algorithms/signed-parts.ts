// The common structure of a certificate, a request, a list and an OCSP response: SIGNED{ToBeSigned}.

import { tags, wholeOctetsBitString } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { containerFault } from './container-files.ts'

/**
 * The parts of a signed object (certificate, request, list, OCSP response):
 * signed bytes, algorithm and signature.
 */
export interface SignedParts {
  /** The signed element. */
  readonly tbs: Uint8Array
  /** Its content. */
  readonly content: DerReader
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Uint8Array
  readonly signature: Uint8Array
}

/**
 * Reads the beginning of `SIGNED{ToBeSigned}` (X.509 §6.2.1; RFC 5280 §4.1,
 * §5.1; RFC 2986 §4.2; RFC 6960 §4.2.1).
 * @throws ERR_DER
 */
export function readSigned(reader: DerReader, what: string): SignedParts {
  const fault = reader.peek() === tags.sequence ? undefined : containerFault(reader.bytes, what)
  if (fault !== undefined) throw fault
  const content = reader.expect(tags.sequence, what).inner()
  const tbs = reader.element()
  const algorithm = reader.expect(tags.sequence, 'signatureAlgorithm').element()
  return {
    tbs,
    content,
    algorithm,
    signature: wholeOctetsBitString(reader.expect(tags.bitString, 'signature'), 'signature'),
  }
}

/**
 * The algorithm inside the signed bytes of a certificate or list must equal the one outside.
 * @throws ERR_DER, ERR_ALGORITHM_MISMATCH
 */
export function checkSignedAlgorithm(content: DerReader, outer: Uint8Array, clause: string): void {
  if (isElement(content.expect(tags.sequence, 'signature'), outer)) return
  throw new PkiError(
    'ERR_ALGORITHM_MISMATCH',
    `the algorithm inside the signed bytes differs from the one outside (${clause})`,
  )
}

/** Whether the element read last has these octets; a view of so few costs more than comparing them. */
function isElement({ bytes, start, contentEnd }: DerReader, octets: Uint8Array): boolean {
  if (contentEnd - start !== octets.length) return false
  for (let at = 0; at < octets.length; at++) if (bytes[start + at] !== octets[at]) return false
  return true
}
