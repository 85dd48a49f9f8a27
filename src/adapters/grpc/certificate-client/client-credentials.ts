// TLS of a certificate client: the certificates of the server are read before OpenSSL gets them, and the
// error of a refused server names its certificate.

import { constants } from 'node:crypto'
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { DEFAULT_CIPHERS, connect, createSecureContext } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { formatGeneralName } from '../../../x509/internal.ts'
import { peerCertificates } from '../../../x509/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { connectorCredentials } from '../credentials/connector-credentials.ts'
import { hostOf } from '../credentials/server-name.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { boundedClient, maxCertificates } from '../handshake/index.ts'
import type { CertificateClientOptions, ClientTlsMaterial } from './client-options.ts'

/**
 * Credentials for the channel of a certificate client. No octet of a call is sent before the path and name of
 * the server are verified.
 *
 * @throws ERR_INVALID_ARGUMENT for roots without a certificate, and for a certificate and key that OpenSSL
 *   cannot use
 */
export function clientCredentials(
  grpc: GrpcModule,
  { address, serverName }: Pick<CertificateClientOptions, 'address' | 'serverName'>,
  material: ClientTlsMaterial,
): ChannelCredentials {
  const context = contextOf(material)
  // Not the target that grpc-js passes, which may be a proxy from environment variables.
  const host = serverName ?? hostOf(address)
  return connectorCredentials(grpc, (socket) => secure(socket, context, host))
}

function contextOf({ roots, certificateChain, privateKey }: ClientTlsMaterial): SecureContext {
  // OpenSSL accepts a text without certificates, and then trusts none.
  if (!/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(roots))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateClient: the roots that tls returned contain no certificate in PEM',
    )
  if ((certificateChain === undefined) !== (privateKey === undefined))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateClient: tls must return both certificateChain and privateKey, or neither',
    )
  try {
    return createSecureContext({
      ...{ ca: roots, cert: certificateChain, key: privateKey, minVersion: 'TLSv1.2' },
      // The server chooses the group of finite-field Diffie-Hellman, and with it the work of its client.
      ciphers: `${DEFAULT_CIPHERS}:!DHE`,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    })
  } catch (cause) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateClient: the certificate and key that tls returned cannot be used: ' +
        (cause instanceof Error ? cause.message : 'unknown reason'),
      { cause },
    )
  }
}

/** Begins the handshake. The socket that is returned ends with ERR_TLS_PEER if the server is refused. */
function secure(socket: Socket, secureContext: SecureContext, host: string): TLSSocket {
  const secured = boundedClient(socket, (stream) =>
    connect({
      ...{ socket: stream, secureContext, ALPNProtocols: ['h2'], host },
      ...(isIP(host) === 0 ? { servername: host } : {}), // RFC 6066 §3: an IP address is not a server name
      rejectUnauthorized: false, // verified below, where the certificate can be named
    }),
  )
  return secured.once('secureConnect', () => {
    if (secured.authorized) return
    const reason = `the certificate of the server is refused: ${refusalOf(secured, host)}`
    secured.destroy(new PkiError('ERR_TLS_PEER', reason))
  })
}

/** The reason that OpenSSL reports, and the certificate at fault, if this package can read it. */
function refusalOf(secured: TLSSocket, host: string): string {
  const { authorizationError } = secured as { readonly authorizationError: unknown }
  const reason = String(authorizationError)
  try {
    const chain = peerCertificates(secured, maxCertificates)
    return chain.length === 0
      ? `${reason}; the server sent none`
      : `${reason}: ${faultOf(chain, reason, host)}`
  } catch {
    return reason
  }
}

/** The first certificate of the chain that is not valid now, or the leaf. */
function faultOf(chain: readonly Certificate[], reason: string, host: string): string {
  const nowMs = systemClock.now() // OpenSSL uses the system clock too
  const leaf = chain[0] as Certificate
  const names = (leaf.subjectAltName ?? []).map(formatGeneralName).join(', ')
  const wrongName =
    reason === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `expected the name ${host}, found ${quoted(names)}; ` : ''
  const atFault = chain.find((one) => nowMs < one.notBeforeMs || nowMs >= one.notAfterMs + 1000) ?? leaf
  const { subject, issuer, serialNumber, notBefore, notAfter } = atFault
  const name = subject.toString() === '' && atFault === leaf ? names : subject.toString()
  return (
    `${wrongName}${quoted(name)} (serial number ${serialNumber}, issued by ` +
    `${quoted(issuer.toString())}) is valid from ${notBefore.toISOString()} to ` +
    `${notAfter.toISOString()}; the time is ${new Date(nowMs).toISOString()}`
  )
}

/** Text from an unauthenticated server, quoted and shortened. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 256))
}
