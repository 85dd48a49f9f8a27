// Parts common to OCSP requests and responses: version, extension lists, the nonce (RFC 6960 §4.4, RFC 9654).

import { DerReader, contextConstructed, octetString, smallInteger, tags } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { readExtensions } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { acceptedBy } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'

/** The `[n] EXPLICIT Extensions` read last. */
export function readExtensionList(
  reader: DerReader,
  what: string,
  tolerances: readonly Tolerance[],
): readonly Extension[] {
  const wrapper = reader.inner()
  const list = wrapper.expect(tags.sequence, what).inner()
  wrapper.finish(what)
  return Object.freeze(readExtensions(list, what, tolerances))
}

/** `version [0] EXPLICIT INTEGER DEFAULT v1`, which DER omits. @throws ERR_OCSP_MALFORMED */
export function readVersion(reader: DerReader, tolerances: readonly Tolerance[]): void {
  if (!reader.optional(contextConstructed(0), 'version')) return
  const version = smallInteger(reader.inner().expect(tags.integer, 'version'), 'version')
  if (version === 0 && tolerances.includes('explicit-defaults')) return
  throw new PkiError(
    'ERR_OCSP_MALFORMED',
    version === 0
      ? `version 1 is the default and must be absent (X.690 11.5)${acceptedBy('explicit-defaults')}`
      : `the OCSP version is ${version + 1}; expected 1`,
  )
}

/**
 * An OCTET STRING within the extension; the bare octets of implementations before RFC 6960 are refused.
 * @throws ERR_OCSP_MALFORMED, ERR_DER
 */
export function readNonce(extensions: readonly Extension[]): Uint8Array | undefined {
  const extension = extensions.find((one) => one.oid === nonceOid)
  if (extension === undefined) return undefined
  const reader = new DerReader(extension.value)
  const nonce = reader.expect(tags.octetString, 'nonce').content()
  reader.finish('nonce')
  if (nonce.length === 0 || nonce.length > maxNonce)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `the nonce has ${nonce.length} octets; expected 1 to ${maxNonce} (RFC 9654 §2.1)`,
    )
  return nonce
}

/** The nonce, if it can be read. */
export function readableNonce(extensions: readonly Extension[]): Uint8Array | undefined {
  try {
    return readNonce(extensions)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return undefined
  }
}

/** @throws ERR_INVALID_ARGUMENT */
export function nonceExtension(nonce: Uint8Array): Extension {
  if (nonce.length === 0 || nonce.length > maxNonce)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the nonce has ${nonce.length} octets; expected 1 to ${maxNonce}`,
    )
  return { oid: nonceOid, critical: false, value: octetString(nonce) }
}

/** id-pkix-ocsp-basic. */
export const basicResponse = '1.3.6.1.5.5.7.48.1.1'
/** id-pkix-ocsp-nonce. */
export const nonceOid = '1.3.6.1.5.5.7.48.1.2'
const maxNonce = 128
