// Each source file, test, script and example begins with one sentence that says what it is about.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The text of the first comment, without its tags; empty where the file begins with something else. */
function headerOf(text: string): string {
  const [lines = ''] = /^(?:(?:\/\/|#).*(?:\n|$))+/.exec(text.replace(/^#!.*\n/, '')) ?? []
  const [, block = lines] = /^\/\*\*?([^]*?)\*\//.exec(text) ?? []
  const prose = block.replace(/^[^\S\n]*(?:\/\/|#|\*)[^\S\n]?/gm, '').replace(/\n@module [^]*$/, '')
  return prose.replace(/\s+/g, ' ').trim()
}

/** A sentence ends with a full stop, a question mark or an exclamation mark, not with an abbreviation. */
function sentencesOf(text: string): readonly string[] {
  return text.split(/(?<!\b(?:e\.g|i\.e|cf|vs|etc|approx|no|sec|fig)\.)(?<=[.?!]["”)`]?) /i).filter(Boolean)
}

function isOneSentence(header: string): boolean {
  return sentencesOf(header).length === 1 && /[.?!]["”)`]?$/.test(header)
}

describe('a header is one sentence', () => {
  it.each([
    '// Writes `ca.pem` and `key.pem`, e.g. for nginx (RFC 5280, 4.2.1.13; X.509 v3, Node.js 22.13).\ncode',
    '// Two lines\n// of one sentence.\n\n// Another comment. It has two sentences.\n',
    '#!/usr/bin/env node\n// After the line of the interpreter.\n',
    '# One of Python.\n',
    '/** A face. */\nexport {}',
    '/**\n * A face.\n *\n * @module spiffe-pki/x\n */\n',
  ])('%j', (text) => expect(isOneSentence(headerOf(text))).toBe(true))

  it.each([
    '// One. Two.\n',
    '// A question? an answer.\n',
    '// `one`. `two`.\n',
    '// Without an end\n',
    '// A list:\n// - one\n',
    '/**\n * One. Two.\n *\n * @module spiffe-pki/x\n */\n',
    "import { one } from './one.ts'\n",
    '',
  ])('not %j', (text) => expect(isOneSentence(headerOf(text))).toBe(false))
})

it.each(['src', 'test', 'bench', 'scripts', 'examples'])('every file of %s has such a header', (folder) => {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    // Generated files, and what tools install beside a program.
    .filter((file) => /\.(?:ts|mjs|go|py)$/.test(file) && !/(?:^|\/)(?:gen|node_modules)\//.test(file))
  expect(files.length).toBeGreaterThan(5)
  const headers = files.map(
    (file) => [file, headerOf(readFileSync(join(root, folder, file), 'utf8'))] as const,
  )
  expect(headers.filter(([, header]) => !isOneSentence(header))).toEqual([])
})
