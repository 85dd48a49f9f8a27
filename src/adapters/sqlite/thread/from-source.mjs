// The thread of a SQLite store where the package runs from its sources: Node 20 does not read TypeScript, and
// a thread does not inherit the loader of its process.

import { register } from 'tsx/esm/api'

register()
await import('./sqlite-worker.ts')
