// A limit on work that runs at one time, with three priorities.

/**
 * In ascending order of priority: renewals, identities that will be needed, identities that a caller waits
 * for.
 */
export const priorities = ['background', 'warmup', 'realtime'] as const

export type Priority = (typeof priorities)[number]

interface Waiting {
  readonly start: () => void
  started: boolean
  priority: number
}

/** A waiting task, whose priority may increase. */
export interface Turn<T> {
  readonly result: Promise<T>
  raise(priority: Priority): void
}

/**
 * Runs at most `maxConcurrent` tasks at a time; of the waiting tasks, the one with the highest priority
 * first, then the oldest.
 */
export class PriorityGate {
  readonly #maxConcurrent: number
  readonly #waiting: Waiting[][] = priorities.map(() => [])
  #running = 0

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent
  }

  /** The number of running tasks, at most `maxConcurrent`. */
  get running(): number {
    return this.#running
  }

  run<T>(priority: Priority, work: () => Promise<T>): Turn<T> {
    let entry: Waiting | undefined
    const result = new Promise<T>((resolve, reject) => {
      entry = {
        started: false,
        priority: priorities.indexOf(priority),
        start: () => {
          work()
            .then(resolve, reject)
            .finally(() => {
              this.#running--
              this.#next()
            })
        },
      }
      this.#waiting[entry.priority]?.push(entry)
    })
    this.#next()
    return {
      result,
      raise: (to) => {
        const wanted = priorities.indexOf(to)
        if (entry === undefined || entry.started || entry.priority >= wanted) return
        entry.priority = wanted
        // Its earlier entry in the queue of the lower priority is skipped.
        this.#waiting[wanted]?.push(entry)
      },
    }
  }

  #next(): void {
    while (this.#running < this.#maxConcurrent) {
      const entry = this.#take()
      if (entry === undefined) return
      entry.started = true
      this.#running++
      entry.start()
    }
  }

  #take(): Waiting | undefined {
    for (let level = priorities.length - 1; level >= 0; level--) {
      const line = this.#waiting[level] as Waiting[]
      for (let entry = line.shift(); entry !== undefined; entry = line.shift())
        if (!entry.started && entry.priority === level) return entry
    }
    return undefined
  }
}
