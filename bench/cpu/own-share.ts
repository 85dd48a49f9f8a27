// The share of a CPU profile that is this package's own JavaScript.

import type { Profiler } from 'node:inspector/promises'

/** Samples in functions of `src/` over all samples in which the process was at work. */
export function ownShare(profile: Profiler.Profile): number {
  let own = 0
  let busy = 0
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    if (idleFrames.has(callFrame.functionName) && callFrame.url === '') continue
    busy += hitCount
    if (sourceFolder.test(callFrame.url)) own += hitCount
  }
  return busy === 0 ? NaN : own / busy
}

const idleFrames = new Set(['(idle)', '(root)'])
const sourceFolder = new RegExp(`^${new URL('../../src/', import.meta.url).href.replaceAll('.', '\\.')}`)
