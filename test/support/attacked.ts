// The server that the attack tests attack, in a process of its own, and a good caller beside the strangers.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createCertificateClient } from '../../src/adapters/grpc/index.ts'
import { newRequest } from './pki.ts'

/** What a test may ask of the server's process. */
export type Command = 'reset' | 'stall' | 'stats' | 'release'

/** A running server. */
export class AttackedServer implements Disposable {
  readonly port: number
  readonly tokenPort: number
  /** Of `listenGrpc`. */
  readonly meshPort: number
  readonly #root: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, { port, tokenPort, meshPort, root }: Started) {
    this.#child = child
    this.port = port
    this.tokenPort = tokenPort
    this.meshPort = meshPort
    this.#root = root
  }

  /** Starts it, and makes calls first: what is made once is made before anything is measured. */
  static async start(calls: number): Promise<AttackedServer> {
    const child = fork(join(import.meta.dirname, '../attack/attacked-server.ts'), {
      execArgv: ['--import', 'tsx', '--expose-gc'],
    })
    const [started] = (await once(child, 'message')) as [Started]
    const server = new AttackedServer(child, started)
    await server.goodCaller(calls)
    return server
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async ask<Answer>(command: Command): Promise<Answer> {
    const answer = once(this.#child, 'message')
    this.#child.send(command)
    return ((await answer) as [Answer])[0]
  }

  /** The longest that the event loop was busy since `reset`, in milliseconds of CPU time. */
  async stallMs(): Promise<number> {
    return (await this.ask<{ readonly stallMs: number }>('stall')).stallMs
  }

  /** Calls one after the other, each on a connection of its own; how many got a certificate. */
  async goodCaller(calls: number): Promise<number> {
    const { request } = await newRequest()
    let served = 0
    for (let count = 0; count < calls; count++) {
      await using client = await createCertificateClient({
        address: `localhost:${this.port}`,
        tls: () => ({ roots: this.#root }),
        headers: { 'x-caller': 'good' },
        retry: { attempts: 1 },
      })
      await client.createCertificate(request).then(
        () => served++,
        () => undefined,
      )
    }
    return served
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}

interface Started {
  readonly port: number
  readonly tokenPort: number
  readonly meshPort: number
  readonly root: string
}
