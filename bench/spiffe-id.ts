// spiffe-id/parse: the grammar against `new URL`, which is what people use in its place.

import { SpiffeId } from '../src/spiffe/index.ts'
import type { BenchRow } from './row.ts'

const text = 'spiffe://example.org/ns/production/sa/payments-api'
const count = 1000
/** What is read goes here, so that reading it cannot be left out. */
export let sink = 0

export const rows: readonly BenchRow[] = [
  {
    name: 'spiffe-id/parse',
    operations: count,
    ours: () => {
      for (let i = 0; i < count; i++) sink += SpiffeId.parse(text).path.length
    },
    peers: {
      URL: () => {
        for (let i = 0; i < count; i++) sink += new URL(text).pathname.length
      },
    },
  },
]
