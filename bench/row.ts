// One line of the bench: our way, and the ways of others to do the same, measured in turns in one run.

type Work = () => unknown

/** What is measured. */
export interface BenchRow {
  /** `area/what`, as in `issue/p256`. */
  readonly name: string
  readonly ours: Work
  /** By name: `node:crypto`, `@peculiar/x509`, `Map`, …; each does the same work as `ours`, or the part of it that its name says. */
  readonly peers: Readonly<Record<string, Work>>
  /** Work units in one call of `ours` and of every peer; medians are per unit. Default 1. */
  readonly operations?: number
  /** Multiplies a peer's time, where it ran a smaller input because the whole takes too long. */
  readonly scale?: Readonly<Record<string, number>>
  /** Before the row is measured; makes the inputs. */
  readonly setup?: () => Promise<void>
  readonly teardown?: () => Promise<void>
  /** Further figures, printed under the row: bytes per entry, event-loop lag, … */
  readonly extra?: () => Promise<Readonly<Record<string, number>>>
  /** A bar: the ratio against a peer that the project holds itself to. */
  readonly bars?: Readonly<Record<string, number>>
}
