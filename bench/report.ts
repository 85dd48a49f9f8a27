// The figures as people read them.

import type { MeasuredRow } from './measure.ts'
import type { BenchRow } from './row.ts'

/** One line a row: the median, each ratio, and how a ratio stands to its bar. */
export function formatRow(row: BenchRow, measured: MeasuredRow): string {
  const ratios = Object.entries(measured.ratios).map(([name, ratio]) => {
    const bar = row.bars?.[name]
    const verdict = bar === undefined ? '' : ` (bar ${bar}: ${ratio >= bar ? 'held' : 'MISSED'})`
    return `${formatRatio(ratio)} × ${name}${verdict}`
  })
  const extra = Object.entries(measured.extra ?? {}).map(([name, value]) => `${name} ${formatFigure(value)}`)
  return [
    `${measured.name.padEnd(28)} ${formatFigure(measured.medianUs).padStart(10)} µs`,
    ...ratios,
    ...extra,
  ].join('   ')
}

/** Names of the bars that a measured row misses. */
export function missedBars(row: BenchRow, measured: MeasuredRow): string[] {
  return Object.entries(row.bars ?? {})
    .filter(([name, bar]) => !((measured.ratios[name] ?? 0) >= bar))
    .map(([name]) => name)
}

function formatRatio(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)
}

function formatFigure(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
