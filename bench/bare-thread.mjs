// `bare-thread.ts` from source: a thread does not inherit the loader of its process.

import './typescript.mjs'

await import('./bare-thread.ts')
