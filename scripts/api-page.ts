// Writes docs/api.md from the docstrings: every public name with one line.

import { writeFileSync } from 'node:fs'
import { readArguments } from './command-line.ts'
import { apiPage, publicNames } from './public-names.ts'

readArguments(
  { options: {} },
  'Usage: npx tsx scripts/api-page.ts     writes docs/api.md from the docstrings',
)

writeFileSync(new URL('../docs/api.md', import.meta.url), apiPage())
const subpaths = [...publicNames()]
for (const [subpath, names] of subpaths) console.log(`${String(names.length).padStart(4)}  ${subpath}`)
const all = new Set(subpaths.flatMap(([, names]) => names.map(({ name }) => name)))
console.log(`docs/api.md: ${all.size} public names`)
