// Runs a corpus and counts: false accepts first, as they are what matters.

import { isPkiError } from '../../src/errors/index.ts'
import type { Corpus, CorpusCase } from './corpus.ts'

/** The figures of one corpus, in the form that `--json` writes. */
export interface CorpusResult {
  readonly name: string
  readonly total: number
  readonly scored: number
  readonly correct: number
  readonly falseAccepts: readonly string[]
  readonly falseRejects: readonly string[]
  readonly unsupported: number
  readonly crashes: readonly string[]
  readonly slowest: { readonly id: string; readonly ms: number }
}

/** Slower is a defect of its own: a hang. */
const slowestAllowedMs = 1000

/** Runs every case, one after the other. */
export async function score(corpus: Corpus): Promise<CorpusResult> {
  const falseAccepts: string[] = []
  const falseRejects: string[] = []
  const crashes: string[] = []
  let unsupported = 0
  let correct = 0
  let slowest = { id: '', ms: 0 }
  for (const each of corpus.cases) {
    const started = performance.now()
    const outcome = await outcomeOf(each)
    const ms = performance.now() - started
    if (ms > slowest.ms) slowest = { id: each.id, ms: Math.round(ms * 10) / 10 }
    if (outcome === 'unsupported') unsupported++
    else if (outcome === 'crash' || ms > slowestAllowedMs) crashes.push(each.id)
    else if (each.expected === 'either' || outcome === each.expected) correct++
    else if (outcome === 'accept') falseAccepts.push(each.id)
    else falseRejects.push(each.id)
  }
  const total = corpus.cases.length
  return {
    name: corpus.name,
    total,
    scored: total - unsupported,
    correct,
    falseAccepts,
    falseRejects,
    unsupported,
    crashes,
    slowest,
  }
}

/** What keeps a corpus below its bar; empty = the bar is met. */
export function missedBars(corpus: Corpus, result: CorpusResult): string[] {
  const missed = []
  if (result.falseAccepts.length > 0) missed.push(`${result.falseAccepts.length} false accepts`)
  if (result.crashes.length > 0) missed.push(`${result.crashes.length} crashes`)
  if (result.correct < corpus.bar * result.scored) {
    missed.push(
      `${((100 * result.correct) / result.scored).toFixed(2)} % correct, ` +
        `${(100 * corpus.bar).toFixed(0)} % wanted`,
    )
  }
  return missed
}

/** A documented error is a rejection; any other is a crash. */
async function outcomeOf(each: CorpusCase): Promise<'accept' | 'reject' | 'unsupported' | 'crash'> {
  try {
    const outcome = await each.run()
    return outcome === 'unsupported' ? outcome : outcome ? 'accept' : 'reject'
  } catch (error) {
    return isPkiError(error) && error.code !== 'ERR_INTERNAL' ? 'reject' : 'crash'
  }
}
