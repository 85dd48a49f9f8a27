// Reads the fields of a BasicOCSPResponse from its DER (RFC 6960 §4.2.1).

import { contextConstructed, readWhole, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import type { Extension } from '../extensions/extension.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import type { Tolerance } from '../tolerances.ts'
import { readExtensionList, readNonce, readVersion } from './ocsp-extensions.ts'
import { readResponses, readTime } from './ocsp-single-response.ts'
import type { OcspSingleResponse } from './ocsp-single-response.ts'

/** The parts of a response, as `BasicOcspResponse` has them. */
export interface BasicOcspParts {
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  readonly responder: { readonly name: DistinguishedName } | { readonly keyHash: Uint8Array }
  readonly producedAt: Date
  readonly responses: readonly OcspSingleResponse[]
  readonly extensions: readonly Extension[]
  readonly nonce: Uint8Array | undefined
  readonly certificates: readonly Uint8Array[]
}

/** @throws as `OcspResponse.parse` */
export function readBasicOcsp(der: Uint8Array, tolerances: readonly Tolerance[]): BasicOcspParts {
  const outer = readWhole(der, tags.sequence, 'BasicOCSPResponse')
  const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(outer, 'tbsResponseData')
  const signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
  const certificates = outer.optional(contextConstructed(0), 'certs') ? readCertificates(outer) : noItems
  outer.finish('BasicOCSPResponse')
  readVersion(tbs, tolerances)
  const responder = Object.freeze(readResponder(tbs, tolerances))
  const producedAt = readTime(tbs, 'producedAt')
  const responses = readResponses(tbs.expect(tags.sequence, 'responses').inner(), tolerances)
  const extensions = Object.freeze(
    tbs.optional(contextConstructed(1), 'responseExtensions')
      ? readExtensionList(tbs, 'responseExtensions', tolerances)
      : [],
  )
  tbs.finish('tbsResponseData')
  const nonce = readNonce(extensions)
  return {
    tbs: tbsDer,
    ...{ signatureAlgorithm, signature, responder, producedAt, responses, extensions, nonce, certificates },
  }
}

/** @throws ERR_OCSP_MALFORMED, ERR_DER */
export function readResponder(
  reader: DerReader,
  tolerances: readonly Tolerance[],
): BasicOcspParts['responder'] {
  const tag = reader.next('responderID')
  const inner = reader.inner()
  if (tag === contextConstructed(1)) {
    const name = DistinguishedName.over(
      inner.expect(tags.sequence, 'responderID').element(),
      tolerances,
      'responderID',
    )
    inner.finish('responderID')
    void name.rdns
    return { name }
  }
  if (tag !== contextConstructed(2))
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `responderID: found tag 0x${tag.toString(16)}, expected 0xa1 (byName) or 0xa2 (byKey)`,
    )
  const keyHash = inner.expect(tags.octetString, 'responderID').content()
  inner.finish('responderID')
  if (keyHash.length !== 20)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `the key hash has ${keyHash.length} octets; expected 20, of SHA-1 (RFC 6960 §4.2.1)`,
    )
  return { keyHash }
}

function readCertificates(reader: DerReader): readonly Uint8Array[] {
  const wrapper = reader.inner()
  const list = wrapper.expect(tags.sequence, 'certs').inner()
  wrapper.finish('certs')
  const certificates: Uint8Array[] = []
  while (!list.done) {
    if (certificates.length >= maxCertificates)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the OCSP response has more than ${maxCertificates} certificates`,
      )
    certificates.push(list.expect(tags.sequence, 'Certificate').element())
  }
  return Object.freeze(certificates)
}

const noItems: readonly Uint8Array[] = Object.freeze([])
export const maxCertificates = 16
