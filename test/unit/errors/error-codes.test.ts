// The catalogue of codes: held against docs/errors.md both ways, and against the tests.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { errorCodes } from '../../../src/errors/internal.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const codes = Object.keys(errorCodes)

describe('errorCodes', () => {
  test.each(Object.entries(errorCodes))('%s is a code with a meaning', (code, meaning) => {
    expect(code).toMatch(/^ERR_[A-Z0-9]+(_[A-Z0-9]+)*$/)
    expect(meaning).toMatch(/^[A-Z].*[.]$/)
  })

  test('docs/errors.md has each code once, with the meaning of the catalogue, and no other', () => {
    const rows = readFileSync(join(root, 'docs/errors.md'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const row = /^\| `(ERR_[A-Z0-9_]+)` \| (.*?) \| (.+) \|$/.exec(line)
        return row === null ? [] : [[row[1], row[2]]]
      })
    expect(rows.map(([code]) => code).toSorted()).toEqual(codes.toSorted())
    const noAdvice = 'Read the message: it says what was found and what was wanted.'
    expect(
      readFileSync(join(root, 'docs/errors.md'), 'utf8')
        .split('\n')
        .filter((line) => line.includes(noAdvice)),
      'codes without advice',
    ).toEqual([])
    for (const [code, meaning] of rows)
      expect(meaning, code).toBe(errorCodes[code as keyof typeof errorCodes])
  })

  test('each code is used by the sources', () => {
    expect(unmentioned(['src'], /(?<!errors\/error-codes)\.ts$/)).toEqual([])
  })

  test('each code is asserted by a test', () => {
    expect(
      unmentioned(['test'], /\.test\.ts$/, (text) =>
        text.replace(/\/\/ .*$/gm, '').replace(/new PkiError\('\w+'/g, ''),
      ),
    ).toEqual([])
  })
})

/** The codes that no such file of these folders names, in the part of its text that counts. */
function unmentioned(
  folders: readonly string[],
  files: RegExp,
  part = (text: string): string => text,
): string[] {
  const found = new Set<string>()
  for (const folder of folders) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const path = `${folder}/${file.replaceAll('\\', '/')}`
      if (!files.test(path)) continue
      for (const [code] of part(readFileSync(join(root, path), 'utf8')).matchAll(/ERR_[A-Z0-9_]+/g))
        found.add(code)
    }
  }
  return codes.filter((code) => !found.has(code))
}
