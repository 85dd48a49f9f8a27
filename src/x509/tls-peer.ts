// The certificates of the other end of a TLS connection, as it sent them.

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { Certificate } from './certificate.ts'

/**
 * The peer's certificates, leaf first; empty when it sent none. `node:tls` links each to its issuer, a self-signed one to itself, and may
 * add issuers of its own trust store.
 *
 * @param limit Certificates that are read at most.
 * @throws as `Certificate.parse`, for a certificate that OpenSSL reads and strict DER forbids
 */
export function peerCertificates(socket: TLSSocket, limit = 11): Certificate[] {
  const chain: Certificate[] = []
  let current: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (current?.raw !== undefined && chain.length < limit) {
    chain.push(Certificate.parse(new Uint8Array(current.raw)))
    const issuer: Partial<DetailedPeerCertificate> | undefined = current.issuerCertificate
    current = issuer === current ? undefined : issuer
  }
  return chain
}
