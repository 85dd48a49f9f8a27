// TLS of a certificate client: the certificates of the server are read before OpenSSL gets them, and the
// error of a refused server names its certificate.

import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect, createSecureContext } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { formatGeneralName } from '../../../x509/internal.ts'
import { peerCertificates } from '../../../x509/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { BoundedHandshake, maxCertificates } from '../handshake/index.ts'
import type { ClientTlsMaterial } from './client-options.ts'

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

/**
 * Credentials for the channel of a certificate client.
 *
 * @throws ERR_INVALID_ARGUMENT for roots without a certificate, and for a certificate and key that OpenSSL
 *   cannot use
 */
export function clientCredentials(
  grpc: GrpcModule,
  serverName: string | undefined,
  material: ClientTlsMaterial,
): ChannelCredentials {
  const context = contextOf(material)
  class BoundedCredentials extends grpc.ChannelCredentials {
    _isSecure(): boolean {
      return true
    }

    _equals(other: ChannelCredentials): boolean {
      return this === other
    }

    _createSecureConnector(
      target: Parameters<ChannelCredentials['_createSecureConnector']>[0],
      _options: unknown,
      callCredentials: CallCredentials = grpc.CallCredentials.createEmpty(),
    ): SecureConnector {
      const host = serverName ?? hostOf(target.path)
      return {
        connect: (socket) => secure(socket, context, host),
        waitForReady: () => Promise.resolve(),
        getCallCredentials: () => callCredentials,
        destroy: () => undefined,
      }
    }
  }
  return new BoundedCredentials()
}

function contextOf({ roots, certificateChain, privateKey }: ClientTlsMaterial): SecureContext {
  // OpenSSL takes a text without certificates, and then trusts none.
  if (!/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(roots))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateClient: the roots that tls returned contain no certificate in PEM',
    )
  try {
    return createSecureContext({ ca: roots, cert: certificateChain, key: privateKey, minVersion: 'TLSv1.2' })
  } catch (cause) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateClient: the certificate and key that tls returned cannot be used: ' +
        (cause instanceof Error ? cause.message : 'unknown reason'),
      { cause },
    )
  }
}

/**
 * No octet of a call is sent before the server's path and name are verified. Without the bound, OpenSSL would
 * process 100 KiB of certificates with keys of any kind on the event loop: a process at the address of the
 * server could block this one for half a second.
 */
function secure(
  socket: Socket,
  secureContext: SecureContext,
  host: string,
): Promise<{ socket: Socket; secure: boolean }> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string): void => {
      reject(new PkiError('ERR_TLS_PEER', reason))
      socket.destroy()
    }
    const bounded = new BoundedHandshake(socket, {
      peer: 'server',
      maxOctets: maxHandshakeOctets,
      exceeded: (octets) => refuse(`the handshake of the server has ${octets} octets or more`),
      refused: ({ reason }) => refuse(`the handshake of the server is refused: ${reason}`),
    })
    const secured = connect({
      socket: bounded as unknown as Socket,
      secureContext,
      ALPNProtocols: ['h2'],
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}), // RFC 6066 §3: no address is a server name
      rejectUnauthorized: false, // verified below, where the certificate can be named
    })
    secured.on('keylog', (line) => bounded.keylog(line, secured))
    secured.once('error', reject)
    secured.once('close', () =>
      reject(new PkiError('ERR_TLS_PEER', 'the connection closed in the handshake')),
    )
    secured.once('secureConnect', () => {
      bounded.secured()
      if (secured.authorized) resolve({ socket: secured, secure: true })
      else refuse(`the certificate of the server is refused: ${refusalOf(secured, host)}`)
    })
  })
}

/** The reason of OpenSSL, and the certificate that it is about. */
function refusalOf(secured: TLSSocket, host: string): string {
  const { authorizationError } = secured as { readonly authorizationError: unknown }
  const reason = String(authorizationError)
  let chain: readonly Certificate[]
  try {
    chain = peerCertificates(secured, maxCertificates)
  } catch {
    return reason
  }
  const [leaf] = chain
  if (leaf === undefined) return `${reason}; the server sent none`
  const nowMs = systemClock.now() // of OpenSSL as well
  const names = (leaf.subjectAltName ?? []).map(formatGeneralName).join(', ')
  const wrongName =
    reason === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `expected the name ${host}, found ${names}; ` : ''
  const atFault = chain.find((one) => nowMs < one.notBeforeMs || nowMs >= one.notAfterMs + 1000) ?? leaf
  const { subject, issuer, serialNumber, notBefore, notAfter } = atFault
  const name = subject.toString() === '' && atFault === leaf ? names : subject.toString()
  return (
    `${reason}: ${wrongName}${quoted(name)} (serial number ${serialNumber}, issued by ` +
    `${quoted(issuer.toString())}) is valid from ${notBefore.toISOString()} to ` +
    `${notAfter.toISOString()}; the clock says ${new Date(nowMs).toISOString()}`
  )
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 256))
}

/** The host of `host:port`, `[address]:port` or a host alone. */
function hostOf(path: string): string {
  const [, address, name] = /^(?:\[([^\]]+)\](?::\d+)?|([^:]+)(?::\d+)?)$/.exec(path) ?? []
  return address ?? name ?? path
}

/** A server may also send the names of many client roots. */
const maxHandshakeOctets = 128 * 1024
