// The layout of the sources: few files to a folder, few levels, files of one subject.

import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../src', import.meta.url))
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  // Generated files have folders by the packages of their protocols.
  .filter((file) => /\.(?:ts|mjs)$/.test(file) && !file.includes('/gen/'))
const lengths = new Map(
  files.map((file) => [file, readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length]),
)

it('no folder has more than 12 files', () => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  expect([...counts].filter(([, count]) => count > 12)).toEqual([])
})

it('no file is more than three folders deep', () => {
  expect(files.filter((file) => file.split('/').length > 4)).toEqual([])
})

it('no file has more than 300 lines, and half of them at most 120', () => {
  expect([...lengths].filter(([, length]) => length > 300)).toEqual([])
  const sorted = [...lengths.values()].sort((a, b) => a - b)
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(120)
})
