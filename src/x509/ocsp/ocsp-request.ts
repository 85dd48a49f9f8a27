// OCSP requests (RFC 6960 §4.1, RFC 9654 for the nonce): a view over their DER.

import { randomBytes } from 'node:crypto'
import { contextConstructed, explicit, readWhole, sequence, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { nameOf, readOptions } from '../../internal/options.ts'
import { encodeExtension } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { noTolerances, readParseOptions } from '../tolerances.ts'
import type { ParseOptions, Tolerance } from '../tolerances.ts'
import { OcspCertificateId } from './ocsp-certificate-id.ts'
import { nonceExtension, nonceOid, readExtensionList, readNonce, readVersion } from './ocsp-extensions.ts'

interface OcspRequestOptions {
  /** `true`: 32 random octets (RFC 9654 §2.1); or the octets. Default: no nonce. */
  readonly nonce?: boolean | Uint8Array
}

/** A request for the status of certificates. */
export class OcspRequest {
  /** DER of the whole request. */
  readonly der: Uint8Array
  /** The certificates whose status is requested. */
  readonly certificateIds: readonly OcspCertificateId[]
  /** Extensions of the request, known or unknown. */
  readonly extensions: readonly Extension[]
  /** The octets that the response must repeat. */
  readonly nonce: Uint8Array | undefined

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[]) {
    const outer = readWhole(der, tags.sequence, 'OCSPRequest')
    const tbs = outer.expect(tags.sequence, 'tbsRequest').inner()
    // The signature of a signed request is ignored: it does not decide here whether the responder answers.
    if (outer.optional(contextConstructed(0), 'optionalSignature')) finishOne(outer, 'optionalSignature')
    outer.finish('OCSPRequest')
    readVersion(tbs, tolerances)
    if (tbs.optional(contextConstructed(1), 'requestorName')) finishOne(tbs, 'requestorName')
    const list = tbs.expect(tags.sequence, 'requestList').inner()
    const ids: OcspCertificateId[] = []
    while (!list.done) {
      if (ids.length >= maxCertificates)
        throw new PkiError(
          'ERR_LIMIT_EXCEEDED',
          `the OCSP request has more than ${maxCertificates} certificates`,
        )
      const one = list.expect(tags.sequence, 'Request').inner()
      ids.push(OcspCertificateId.over(one.expect(tags.sequence, 'reqCert').element()))
      if (one.optional(contextConstructed(0), 'singleRequestExtensions'))
        refuseCritical(readExtensionList(one, 'singleRequestExtensions', tolerances))
      one.finish('Request')
    }
    if (ids.length === 0) throw new PkiError('ERR_OCSP_MALFORMED', 'the OCSP request names no certificate')
    this.extensions = tbs.optional(contextConstructed(2), 'requestExtensions')
      ? readExtensionList(tbs, 'requestExtensions', tolerances)
      : []
    tbs.finish('tbsRequest')
    refuseCritical(this.extensions)
    this.der = der
    this.certificateIds = Object.freeze(ids)
    this.nonce = readNonce(this.extensions)
  }

  /**
   * @throws ERR_OCSP_MALFORMED, ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_DUPLICATE, ERR_LIMIT_EXCEEDED above
   * 64 KiB or 256 certificates
   */
  static parse(der: Uint8Array, options?: ParseOptions): OcspRequest {
    const { length } = requireOctets(der, 'the DER of an OCSP request')
    if (length > maxOctets)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the OCSP request has ${length} octets; the maximum is ${maxOctets}`,
      )
    return new OcspRequest(new Uint8Array(der), readParseOptions('OcspRequest.parse', options))
  }

  /**
   * Builds a request; `nonce: true` adds a nonce of 32 random octets (RFC 9654 §2.1). @throws
   * ERR_INVALID_ARGUMENT
   */
  static of(certificateIds: readonly OcspCertificateId[], options: OcspRequestOptions = {}): OcspRequest {
    const count = Array.isArray(certificateIds) ? certificateIds.length : 0
    if (count === 0 || count > maxCertificates) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `the request has ${count} certificates; expected 1 to ${maxCertificates}`,
      )
    }
    for (const id of certificateIds)
      if (!(id instanceof OcspCertificateId))
        throw new PkiError('ERR_INVALID_ARGUMENT', `expected an OcspCertificateId, found ${nameOf(id)}`)
    const read = readOptions<OcspRequestOptions>('OcspRequest.of', options, { nonce: 'guard' })
    const nonce = read.nonce === true ? randomBytes(32) : read.nonce === false ? undefined : read.nonce
    const extensions =
      nonce === undefined ? [] : [explicit(2, sequence(encodeExtension(nonceExtension(nonce))))]
    const requests = sequence(...certificateIds.map(({ der }) => sequence(der)))
    return new OcspRequest(sequence(sequence(requests, ...extensions)), noTolerances)
  }
}

/** `[n] EXPLICIT` around one element whose content is ignored. */
function finishOne(reader: DerReader, what: string): void {
  const wrapper = reader.inner()
  wrapper.next(what)
  wrapper.finish(what)
}

/** RFC 6960 §4.4: an unknown extension may be ignored, unless it is critical. */
function refuseCritical(extensions: readonly Extension[]): void {
  const unknown = extensions.find(({ oid: type, critical }) => critical && type !== nonceOid)
  if (unknown !== undefined)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `the OCSP request has the unknown critical extension ${unknown.oid} (RFC 6960 §4.4)`,
    )
}

const maxOctets = 64 * 1024
const maxCertificates = 256
