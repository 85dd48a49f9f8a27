// The part of `pg` that is used, and a pool of it, which is loaded on first use.

import type { ConnectionOptions } from 'node:tls'
import type { Row } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'

/** The part of a connection of `pg` that is used. @inline */
export interface PostgresClient {
  query(config: {
    readonly name?: string
    readonly text: string
    readonly values?: unknown[]
    readonly types?: { getTypeParser(oid: number, format?: string): (value: string) => unknown }
  }): Promise<{ readonly rows: readonly Row[]; readonly command: string }>
  /** `true` closes the connection instead of returning it to the pool. */
  release(destroy?: boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'notice', listener: (notice: { readonly code?: string | undefined }) => void): unknown
}

/** The part of a pool of `pg` that is used: a `pg.Pool` has it. @inline */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: PostgresClient) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'connect', listener: (client: PostgresClient) => void): unknown
}

/**
 * The address of the server; absent members come from the environment variables of libpq, such as PGHOST.
 * @inline
 */
export interface PostgresConnection {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly user?: string | undefined
  /** A function is called for each connection, so that a password can change. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /**
   * Options of TLS; `true` verifies the server against the roots of Node. Default: without TLS. A key with
   * the value undefined is refused.
   */
  readonly ssl?: boolean | ConnectionOptions
}

/** Refuses an unknown key, since a misspelt `ssl` would mean no TLS. @throws ERR_INVALID_ARGUMENT */
export function readConnection(
  connection: string | PostgresConnection | undefined,
): string | PostgresConnection | undefined {
  if (connection === undefined || typeof connection === 'string') return connection
  return readOptions('connection', connection, {
    host: 'optional',
    port: 'optional',
    database: 'optional',
    user: 'optional',
    password: 'optional',
    ssl: 'guard',
  })
}

/** A pool of `pg`. @throws ERR_PEER_NOT_INSTALLED */
export async function createPool(
  connection: string | PostgresConnection | undefined,
  maxConnections: number,
  connectTimeoutMs: number,
): Promise<PostgresPool> {
  const { Pool } = await loadPg()
  const where = typeof connection === 'string' ? { connectionString: connection } : { ...(connection ?? {}) }
  return new Pool({
    ...where,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // Idle connections do not keep the process alive.
    allowExitOnIdle: true,
  })
}

interface PgModule {
  readonly Pool: new (options: Readonly<Record<string, unknown>>) => PostgresPool
}

async function loadPg(): Promise<PgModule> {
  try {
    const module = (await import('pg')) as unknown as PgModule & { readonly default?: PgModule }
    return module.default ?? module
  } catch (cause) {
    throw new PkiError('ERR_PEER_NOT_INSTALLED', 'PostgreSQL needs the package pg: npm install pg', { cause })
  }
}
