// docs/api.md lists every public name with one line, and the package has no more of them than it may.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { apiPage, publicNames } from '../../scripts/public-names.ts'

const subpaths = [...publicNames()]

it('docs/api.md lists what is exported and nothing else; npx tsx scripts/api-page.ts writes it', () => {
  expect(readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')).toBe(apiPage())
})

it.each(subpaths)('%s: every public name has a docstring', (_subpath, names) => {
  expect(names.length).toBeGreaterThan(0)
  expect(names.filter(({ summary }) => summary === '').map(({ name }) => name)).toEqual([])
})

// The limit for 1.0 is 250. Types of options are not exported: CONTRIBUTING.md says what is.
it('has at most 250 public names over all subpaths', () => {
  const names = new Set(subpaths.flatMap(([, all]) => all.map(({ name }) => name)))
  expect(names.size).toBeLessThanOrEqual(250)
})
