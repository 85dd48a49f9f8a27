// Lines of tasks that begin a few in each turn of the event loop.

/**
 * Starts queued tasks by `setImmediate`, so that sockets are served in between. Keys take turns: no key waits
 * for all tasks of another key.
 */
export class FairLine {
  readonly #perTurn: number
  /** Tasks by key; the order of the map is the order of the keys' turns. */
  readonly #lanes = new Map<unknown, (() => void)[]>()
  #scheduled = false

  /** @param perTurn Tasks started in one turn of the event loop. */
  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** Resolves when it is the turn of this entry. */
  turn(key: unknown): Promise<void> {
    return new Promise((resolve) => {
      const lane = this.#lanes.get(key)
      if (lane === undefined) this.#lanes.set(key, [resolve])
      else lane.push(resolve)
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(this.#next)
    })
  }

  readonly #next = (): void => {
    for (let count = 0; count < this.#perTurn; count++) {
      const first = this.#lanes.entries().next().value
      if (first === undefined) break
      const [key, lane] = first
      this.#lanes.delete(key)
      lane.shift()?.()
      if (lane.length > 0) this.#lanes.set(key, lane)
    }
    this.#scheduled = this.#lanes.size > 0
    if (this.#scheduled) setImmediate(this.#next)
  }
}

/** Runs a few tasks at once in each turn of the event loop, and the rest by `setImmediate` in order. */
export class TurnLine {
  readonly #perTurn: number
  #waiting: (() => void)[] = []
  /** Tasks that may still run in this turn. */
  #left: number
  #scheduled = false

  /** @param perTurn Tasks run in one turn of the event loop. */
  constructor(perTurn: number) {
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  /** Runs the task now, or in a later turn after the waiting tasks. A task must not throw. */
  add(task: () => void): void {
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#next)
    }
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left--
      task()
    } else this.#waiting.push(task)
  }

  readonly #next = (): void => {
    const tasks = this.#waiting.splice(0, this.#perTurn)
    this.#left = this.#perTurn - tasks.length
    this.#scheduled = tasks.length > 0
    if (this.#scheduled) setImmediate(this.#next)
    for (const task of tasks) task()
  }
}
