// Reads an OCSP response that the strict reader refuses, for its revocations only (RFC 6960 §4.2.1).

import { contextConstructed, DerReader, readOid, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { ifReadable } from '../crl/revoked-entry.ts'
import type { Extension } from '../extensions/extension.ts'
import { maxCertificates, readResponder } from '../ocsp/basic-ocsp-fields.ts'
import type { BasicOcspParts } from '../ocsp/basic-ocsp-fields.ts'
import { OcspCertificateId } from '../ocsp/ocsp-certificate-id.ts'
import { basicResponse, readVersion, readableNonce } from '../ocsp/ocsp-extensions.ts'
import { maxResponses, readStatus } from '../ocsp/ocsp-single-response.ts'
import type { OcspSingleResponse } from '../ocsp/ocsp-single-response.ts'
import type { Tolerance } from '../tolerances.ts'
import { readAccusingExtensions } from './accusing-extensions.ts'
import { readCertainTime } from './certain-time.ts'

/**
 * The octets of the BasicOCSPResponse; the octets around them are not signed. @throws ERR_DER,
 * ERR_OID_INVALID
 */
export function basicOcspToAccuse(der: Uint8Array): Uint8Array | undefined {
  const response = new DerReader(der).expect(tags.sequence, 'OCSPResponse').inner()
  response.expect(tags.enumerated, 'responseStatus')
  if (!response.optional(contextConstructed(0), 'responseBytes')) return undefined
  const bytes = response.inner().expect(tags.sequence, 'responseBytes').inner()
  const type = readOid(bytes, 'responseType')
  return type === basicResponse ? bytes.expect(tags.octetString, 'response').content() : undefined
}

/**
 * The parts of a response, without what cannot be read: dates in another form, octets after the response or
 * inside it, extensions, the nonce, single responses, certificates. A nextUpdate that cannot be read counts
 * as passed: permanent revocations only. A single response without a readable thisUpdate is omitted. An
 * unreadable producedAt is not compared with the clock: thisUpdate is.
 *
 * @throws ERR_DER, ERR_OCSP_MALFORMED
 */
export function readBasicOcspToAccuse(der: Uint8Array, tolerances: readonly Tolerance[]): BasicOcspParts {
  const outer = new DerReader(der).expect(tags.sequence, 'BasicOCSPResponse').inner()
  const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(outer, 'tbsResponseData')
  readVersion(tbs, tolerances)
  const responder = Object.freeze(readResponder(tbs, tolerances))
  const producedAt = new Date((tbs.peek() === tags.sequence ? undefined : readCertainTime(tbs)) ?? 0)
  const responses = readSingles(tbs.expect(tags.sequence, 'responses').inner(), tolerances)
  const extensions: Extension[] = []
  for (const part of partsOf(tbs))
    if (part.tag === contextConstructed(1))
      extensions.push(...readAccusingExtensions(part.inner(), tolerances).extensions)
  return {
    tbs: tbsDer,
    signatureAlgorithm: AlgorithmIdentifier.parse(algorithm),
    signature,
    responder,
    producedAt,
    responses,
    extensions: Object.freeze(extensions),
    nonce: readableNonce(extensions),
    certificates: readCertificates(outer),
  }
}

/** Iterates over the remaining elements, up to the first octets that are not an element. */
function* partsOf(reader: DerReader): Generator<DerReader, void, undefined> {
  while (!reader.done && ifReadable(() => reader.next()) !== undefined) yield reader
}

/** @throws ERR_OCSP_MALFORMED if no single response can be read */
function readSingles(list: DerReader, tolerances: readonly Tolerance[]): readonly OcspSingleResponse[] {
  const responses: OcspSingleResponse[] = []
  let count = 0
  for (const part of partsOf(list)) {
    const single = ifReadable(() => readSingle(part.inner(), tolerances))
    if (single !== undefined) responses.push(single)
    if (++count >= maxResponses) break
  }
  if (responses.length > 0) return Object.freeze(responses)
  throw new PkiError('ERR_OCSP_MALFORMED', 'no single response can be read')
}

function readSingle(one: DerReader, tolerances: readonly Tolerance[]): OcspSingleResponse | undefined {
  const certificateId = OcspCertificateId.toAccuse(one.expect(tags.sequence, 'certID').element())
  const certificateStatus = Object.freeze(readStatus(one))
  const thisUpdate = readCertainTime(one)
  if (thisUpdate === undefined) return undefined
  let nextUpdate: Date | undefined
  const extensions: Extension[] = []
  for (const part of partsOf(one)) {
    if (part.tag === contextConstructed(1))
      extensions.push(...readAccusingExtensions(part.inner(), tolerances).extensions)
    else if (dateTags.includes(part.tag)) nextUpdate = nextUpdate === undefined ? wrappedTime(part) : passed
  }
  if (!one.done) nextUpdate ??= passed
  return Object.freeze({
    certificateId,
    certificateStatus,
    thisUpdate: new Date(thisUpdate),
    nextUpdate,
    extensions: Object.freeze(extensions),
  })
}

/**
 * The date of `nextUpdate [0]`. A date without this tag is uncertain and counts as passed; so do two dates in
 * it.
 */
function wrappedTime(part: DerReader): Date {
  const inner = part.inner()
  const time = part.tag === contextConstructed(0) ? ifReadable(() => readCertainTime(inner)) : undefined
  return time === undefined || !inner.done ? passed : new Date(time)
}

/** The certificates before the first octets that are not an element. */
function readCertificates(outer: DerReader): readonly Uint8Array[] {
  const certificates: Uint8Array[] = []
  for (const part of partsOf(outer)) {
    const list =
      part.tag === contextConstructed(0)
        ? ifReadable(() => part.inner().expect(tags.sequence, 'certs'))
        : undefined
    for (const one of list === undefined ? [] : partsOf(list.inner()))
      if (certificates.length < maxCertificates) certificates.push(one.element())
  }
  return Object.freeze(certificates)
}

const dateTags: readonly number[] = [contextConstructed(0), tags.utcTime, tags.generalizedTime]
/** A time before every verification. */
const passed = new Date(0)
