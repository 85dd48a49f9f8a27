// The figures as people read them.

import type { MeasuredRow } from './measure.ts'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

type AnyRow = BenchRow | SelfMeasuredRow

/** One line a row: the median, each ratio, and how a ratio stands to its bar and its goal. */
export function formatRow(row: AnyRow, measured: MeasuredRow): string {
  const ratios = Object.entries(measured.ratios).map(
    ([name, ratio]) =>
      `${formatRatio(ratio)} × ${name}` +
      verdict([
        standing('bar', row.bars?.[name], (bar) => ratio >= bar, 'MISSED'),
        standing('goal', row.goals?.[name], (goal) => ratio >= goal, 'not reached'),
      ]),
  )
  const extra = Object.entries(measured.extra ?? {}).map(
    ([name, value]) =>
      `${name} ${formatFigure(value)}` +
      verdict([
        standing('limit', row.limits?.[name], (limit) => value <= limit, 'MISSED'),
        standing('goal', row.goals?.[name], (goal) => value <= goal, 'not reached'),
      ]),
  )
  return [
    `${measured.name.padEnd(28)} ${formatFigure(measured.medianUs).padStart(10)} µs`,
    ...ratios,
    ...extra,
  ].join('   ')
}

/** Names of the bars and limits that a measured row misses. */
export function missedBars(row: AnyRow, measured: MeasuredRow): string[] {
  const bars = Object.entries(row.bars ?? {}).filter(([name, bar]) => !((measured.ratios[name] ?? 0) >= bar))
  const limits = Object.entries(row.limits ?? {}).filter(
    ([name, limit]) => !((measured.extra?.[name] ?? Infinity) <= limit),
  )
  return [...bars, ...limits].map(([name]) => `${row.name} against ${name}`)
}

/** Goals that a measured row does not reach. */
export function missedGoals(row: AnyRow, { ratios, extra }: MeasuredRow): string[] {
  return Object.entries(row.goals ?? {}).flatMap(([name, goal]) => {
    const ratio = ratios[name]
    const isReached = ratio === undefined ? (extra?.[name] ?? Infinity) <= goal : ratio >= goal
    return isReached ? [] : [`${row.name} against ${name} (${rounded(goal)})`]
  })
}

function standing(
  what: 'bar' | 'limit' | 'goal',
  value: number | undefined,
  isKept: (value: number) => boolean,
  otherwise: string,
): string | undefined {
  if (value === undefined) return undefined
  return `${what} ${rounded(value)}: ${isKept(value) ? (what === 'goal' ? 'reached' : 'held') : otherwise}`
}

function verdict(standings: readonly (string | undefined)[]): string {
  const given = standings.filter((one) => one !== undefined)
  return given.length === 0 ? '' : ` (${given.join('; ')})`
}

function formatRatio(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)
}

function formatFigure(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** Some goals are quotients. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
