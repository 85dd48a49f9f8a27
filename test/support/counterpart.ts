// Programs that stand at the other end: their first line of output is JSON that says where they are, and they
// end with their standard input.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A running program. Disposing of it ends it. */
export interface Counterpart<Facts> extends AsyncDisposable {
  /** What its first line says. */
  readonly facts: Facts
}

/** @throws where it ends before it says where it is, with what it wrote */
export async function startCounterpart<Facts>(
  binary: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Counterpart<Facts>> {
  const child = spawn(binary, [...args], { stdio: 'pipe', env: { ...process.env, ...env } })
  let log = ''
  child.stderr.on('data', (part) => (log = (log + String(part)).slice(-8192)))
  const exit = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const ended = exit.then(([code]) => {
    throw new Error(`${binary} ended with ${String(code)}: ${log}`)
  })
  // Its end is expected later.
  ended.catch(() => undefined)
  const [first] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  return {
    facts: JSON.parse(first) as Facts,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await exit
    },
  }
}
