// Builds a certification request with any Signer (RFC 2986; extension request by RFC 2985 section 5.4.2).

import { explicit, integer, sequence } from '../../der/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { Signer } from '../algorithms/signer.ts'
import { assembleSigned, requireSigner } from '../certificate/certificate-builder.ts'
import { CertificateRequest } from './certificate-request.ts'
import { encodeExtensionFields } from '../extensions/extension-fields.ts'
import type { ExtensionFields } from '../extensions/extension-fields.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { encodeAttributes } from './request-attributes.ts'
import type { RequestAttribute } from './request-attributes.ts'

/** The content of a request; the key is the signer's. @inline */
export interface CertificateRequestFields {
  /** Parsed, or RFC 4514 text. Default: empty. */
  readonly subject?: DistinguishedName | string | undefined
  /** Requested extensions. A CA takes from them only what its policy allows, often nothing. */
  readonly extensions?: ExtensionFields | undefined
  /**
   * The challenge password of SCEP and EST servers, 1 to 255 characters (RFC
   * 2985 §5.4.1). It is not encrypted in the request.
   */
  readonly challengePassword?: string | undefined
  /** Any other attributes, already encoded. */
  readonly attributes?: readonly RequestAttribute[] | undefined
}

/**
 * Builds a request for the signer's key and signs it with that key as proof of possession.
 *
 * @throws ERR_NAME_INVALID, ERR_INVALID_ARGUMENT; the errors of the signer
 * @example
 * ```ts
 * const subjectAltName = [generalName.uri('spiffe://td.example/web')]
 * const request = await buildCertificateRequest({ extensions: { subjectAltName } }, signer)
 * ```
 */
export async function buildCertificateRequest(
  fields: CertificateRequestFields,
  signer: Signer,
): Promise<CertificateRequest> {
  const { publicKey, signatureAlgorithm } = requireSigner(signer)
  const read = readOptions<CertificateRequestFields>('buildCertificateRequest', fields, requestFields)
  const subject = DistinguishedName.from(read.subject ?? '')
  const extensions = encodeExtensionFields(read.extensions ?? {}, subject.isEmpty)
  const attributes = encodeAttributes(extensions, read.challengePassword, read.attributes ?? [])
  const info = sequence(integer(0), subject.der, publicKey.spki, explicit(0, ...attributes))
  return CertificateRequest.parse(assembleSigned(info, signatureAlgorithm, await signer.sign(info)))
}

const requestFields = {
  subject: 'optional',
  extensions: 'optional',
  challengePassword: 'optional',
  attributes: 'optional',
} as const
