// What the commands of this repository share: a mistake gets plain words, the usage and exit code 2, never a
// stack.

import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'

/** The arguments, or the end of the process. `--help` shows the usage. */
export function readArguments<Config extends ParseArgsConfig>(
  config: Config,
  usage: string,
): ReturnType<typeof parseArgs<Config>> {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    return giveUp(
      plainWords((error as Error & { readonly code?: string }).code, (error as Error).message),
      usage,
    )
  }
}

/**
 * What the platform says of an argument, without its advice on arguments that only begin with a dash, which
 * none here may.
 */
function plainWords(code: string | undefined, message: string): string {
  const [firstSentence = 'Wrong arguments'] = message.split(/[.\n]\s?/)
  const option = /'(?:-\w, )?(--[\w-]+)[ =<>\w]*'/.exec(firstSentence)?.[1]
  return code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' &&
    option !== undefined &&
    /ambiguous|missing/.test(message)
    ? `${option} has no value after it; give it one`
    : firstSentence
}

/** Says what is wrong and what to do, and ends the process. */
export function giveUp(problem: string, usage: string): never {
  console.error(`${problem}\n\n${usage}`)
  process.exit(2)
}

/** A whole number from `least`, or the end of the process. */
export function readCount(name: string, text: string, least: number, usage: string): number {
  const count = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(count) && count >= least
    ? count
    : giveUp(`--${name} ${text}: expected a whole number from ${least}`, usage)
}

/** Asked before the work that the report is about: whether it can be written at all. */
export function checkReportFile(path: string | undefined, usage: string): void {
  if (path === undefined) return
  const folder = dirname(resolve(path))
  if (!existsSync(folder))
    giveUp(`--json ${path}: there is no folder ${folder}; make it first, or name a file elsewhere`, usage)
  if (existsSync(path) && statSync(path).isDirectory())
    giveUp(`--json ${path}: this is a folder; name a file in it`, usage)
  try {
    accessSync(existsSync(path) ? path : folder, constants.W_OK)
  } catch {
    giveUp(`--json ${path}: it may not be written; name a file elsewhere`, usage)
  }
}

/** Writes a report, if one is wanted. */
export function writeReport(path: string | undefined, report: unknown): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`)
}
