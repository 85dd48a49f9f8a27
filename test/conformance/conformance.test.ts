// Every corpus that is present, held to its bar.

import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { dataFolder } from './corpus.ts'
import { loaders } from './corpora/index.ts'
import { missedBars, score } from './score.ts'

const data = dataFolder()
const present = existsSync(data)
if (!present) console.warn(`skipped: conformance corpora, ${data} is absent`)
const corpora = present ? loaders.flatMap((load) => load(data)) : []

describe.skipIf(!present)('conformance', () => {
  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    '%s meets its bar',
    async (_name, corpus) => {
      const result = await score(corpus)
      expect(result.falseAccepts).toEqual([])
      expect(result.crashes).toEqual([])
      expect(missedBars(corpus, result)).toEqual([])
    },
  )
})
