// A PostgreSQL server for tests: a cluster of its own in a temporary folder, behind a Unix socket.

import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { postgresBinary } from './requires.ts'

/** A running server. */
export interface PostgresServer {
  /** The directory of its socket: `host` of a connection. */
  readonly host: string
  /** Where a storage connects to: everybody is the superuser `postgres`. */
  readonly connection: {
    readonly host: string
    readonly user: string
    readonly database: string
  }
  /** Has statements done by the superuser, in a session of their own. */
  sql(text: string, ...values: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** A name of a schema that nothing else uses. */
  newSchema(): string
  /** Stops it at once, as a crash would, and starts it again. */
  crash(): Promise<void>
  stop(): Promise<void>
}

/** Makes a cluster and starts it. The caller asks `requires('postgres')` first. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'pg-'))
  const [asOwner, owner] = unprivileged()
  if (owner !== undefined) chownSync(folder, owner, owner)
  chmodSync(folder, 0o755)
  const data = join(folder, 'data')
  const made = spawnSync(...command(asOwner, 'initdb', ['-D', data, '-U', 'postgres', ...initOptions]), {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`)
  const given = Object.entries({ ...serverSettings, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const launch = async (): Promise<ChildProcess> => {
    const [path, args] = command(asOwner, 'postgres', ['-D', data, '-k', folder, ...given])
    const started = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    await ready(started)
    return started
  }
  let server = await launch()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    server.kill(signal)
    await once(server, 'exit')
  }
  const killed = (): void => void server.kill('SIGQUIT')
  process.once('exit', killed)
  return {
    host: folder,
    connection: { host: folder, user: 'postgres', database: 'postgres' },
    async sql(text, ...values) {
      const client = new pg.Client({ host: folder, user: 'postgres', database: 'postgres' })
      await client.connect()
      try {
        return (await client.query(text, [...values])).rows as Readonly<Record<string, unknown>>[]
      } finally {
        await client.end()
      }
    },
    newSchema: () => `t_${randomBytes(8).toString('hex')}`,
    async crash() {
      await end('SIGQUIT')
      server = await launch()
    },
    async stop() {
      process.off('exit', killed)
      await end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL refuses to run as root: as root it runs as the user `postgres`, or as nobody. */
function unprivileged(): readonly [prefix: readonly string[], owner: number | undefined] {
  if (process.getuid?.() !== 0) return [[], undefined]
  const found = Number(spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' }).stdout)
  const owner = Number.isInteger(found) && found > 0 ? found : 65534
  return [['setpriv', `--reuid=${owner}`, `--regid=${owner}`, '--clear-groups'], owner]
}

function command(prefix: readonly string[], program: string, args: readonly string[]): [string, string[]] {
  const [path = '', ...rest] = [...prefix, postgresBinary(program) ?? program, ...args]
  return [path, rest]
}

async function ready(server: ChildProcess): Promise<void> {
  const said: string[] = []
  for await (const line of createInterface({ input: server.stderr as NodeJS.ReadableStream })) {
    said.push(line)
    if (!line.includes('database system is ready to accept connections')) continue
    // The log goes on; nobody reads it.
    ;(server.stderr as NodeJS.ReadableStream).resume()
    return
  }
  throw new Error(`postgres did not start: ${said.slice(-10).join('\n')}`)
}

const initOptions = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
const serverSettings = {
  listen_addresses: '',
  max_connections: '60',
  log_min_messages: 'log',
  shared_buffers: '32MB',
}
