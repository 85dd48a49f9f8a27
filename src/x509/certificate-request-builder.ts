// A certification request from any Signer. RFC 2986; extension request by RFC 2985 section 5.4.2.

import { explicit, integer, oid, sequence, setOf } from '../der/index.ts'
import type { Signer } from './algorithms/signer.ts'
import { assembleSigned } from './certificate-builder.ts'
import { CertificateRequest } from './certificate-request.ts'
import { encodeExtensionFields } from './extension-fields.ts'
import type { ExtensionFields } from './extension-fields.ts'
import { encodeExtension } from './extensions/extension.ts'
import { DistinguishedName } from './names/distinguished-name.ts'

/** What a request asks for; the key is the signer's. */
export interface CertificateRequestFields {
  /** Default: empty. */
  readonly subject?: DistinguishedName | undefined
  /** Extensions to ask for; a CA takes from them what its policy allows, often nothing. */
  readonly extensions?: ExtensionFields | undefined
}

/**
 * Builds a request for the signer's key and signs it: the proof of possession.
 *
 * @throws ERR_NAME_INVALID, ERR_INVALID_ARGUMENT; what the signer throws
 * @example
 * ```ts
 * const request = await buildCertificateRequest({ extensions: { subjectAltName: [generalName.uri('spiffe://td.example/web')] } }, signer)
 * ```
 */
export async function buildCertificateRequest(fields: CertificateRequestFields, signer: Signer): Promise<CertificateRequest> {
  const { subject = DistinguishedName.of([]) } = fields
  const extensions = encodeExtensionFields(fields.extensions ?? {}, subject.isEmpty)
  const attributes = extensions.length === 0 ? [] : [sequence(oid(extensionRequest), setOf(sequence(...extensions.map(encodeExtension))))]
  const info = sequence(integer(0), subject.der, signer.publicKey.spki, explicit(0, ...attributes))
  return CertificateRequest.parse(assembleSigned(info, signer.signatureAlgorithm, await signer.sign(info)))
}

const extensionRequest = '1.2.840.113549.1.9.14'
