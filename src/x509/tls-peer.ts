// The certificates that the peer of a TLS connection sent.

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { PkiError } from '../errors/index.ts'
import { nameOf } from '../internal/options.ts'
import { Certificate } from './certificate/certificate.ts'

/**
 * The peer's certificates, leaf first; empty if it sent none. `node:tls` links each certificate to its
 * issuer, a self-signed one to itself, and may add issuers from its own trust store.
 *
 * @param limit Maximum number of certificates to read.
 * @throws as `Certificate.parse`, for a certificate that OpenSSL accepts and strict DER forbids
 */
export function peerCertificates(socket: Pick<TLSSocket, 'getPeerCertificate'>, limit = 11): Certificate[] {
  if (typeof (Object(socket) as Partial<TLSSocket>).getPeerCertificate !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `peerCertificates: expected a TLSSocket, found ${nameOf(socket)}`,
    )
  const chain: Certificate[] = []
  let current: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (current?.raw !== undefined && chain.length < limit) {
    chain.push(Certificate.parse(new Uint8Array(current.raw)))
    const issuer: Partial<DetailedPeerCertificate> | undefined = current.issuerCertificate
    current = issuer === current ? undefined : issuer
  }
  return chain
}
