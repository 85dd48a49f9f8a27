// Recognises PKCS#7 (RFC 5652) and PKCS#12 (RFC 7292) files, which contain certificates, and names the
// command that converts them.

import { PkiError } from '../../errors/index.ts'

/**
 * An ERR_DER that names the type of the file; undefined for other octets. `what` names the expected object.
 */
export function containerFault(bytes: Uint8Array, what: string): PkiError | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, maxHead)).toString('hex')
  const found = forms.find(([form]) => form.test(head))
  return (
    found &&
    new PkiError(
      'ERR_DER',
      `${what}: the input is a ${found[1]} file, which is not supported; convert it: ${found[2]}`,
    )
  )
}

const maxHead = 32
/** A length in any form, also an indefinite one, which tools write in these files. */
const length = '(?:[0-7].|80|81..|82....|83......|84........)'
/** ContentInfo: SEQUENCE { contentType of PKCS#7, … }. PFX: SEQUENCE { 3, ContentInfo, … }. */
const contentInfo = `30${length}06092a864886f70d0107`
const forms: readonly (readonly [form: RegExp, name: string, command: string])[] = [
  [new RegExp(`^${contentInfo}`), 'PKCS#7', 'openssl pkcs7 -inform DER -in OLD -print_certs -out NEW'],
  [new RegExp(`^30${length}020103${contentInfo}`), 'PKCS#12', 'openssl pkcs12 -in OLD -nokeys -out NEW'],
]
