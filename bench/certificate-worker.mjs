// The certificate worker from source: a thread does not inherit the loader of its process.

import './typescript.mjs'

await import('../src/adapters/workers/certificate-worker.ts')
