// Says in one line at the end of a run what was not tested: folders outside the run, and tests that were
// skipped.

import { readdirSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Reporter } from 'vitest/node'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The part of vitest's `TestModule` that this reporter reads. */
interface RunModule {
  readonly moduleId: string
  readonly children: { allTests(state?: 'skipped'): Iterable<unknown> }
}

/** Prints `describeLeftOut` after the summary of the run. */
export class LeftOutReporter implements Reporter {
  onTestRunEnd(modules: readonly RunModule[]): void {
    const run = modules.map(({ moduleId, children }) => ({
      file: relative(root, moduleId),
      skipped: [...children.allTests('skipped')].length,
    }))
    console.log(describeLeftOut(run, testFolders()))
  }
}

/** One line: the folders of `folders` without a file in the run, then the files with skipped tests. */
function describeLeftOut(
  run: readonly { readonly file: string; readonly skipped: number }[],
  folders: readonly string[],
): string {
  const absent = folders.filter((folder) => !run.some(({ file }) => file.startsWith(`${folder}/`)))
  const skipped = run.filter((one) => one.skipped > 0).map((one) => `${one.file} (${one.skipped})`)
  const parts = [
    ...(absent.length > 0 ? [`not in this run: ${absent.join(', ')}`] : []),
    ...(skipped.length > 0 ? [`skipped tests: ${skipped.join(', ')}`] : []),
  ]
  return `Left out: ${parts.length > 0 ? parts.join('; ') : 'nothing'}`
}

/** Every folder directly below `test` that holds test files. */
function testFolders(): string[] {
  const files = readdirSync(`${root}/test`, { recursive: true, encoding: 'utf8' })
  const folders = files.filter((file) => file.endsWith('.test.ts')).map((file) => file.split(/[\\/]/)[0])
  return [...new Set(folders)].sort().map((folder) => `test/${folder ?? ''}`)
}
