// Every corpus that the runner knows.

import type { CorpusLoader } from '../corpus.ts'
import { loadBetterTls, loadLimbo } from './limbo.ts'
import { loadParser } from './parser.ts'
import { loadPkits } from './pkits.ts'
import { loadSpiffeIds } from './spiffe-ids.ts'
import { loadSvids } from './svids.ts'
import { loadWycheproof } from './wycheproof.ts'

export const loaders: readonly CorpusLoader[] = [
  loadLimbo,
  loadBetterTls,
  loadPkits,
  loadSvids,
  loadSpiffeIds,
  loadWycheproof,
  loadParser,
]
