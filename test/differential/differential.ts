// Runs the cases past every opinion and sorts the disagreements.

import { abstains, explain } from './explanations.ts'
import type { Explanation } from './explanations.ts'
import { generateCases } from './generate.ts'
import { goJudge } from './go-opinion.ts'
import { opensslJudge } from './openssl-opinion.ts'
import type { Case, Judge, Opinion, Question } from './opinion.ts'
import { ourJudge } from './our-opinion.ts'
import { fixedPki } from './pki.ts'

/**
 * Who disagrees: `looser` means that we accept what they refuse, `stricter` that we refuse what they accept.
 */
export interface Disagreement {
  readonly who: 'openssl' | 'go'
  readonly direction: 'looser' | 'stricter'
  readonly question: Question
  /** The reason of the one that refuses. */
  readonly reason: string
}

export interface Finding extends Disagreement {
  readonly run: number
  readonly der: string
}

export interface DifferentialReport {
  readonly runs: number
  readonly opinions: readonly string[]
  /** By question: cases, accepted by us, accepted by each other opinion. */
  readonly tally: Readonly<Record<string, Record<string, number>>>
  readonly explained: ReadonlyMap<Explanation, number>
  /** Disagreements that no clause explains; the first of each kind in full. */
  readonly unexplained: readonly Finding[]
  /**
   * Cases that we accept and every other opinion refuses, where there are two beside ours; with one, what it
   * refuses is explained or not.
   */
  readonly alone: readonly Finding[]
}

interface OthersOpinion extends Opinion {
  readonly who: Disagreement['who']
}

/** The same cases for the same seed. */
export async function runDifferential(
  runs: number,
  seed: number,
  onProgress?: (done: number) => void,
): Promise<DifferentialReport> {
  const pki = await fixedPki()
  const go = goJudge(pki)
  const ours = ourJudge(pki)
  const others: [Disagreement['who'], Judge][] = [
    ['openssl', opensslJudge(pki)],
    ...(go === undefined ? [] : [['go', go.judge] as [Disagreement['who'], Judge]]),
  ]
  const tally: Record<string, Record<string, number>> = {}
  const explained = new Map<Explanation, number>()
  const unexplained: Finding[] = []
  const alone: Finding[] = []
  const count = (question: string, what: string): void => {
    const row = (tally[question] ??= {})
    row[what] = (row[what] ?? 0) + 1
  }
  const compare = ({ question, der }: Case, run: number, mine: Opinion, theirs: OthersOpinion[]): void => {
    const { accepted } = mine
    const finding = (who: Disagreement['who'], reason: string): Finding => ({
      who,
      direction: accepted ? 'looser' : 'stricter',
      question,
      reason,
      run,
      der: Buffer.from(der).toString('base64'),
    })
    count(question, 'cases')
    if (accepted) count(question, 'ours')
    for (const opinion of theirs) {
      if (opinion.accepted) count(question, opinion.who)
      if (opinion.accepted === accepted) continue
      const found = finding(opinion.who, accepted ? opinion.reason : mine.reason)
      const explanation = explain(found)
      if (explanation === undefined) unexplained.push(found)
      else explained.set(explanation, (explained.get(explanation) ?? 0) + 1)
    }
    const voices = theirs.filter(({ reason }) => !abstains(reason))
    if (accepted && voices.length > 1 && voices.every((opinion) => !opinion.accepted))
      alone.push(finding('openssl', theirs.map(({ who, reason }) => `${who}: ${reason}`).join(' | ')))
  }
  try {
    const source = generateCases(pki, seed)
    for (let done = 0; done < runs;) {
      const cases: Case[] = []
      while (cases.length < Math.min(batch, runs - done)) cases.push((await source.next()).value)
      const mine = ours(cases)
      const theirs = others.map(([who, judge]) => ({ who, opinions: judge(cases) }))
      for (const [at, found] of cases.entries())
        compare(
          found,
          done + at,
          mine[at]!,
          theirs.map(({ who, opinions }) => ({ who, ...opinions[at]! })),
        )
      done += cases.length
      onProgress?.(done)
    }
  } finally {
    go?.close()
  }
  return { runs, opinions: others.map(([who]) => who), tally, explained, unexplained, alone }
}

const batch = 2000
