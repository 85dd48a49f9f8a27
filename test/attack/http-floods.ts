// Floods of an HTTP server and what they do: its event loop, and the callers beside them.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Calls } from './http-callers.ts'
import type { Flood } from './http-flooder.ts'

/** What was measured during a flood. */
export interface Flooded {
  /** The longest that the event loop of the server was busy without a turn, in milliseconds of CPU time. */
  readonly stallMs: number
  /** The same of the clock: other processes take their part of it. */
  readonly delayMs: number
  /** CPU time of the server in all. */
  readonly cpuMs: number
  /** Of the good callers, those with an answer in time. */
  readonly share: number
  readonly slowestMs: number
}

interface Served {
  readonly port: number
  readonly ocsp: string
}

/** A server and its strangers; each of them is a process. */
export class Floods implements AsyncDisposable {
  readonly #server: ChildProcess
  readonly #served: Served
  readonly #callers: ChildProcess

  private constructor(server: ChildProcess, served: Served, callers: ChildProcess) {
    this.#server = server
    this.#served = served
    this.#callers = callers
  }

  static async open(): Promise<Floods> {
    const [server, callers] = [start('flooded-http-server.ts'), start('http-callers.ts')]
    const [served] = await Promise.all([message<Served>(server), message(callers)])
    const floods = new Floods(server, served, callers)
    await floods.#call({ localAddress: '127.0.0.2', count: 20 }) // what is made once is made before
    return floods
  }

  /** Floods the server for as long as `calls` callers at `localAddress` take, 25 ms each. */
  async measure(
    kind: Flood['kind'],
    connections: number,
    localAddress: string,
    calls: number,
    patienceMs = 1000,
  ): Promise<Flooded> {
    const flooder = start('http-flooder.ts')
    await message(flooder)
    await ask(this.#server, 'reset')
    await ask(flooder, { kind, connections, ...this.#served } satisfies Flood)
    const called = await this.#call({ localAddress, count: calls, patienceMs })
    const measured = await ask<Flooded>(this.#server, 'measure')
    flooder.kill('SIGKILL')
    await once(flooder, 'exit')
    await this.#call({ localAddress: '127.0.0.2', count: 20 })
    return { ...measured, ...called }
  }

  #call(calls: Partial<Calls>): Promise<Pick<Flooded, 'share' | 'slowestMs'>> {
    const { port, ocsp } = this.#served
    const paths = ['/crl', '/ready', `/ocsp/${encodeURIComponent(ocsp)}`, '/ca.cer']
    return ask(this.#callers, { patienceMs: 1000, ...calls, port, paths })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#server, this.#callers]) child.disconnect()
  }
}

function start(file: string): ChildProcess {
  return fork(join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] })
}

async function message<Message>(child: ChildProcess): Promise<Message> {
  return ((await once(child, 'message')) as [Message])[0]
}

function ask<Message>(child: ChildProcess, question: string | object): Promise<Message> {
  const answer = message<Message>(child)
  child.send(question)
  return answer
}

/** Kinds that Node's parser alone takes too long for are measured, and held to nothing. */
const all = 'lists,status,bodies,health,tiles,nothing,sixteen,single,reset,headers,pieces'

async function report(kinds = all, connections = '20,300', addresses = '127.0.0.2,127.0.0.1'): Promise<void> {
  await using floods = await Floods.open()
  for (const kind of kinds.split(','))
    for (const count of connections.split(','))
      for (const address of addresses.split(',')) {
        const flooded = await floods.measure(kind, Number(count), address, 120)
        const { share, ...times } = flooded
        const rounded = Object.entries(times).map(([name, ms]) => `${name} ${ms.toFixed(0)}`)
        console.log(kind, count, address, ...rounded, `served ${(share * 100).toFixed(1)} %`)
      }
}

// By hand: npx tsx test/attack/http-floods.ts [kind] [connections] [address of the callers]
if (process.argv[1] === import.meta.filename) await report(...process.argv.slice(2))
