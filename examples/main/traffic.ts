// Steady requests, and what became of them.

import { Agent, get } from 'node:http'

/** Requests that go on until they are stopped. */
export interface Traffic extends AsyncDisposable {
  readonly answered: number
  readonly failed: number
  readonly lastAnswer: string
  /** Waits for so many more answers. */
  more(count: number): Promise<void>
  /** Waits until a request is refused. */
  untilRefused(): Promise<void>
  /** Waits until a request is answered. */
  untilServed(): Promise<void>
  /** One line for the console. */
  summary(): string
}

/**
 * One request after another to this URL, 50 ms apart, from the first answer on: before it an Envoy may still
 * wait for its secrets.
 */
export async function startTraffic(url: string): Promise<Traffic> {
  let [answered, failed, lastAnswer, isOver] = [0, 0, '', false]
  // Each request has its own connection to the first Envoy too.
  const agent = new Agent({ keepAlive: false })
  for (let attempt = 0; (await ask(url, agent)) === undefined; attempt++) {
    if (attempt === 300) throw new Error(`nothing answers at ${url}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const listeners = new Set<(isAnswered: boolean) => void>()
  const running = (async () => {
    while (!isOver) {
      const answer = await ask(url, agent)
      if (answer === undefined) failed++
      else {
        answered++
        lastAnswer = answer
      }
      for (const listener of [...listeners]) listener(answer !== undefined)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  const until = (isReached: (isAnswered: boolean) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const tooLate = setTimeout(
        () => reject(new Error('the traffic did not become what was expected')),
        60_000,
      )
      const listener = (isAnswered: boolean): void => {
        if (!isReached(isAnswered)) return
        listeners.delete(listener)
        clearTimeout(tooLate)
        resolve()
      }
      listeners.add(listener)
    })
  return {
    get answered() {
      return answered
    },
    get failed() {
      return failed
    },
    get lastAnswer() {
      return lastAnswer
    },
    more: (count) => {
      const wanted = answered + count
      return until(() => answered >= wanted)
    },
    untilRefused: () => until((isAnswered) => !isAnswered),
    untilServed: () => until((isAnswered) => isAnswered),
    summary: () => `requests so far: ${answered} answered, ${failed} failed`,
    [Symbol.asyncDispose]: async () => {
      isOver = true
      await running
    },
  }
}

/** The body of an answer with the status 200; undefined for anything else. */
function ask(url: string, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent, timeout: 5_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve(response.statusCode === 200 ? text : undefined))
      response.on('error', () => resolve(undefined))
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
  })
}
