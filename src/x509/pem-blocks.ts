// The objects of a PEM text with several blocks: an error names the block, and the certificate in it.

import { isPkiError, PkiError } from '../errors/index.ts'
import { displayedSubject } from './certificate/platform-certificate.ts'
import { readable } from './describe.ts'

/** Parses each block. @throws the errors of `parse`, with the place of the block from 1 and its subject */
export function parseBlocks<T>(blocks: readonly Uint8Array[], parse: (der: Uint8Array) => T): T[] {
  return blocks.map((der, index) => {
    try {
      return parse(der)
    } catch (error) {
      if (!isPkiError(error) || error.code === 'ERR_INVALID_ARGUMENT' || blocks.length === 1) throw error
      const subject = readable(() => displayedSubject(der))
      const name = subject === undefined ? '' : ` (${subject})`
      throw new PkiError(error.code, `block ${index + 1} of ${blocks.length}${name}: ${error.message}`, {
        cause: error,
      })
    }
  })
}
