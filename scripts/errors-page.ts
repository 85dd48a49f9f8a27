// Brings docs/errors.md in step with the catalogue: sections and meanings from the code, the advice from the
// page.

import { readFileSync, writeFileSync } from 'node:fs'
import { errorCodes } from '../src/errors/internal.ts'
import { readArguments } from './command-line.ts'

// Before anything is written.
readArguments(
  { options: {} },
  'Usage: npx tsx scripts/errors-page.ts     writes docs/errors.md anew from src/errors/error-codes.ts',
)

const catalogue = new URL('../src/errors/error-codes.ts', import.meta.url)
const page = new URL('../docs/errors.md', import.meta.url)
const noAdvice = 'Read the message: it says what was found and what was expected.'

const advice = new Map<string, string>()
const text = readFileSync(page, 'utf8')
for (const [, code, what] of text.matchAll(/^\| `(ERR_[A-Z0-9_]+)` \| .*? \| (.+) \|$/gm))
  advice.set(code!, what!)

const lines: string[] = []
const plain: string[] = []
for (const line of readFileSync(catalogue, 'utf8').split('\n')) {
  const section = /^ {2}\/\/ (.+)$/.exec(line)?.[1]
  if (section !== undefined)
    lines.push('', `## ${section}`, '', '| code | meaning | what to do |', '|---|---|---|')
  const code = /^ {2}(ERR_[A-Z0-9_]+):/.exec(line)?.[1]
  if (code === undefined) continue
  const what = advice.get(code) ?? noAdvice
  if (what === noAdvice) plain.push(code)
  lines.push(`| \`${code}\` | ${errorCodes[code as keyof typeof errorCodes]} | ${what} |`)
}
const start = text.indexOf('\n## ')
writeFileSync(page, `${(start < 0 ? text : text.slice(0, start)).trimEnd()}\n${lines.join('\n')}\n`)
console.log(
  `docs/errors.md: ` +
    `${Object.keys(errorCodes).length} codes; without advice of their own: ${plain.join(' ') || 'none'}`,
)
