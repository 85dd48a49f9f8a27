// Builds dist, anew.

import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeBundles, writeDeclarations } from './bundle-package.ts'
import { readArguments } from './command-line.ts'

readArguments({ options: {} }, 'Usage: npm run build     writes dist anew')

const dist = fileURLToPath(new URL('../dist', import.meta.url))
rmSync(dist, { recursive: true, force: true })
if (!writeDeclarations(dist)) process.exit(1)
for (const fault of await writeBundles(dist)) {
  console.error(`build: dist/${fault}`)
  process.exitCode = 1
}
