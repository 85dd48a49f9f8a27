// Loads one module in a child process and lists every module, native library and global that came with it.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a child process held after it had imported a module and nothing else. */
export interface LoadedModules {
  /** Addresses of every ES module and CommonJS file that was loaded, the runner's own left out. */
  readonly urls: readonly string[]
  /** Native add-ons (`*.node`) in the process. */
  readonly native: readonly string[]
  /** Names of globals that were not there before. */
  readonly globals: readonly string[]
}

/** Imports `entry` (a path from the project root) in a fresh process and says what was loaded. */
export function listImports(entry: string): LoadedModules {
  const url = new URL(`../../${entry}`, import.meta.url).href
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', childCode, url],
    { encoding: 'utf8', cwd: fileURLToPath(new URL('../..', import.meta.url)), maxBuffer: 64 * 1024 * 1024 },
  )
  if (status !== 0) throw new Error(`importing ${entry} failed: ${stderr}`)
  const line = stdout.split('\n').find((text) => text.startsWith(marker))
  if (line === undefined) throw new Error(`importing ${entry} printed no list: ${stdout}`)
  return JSON.parse(line.slice(marker.length)) as LoadedModules
}

const marker = 'LOADED:'

// The hook runs on its own thread and writes each address that is resolved into a shared port.
const hookCode = `
let port
export function initialize(data) { port = data.port }
export async function resolve(specifier, context, next) {
  const result = await next(specifier, context)
  port.postMessage(result.url)
  return result
}`

const childCode =
  `
import { createRequire, register } from 'node:module'
import { MessageChannel } from 'node:worker_threads'
const require = createRequire(import.meta.url)
const { port1, port2 } = new MessageChannel()
const urls = new Set()
register('data:text/javascript,' + ` +
  `encodeURIComponent(${JSON.stringify(hookCode)}), { data: { port: port2 }, transferList: [port2] })
port1.on('message', (url) => urls.add(url))
const cjsBefore = new Set(Object.keys(require.cache))
const nativeBefore = new Set(process.report.getReport().sharedObjects)
const globalsBefore = new Set(Object.getOwnPropertyNames(globalThis))
const reflectBefore = new Set(Object.getOwnPropertyNames(Reflect))
await import(process.argv[1])
await new Promise((resolve) => setImmediate(resolve))
port1.close()
for (const file of Object.keys(require.cache)) if (!cjsBefore.has(file)) urls.add(file)
const native = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node') && ` +
  `!nativeBefore.has(file))
const globals = Object.getOwnPropertyNames(globalThis).filter((name) => !globalsBefore.has(name))
  .concat(Object.getOwnPropertyNames(Reflect).filter((name) => !reflectBefore.has(name)).map((name) ` +
  `=> 'Reflect.' + name))
console.log(${JSON.stringify(marker)} + JSON.stringify({ urls: [...urls], native, globals }))
process.exit(0)`
