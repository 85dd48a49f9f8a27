// One line of the bench: our way, and the ways of others to do the same, measured in turns in one run.

import type { MeasureOptions, MeasuredRow } from './measure.ts'

type Work = () => unknown

/** What every row has. */
interface RowFace {
  /** `area/what`, as in `issue/p256`. */
  readonly name: string
  /**
   * A bar: the least ratio against a peer. It stands below what is measured today by a margin for machines
   * that others use too; a ratio below it is a regression, and the run fails.
   */
  readonly bars?: Readonly<Record<string, number>>
  /** A limit: the largest value of an extra figure, with the same meaning. */
  readonly limits?: Readonly<Record<string, number>>
  /** What the project wants of a ratio (at least) or an extra figure (at most); it may not be reached yet. */
  readonly goals?: Readonly<Record<string, number>>
}

/** A row of functions in this process, measured by their time on the wall. */
export interface BenchRow extends RowFace {
  readonly ours: Work
  /**
   * By name: `node:crypto`, `@peculiar/x509`, `Map`, …; each does the work of `ours`, or the part that its
   * name says.
   */
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
}

/** A row that measures itself, such as one over processes. */
export interface SelfMeasuredRow extends RowFace {
  measure(options: MeasureOptions): Promise<MeasuredRow>
}
