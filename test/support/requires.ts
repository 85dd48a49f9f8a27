// What a test needs from the machine beyond Node: present, skipped with one clear line, or, in CI, a failure.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/** A tool or library that a test may ask for. */
export type RequiredTool = 'openssl' | 'go' | 'softhsm' | 'pkcs11js' | 'strace'

/**
 * Whether `tool` is on this machine, for `describe.skipIf(!requires('go'))`.
 * If not: prints one line, or throws when `SPIFFE_PKI_REQUIRE_ALL=1`, so that nothing is skipped in CI.
 */
export function requires(tool: RequiredTool): boolean {
  let present = answers.get(tool)
  if (present === undefined) {
    present = probes[tool]()
    answers.set(tool, present)
    if (!present && process.env['SPIFFE_PKI_REQUIRE_ALL'] !== '1')
      console.log(`skipped: ${tool} is not installed (${hints[tool]})`)
  }
  if (!present && process.env['SPIFFE_PKI_REQUIRE_ALL'] === '1') {
    throw new Error(`SPIFFE_PKI_REQUIRE_ALL=1 and ${tool} is not installed (${hints[tool]})`)
  }
  return present
}

/** Path of SoftHSM's PKCS#11 module; undefined where it is not installed. */
function softhsmModule(): string | undefined {
  return [process.env['SOFTHSM2_MODULE'], ...softhsmModules].find(
    (path) => path !== undefined && existsSync(path),
  )
}

const answers = new Map<RequiredTool, boolean>()

const softhsmModules = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]

const runs = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

const probes: Record<RequiredTool, () => boolean> = {
  openssl: () => runs('openssl', 'version'),
  go: () => runs('go', 'version'),
  strace: () => runs('strace', '-V'),
  softhsm: () => softhsmModule() !== undefined && runs('softhsm2-util', '--version') && requires('pkcs11js'),
  pkcs11js: () => {
    try {
      createRequire(import.meta.url)('pkcs11js')
      return true
    } catch {
      return false
    }
  },
}

const hints: Record<RequiredTool, string> = {
  openssl: 'apt-get install openssl',
  go: 'apt-get install golang-go',
  strace: 'apt-get install strace',
  softhsm: 'apt-get install softhsm2',
  pkcs11js: 'npm rebuild pkcs11js',
}
