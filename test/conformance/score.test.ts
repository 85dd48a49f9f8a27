// The runner itself: what counts as what, and data that is not as expected.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PkiError } from '../../src/errors/index.ts'
import type { CorpusCase } from './corpus.ts'
import { loaders } from './corpora/index.ts'
import { missedBars, score } from './score.ts'

const refuse = (): never => {
  throw new PkiError('ERR_DER', 'no')
}
const crash = (): never => {
  throw new TypeError('undefined is not a function')
}

it('counts false accepts, false rejects, unsupported cases and crashes apart', async () => {
  const cases: CorpusCase[] = [
    { id: 'a', expected: 'accept', run: () => true },
    { id: 'b', expected: 'accept', run: refuse },
    { id: 'c', expected: 'reject', run: () => true },
    { id: 'd', expected: 'reject', run: refuse },
    { id: 'e', expected: 'either', run: () => false },
    { id: 'f', expected: 'either', run: crash },
    { id: 'g', expected: 'reject', run: crash },
    { id: 'h', expected: 'accept', run: () => 'unsupported' },
  ]
  const corpus = { name: 'x', bar: 1, cases }
  const result = await score(corpus)
  expect(result).toMatchObject({
    name: 'x',
    total: 8,
    scored: 7,
    correct: 3,
    falseAccepts: ['c'],
    falseRejects: ['b'],
    unsupported: 1,
    crashes: ['f', 'g'],
  })
  expect(missedBars(corpus, result).length).toBe(3)
  expect(missedBars({ ...corpus, cases: [] }, await score({ ...corpus, cases: [] }))).toEqual([])
})

it('survives folders, files and cases that it does not know', async () => {
  const data = mkdtempSync(join(tmpdir(), 'corpora-'))
  try {
    const files: Record<string, string> = {
      'limbo/a.json': '{',
      'limbo/b.json': 'null',
      'limbo/c.json': JSON.stringify({ testcases: [{ id: 'x', expected_result: 'FAILURE', novel: 1 }] }),
      'pkits/d.json': JSON.stringify({ cases: [{ id: 'y', expected: 'reject' }] }),
      'parser/e.json': JSON.stringify({ cases: [{ id: 'z', kind: 'novel', expect: 'may-accept', der: '' }] }),
      'wycheproof/f.json': JSON.stringify({
        testGroups: [{ type: 'Novel', tests: [{ tcId: 1, result: 'valid' }] }],
      }),
      'unknown/g.json': '[]',
    }
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(data, path, '..'), { recursive: true })
      writeFileSync(join(data, path), text)
    }
    const results = await Promise.all(
      loaders
        .flatMap((load) => load(data))
        .filter(({ cases }) => cases.length > 0)
        .map(score),
    )
    expect(results.map(({ name, total }) => [name, total])).toEqual([
      ['limbo', 1],
      ['pkits', 1],
      ['wycheproof', 1],
      ['parser', 1],
    ])
    expect(results.flatMap(({ falseAccepts }) => falseAccepts)).toEqual([])
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
})
