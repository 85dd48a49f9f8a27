// `bare-thread.ts` from source: a thread does not inherit the loader of its
// process, so it registers one of its own.

import { register } from 'tsx/esm/api'

register()
await import('./bare-thread.ts')
