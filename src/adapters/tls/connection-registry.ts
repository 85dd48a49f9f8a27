// The open TLS connections of one identity, so that they can be closed after a revocation.

import type { TLSSocket } from 'node:tls'
import type { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { Certificate, SerialNumber } from '../../x509/index.ts'

/** The verified peer of a connection. @inline */
export interface TlsPeerIdentity {
  readonly id: SpiffeId
  /** The presented chain, leaf first. */
  readonly chain: readonly Certificate[]
}

/** A connection whose peer was accepted. @inline */
export interface LiveConnection {
  readonly socket: TLSSocket
  readonly peer: TlsPeerIdentity
  /** The reason why the peer is no longer accepted; undefined while it is accepted. */
  recheck(): PkiError | undefined
  /** Destroys the socket with this reason. */
  close(reason: PkiError): void
}

/** Selects connections; every given field must match. @inline */
export interface ConnectionFilter {
  readonly id?: SpiffeId | string
  readonly serialNumber?: SerialNumber
  /** The key identifier of the issuer of the peer's certificate, in hexadecimal. */
  readonly issuerKeyIdentifier?: string
}

/** Live connections by peer. */
export class ConnectionRegistry implements Iterable<LiveConnection> {
  readonly #connections = new Map<TLSSocket, LiveConnection>()

  /** The number of open connections. */
  get size(): number {
    return this.#connections.size
  }

  /** The current connections. */
  [Symbol.iterator](): Iterator<LiveConnection> {
    return [...this.#connections.values()][Symbol.iterator]()
  }

  /**
   * Closes the connections that match and returns how many.
   * @throws ERR_SPIFFE_ID_INVALID, ERR_INVALID_ARGUMENT
   */
  close(filter: ConnectionFilter, reason: PkiError): number {
    const matches = matcherOf(filter)
    const found = [...this].filter(({ peer }) => matches(peer))
    for (const connection of found) connection.close(reason)
    return found.length
  }

  /** Closes every connection. */
  closeAll(reason: PkiError): void {
    for (const connection of this) connection.close(reason)
  }

  /** Registers a connection until its socket closes. */
  add(connection: LiveConnection): void {
    this.#connections.set(connection.socket, connection)
    connection.socket.on('close', () => {
      this.#connections.delete(connection.socket)
    })
  }
}

function matcherOf(filter: ConnectionFilter): (peer: TlsPeerIdentity) => boolean {
  // A field that is undefined by mistake would match every connection.
  const { serialNumber, issuerKeyIdentifier, ...read } = readOptions('connections.close', filter, filterKinds)
  const id = read.id === undefined ? undefined : SpiffeId.from(read.id)
  return ({ id: found, chain: [leaf] }) =>
    (id === undefined || found.equals(id)) &&
    (serialNumber === undefined || leaf?.serialNumber === serialNumber) &&
    (issuerKeyIdentifier === undefined || issuerOf(leaf) === issuerKeyIdentifier.toLowerCase())
}

function issuerOf(leaf: Certificate | undefined): string | undefined {
  const keyIdentifier = leaf?.authorityKeyIdentifier?.keyIdentifier
  return keyIdentifier === undefined ? undefined : Buffer.from(keyIdentifier).toString('hex')
}

const filterKinds: OptionKinds<ConnectionFilter> = {
  id: 'guard',
  serialNumber: 'guard',
  issuerKeyIdentifier: 'guard',
}
