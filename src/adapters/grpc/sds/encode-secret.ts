// Encodes secrets in Envoy's form: certificates with keys, authorities with revocation lists, and the
// versions of both.

import { createHash } from 'node:crypto'
import { create, toBinary } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { exportPrivateKey } from '../../../keys/index.ts'
import type { CertificateSecret, Secret, ValidationSecret } from '../../../secrets/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import {
  SPIFFECertValidatorConfigSchema,
  SecretSchema,
} from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import type {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
} from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import { secretTypeUrl } from './sotw-state.ts'
import type { SdsResource } from './subscriptions.ts'

/**
 * Replaces a private key in Envoy, such as `envoy.tls.key_providers.cryptomb`.
 *
 * @inline
 */
export interface PrivateKeyProvider {
  readonly providerName: string
  /**
   * The configuration of the provider, which usually contains the key: an encoded message and its type.
   */
  readonly typeUrl: string
  readonly config: Uint8Array
  /** Whether Envoy uses the key itself if the provider is not available. Default false. */
  readonly fallback?: boolean | undefined
}

/** Options for encoding secrets. */
export interface SecretEncoding {
  readonly crlScope: 'leaf' | 'chain'
  readonly privateKeyProvider: ((secret: CertificateSecret) => PrivateKeyProvider | undefined) | undefined
  /** The authority that is sent if no authority is trusted. */
  readonly noAuthority: Certificate
}

/** An encoded secret. */
export interface EncodedSecret extends SdsResource {
  readonly any: Any
  readonly type: Secret['type']
}

/** Encodes a secret under its requested name. */
export function encodeSecret(name: string, secret: Secret, encoding: SecretEncoding): EncodedSecret {
  const message = create(SecretSchema, {
    name,
    type:
      secret.type === 'certificate'
        ? { case: 'tlsCertificate', value: tlsCertificate(secret, encoding) }
        : { case: 'validationContext', value: validationContext(secret, encoding) },
  })
  const value = toBinary(SecretSchema, message)
  const version = createHash('sha256').update(value).digest('hex').slice(0, 16)
  return { name, version, type: secret.type, any: create(AnySchema, { typeUrl: secretTypeUrl, value }) }
}

function tlsCertificate(
  secret: CertificateSecret,
  { privateKeyProvider }: SecretEncoding,
): MessageInitShape<typeof TlsCertificateSchema> {
  const certificateChain = inline(pemOf(secret.certificates))
  const provider = privateKeyProvider?.(secret)
  if (provider === undefined)
    return { certificateChain, privateKey: inline(exportPrivateKey(secret.privateKey)) }
  const { providerName, typeUrl, config, fallback = false } = provider
  return {
    certificateChain,
    privateKeyProvider: {
      providerName,
      fallback,
      configType: { case: 'typedConfig', value: create(AnySchema, { typeUrl, value: config }) },
    },
  }
}

function validationContext(
  { name, authorities, crls }: ValidationSecret,
  { crlScope, noAuthority }: SecretEncoding,
): MessageInitShape<typeof CertificateValidationContextSchema> {
  const trusted = authorities.filter(({ certificates }) => certificates.length > 0)
  // Authorities of several trust domains are never merged into one list (F-4). The form of ALL does not
  // depend on their number (R22).
  if (name === 'ALL' || authorities.length > 1) return spiffeValidator(trusted, noAuthority)
  const certificates = trusted[0]?.certificates ?? [noAuthority]
  return {
    trustedCa: inline(pemOf(certificates)),
    // Without a CRL of every CA in the path, Envoy refuses every peer, unless it is configured to check only
    // the leaf.
    ...(crls.length === 0
      ? {}
      : { crl: inline(crls.map((crl) => crl.toPem()).join('')), onlyVerifyLeafCertCrl: crlScope === 'leaf' }),
  }
}

/** Envoy's validator of SPIFFE IDs ignores revocation lists, so none are sent. */
function spiffeValidator(
  authorities: ValidationSecret['authorities'],
  noAuthority: Certificate,
): MessageInitShape<typeof CertificateValidationContextSchema> {
  const trustDomains = authorities.map(({ trustDomain, certificates }) => ({
    name: trustDomain?.name ?? '',
    trustBundle: inline(pemOf(certificates)),
  }))
  if (trustDomains.length === 0)
    trustDomains.push({ name: 'invalid', trustBundle: inline(pemOf([noAuthority])) })
  const config = create(SPIFFECertValidatorConfigSchema, { trustDomains })
  return {
    customValidatorConfig: {
      name: 'envoy.tls.cert_validator.spiffe',
      typedConfig: create(AnySchema, {
        typeUrl: `type.googleapis.com/${SPIFFECertValidatorConfigSchema.typeName}`,
        value: toBinary(SPIFFECertValidatorConfigSchema, config),
      }),
    },
  }
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => certificate.toPem()).join('')
}

function inline(text: string): { specifier: { case: 'inlineBytes'; value: Uint8Array } } {
  return { specifier: { case: 'inlineBytes', value: new Uint8Array(Buffer.from(text)) } }
}
