// Queues TLS handshakes: starts a few per turn of the event loop, and charges their time to their source.

import type { Clock } from '../../../runtime/index.ts'
import type { Connection } from './connection.ts'

/** The queue of one source, and the cost of its handshakes. */
interface Lane {
  readonly source: string
  /** The functions that start each handshake, in order. */
  readonly waiting: Map<Connection, () => void>
  /** Handshakes in which the server has sent its first flight: each may cost one more verification. */
  readonly answered: Map<Connection, number>
  /** Handshakes with an incomplete ClientHello. */
  readonly begun: Set<Connection>
  /** Milliseconds of the event loop spent on its handshakes, minus what has drained since `debtAt`. */
  debtMs: number
  debtAt: number
  /** Whether a timer will remove the lane when its debt has drained. */
  leaving: boolean
}

/**
 * Orders handshakes. The source with the least debt goes first. A source whose handshakes took more than two
 * seconds of the event loop waits until half of that time has passed. Node does not report the time of a
 * handshake, so the busy time of the loop since the last event recorded here is used.
 */
export class HandshakeLine {
  readonly #clock: Clock
  readonly #refuse: (unfinished: Connection) => void
  readonly #lanes = new Map<string, Lane>()
  /** Sources with queued handshakes. */
  readonly #waiting = new Set<Lane>()
  #mark = performance.eventLoopUtilization()
  #scheduled = false
  /** Ends the pause in which no source may start. */
  #stopPause: (() => void) | undefined

  /** @param refuse Destroys the socket of a handshake that takes a place for too long. */
  constructor(clock: Clock, refuse: (unfinished: Connection) => void) {
    this.#clock = clock
    this.#refuse = refuse
  }

  /** Runs `start` when it is the turn of the connection. */
  enter(connection: Connection, start: () => void): void {
    const lane = this.#laneOf(connection.source.address)
    this.#waiting.add(lane)
    lane.waiting.set(connection, () => {
      if (connection.socket.destroyed) return
      lane.begun.add(connection)
      const oldest = lane.begun.values().next().value
      if (lane.begun.size > maxBegun && oldest !== undefined) this.#refuse(oldest)
      start()
      // The ClientHello is read in the next tick; then it is known whether it was complete.
      setImmediate(() => {
        if (lane.begun.has(connection) && connection.socket.bytesWritten > 0) {
          lane.begun.delete(connection)
          lane.answered.set(connection, this.#clock.monotonic())
        }
      })
    })
    this.#schedule()
  }

  /** Records the time of an event other than a handshake, so that its work is not charged. */
  mark(): void {
    this.#mark = performance.eventLoopUtilization()
  }

  /** The handshake is complete or has failed: its time is charged to the source. */
  completed(connection: Connection): void {
    const { active } = performance.eventLoopUtilization(this.#mark)
    this.mark()
    const lane = this.#laneOf(connection.source.address)
    this.#drain(lane)
    lane.debtMs += active
    this.ended(connection)
  }

  /** The handshake has ended, successfully or not. */
  ended(connection: Connection): void {
    const lane = this.#lanes.get(connection.source.address)
    if (lane === undefined) return
    lane.answered.delete(connection)
    lane.begun.delete(connection)
    lane.waiting.delete(connection)
    if (lane.waiting.size === 0) this.#waiting.delete(lane)
    if (lane.waiting.size > 0) this.#schedule()
    else this.#forget(lane)
  }

  #laneOf(source: string): Lane {
    let lane = this.#lanes.get(source)
    if (lane === undefined) {
      const debtAt = this.#clock.monotonic()
      lane = {
        source,
        waiting: new Map(),
        answered: new Map(),
        begun: new Set(),
        debtMs: 0,
        debtAt,
        leaving: false,
      }
      this.#lanes.set(source, lane)
    }
    return lane
  }

  #schedule(): void {
    this.#stopPause?.() // a source without debt does not wait for sources with debt
    this.#stopPause = undefined
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#next)
  }

  readonly #next = (): void => {
    this.mark()
    this.#stopPause = undefined
    this.#scheduled = true // also for requests made meanwhile
    for (let count = 0; count < startsPerTurn; count++) {
      const lane = this.#cheapest()
      if (lane === undefined) break
      this.#start(lane)
    }
    this.#scheduled = this.#waiting.size > 0 && this.#cheapest() !== undefined
    if (this.#scheduled) setImmediate(this.#next)
    else if (this.#waiting.size > 0) {
      // Every source must wait. setImmediate would run in a busy loop.
      this.#stopPause = this.#clock.schedule(this.#next, pauseMs)
    }
  }

  #start(lane: Lane): void {
    const first = lane.waiting.entries().next().value
    if (first === undefined) return
    const [connection, start] = first
    lane.waiting.delete(connection)
    if (lane.waiting.size === 0) this.#waiting.delete(lane)
    start()
  }

  /** The lane whose turn it is; undefined if none may start. */
  #cheapest(): Lane | undefined {
    let best: Lane | undefined
    for (const lane of this.#waiting) {
      this.#drain(lane)
      if (lane.debtMs > maxDebtMs || !this.#hasRoom(lane)) continue
      if (best === undefined || lane.debtMs < best.debtMs) best = lane
    }
    return best
  }

  /** At the limit, a handshake that its client leaves unfinished releases its place after a second. */
  #hasRoom(lane: Lane): boolean {
    const oldest = lane.answered.entries().next().value
    if (lane.answered.size < maxAnswered || oldest === undefined) return true
    const [connection, since] = oldest
    if (this.#clock.monotonic() - since < unfinishedMs) return false
    lane.answered.delete(connection)
    this.#refuse(connection)
    return true
  }

  #drain(lane: Lane): void {
    const now = this.#clock.monotonic()
    lane.debtMs = Math.max(0, lane.debtMs - (now - lane.debtAt) * drainShare)
    lane.debtAt = now
  }

  /** Debt is kept after the connection ends; otherwise a source could clear it by reconnecting. */
  #forget(lane: Lane): void {
    if (lane.answered.size > 0 || lane.begun.size > 0 || lane.waiting.size > 0 || lane.leaving) return
    if (lane.debtMs === 0 || this.#lanes.size > maxLanes) {
      this.#lanes.delete(lane.source)
      return
    }
    lane.leaving = true
    const drained = (): void => {
      lane.leaving = false
      this.#drain(lane)
      this.#forget(lane)
    }
    this.#clock.schedule(drained, lane.debtMs / drainShare + 1)
  }
}

const startsPerTurn = 4
const pauseMs = 20
const maxDebtMs = 2_000
const drainShare = 0.5
const maxAnswered = 64
const maxBegun = 64
const unfinishedMs = 1_000
const maxLanes = 4_096
