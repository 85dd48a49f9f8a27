// A real Vault or OpenBao for tests: in memory, with two CAs, roles, and an AppRole.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startCounterpart } from './counterpart.ts'

type Body = Readonly<Record<string, unknown>>

/** What Vault answers to its administrator. */
interface Answered {
  readonly status: number
  /** `data` or `auth` of the answer. */
  readonly data: Record<string, unknown>
}

/** A running Vault. */
export interface VaultServer extends AsyncDisposable {
  readonly address: string
  readonly appRole: { readonly roleId: string; readonly secretId: string }
  /** As its administrator. @throws where the answer is no success */
  admin(method: 'GET' | 'POST' | 'LIST', path: string, body?: Body): Promise<Answered['data']>
  /** A token that may what the AppRole may. */
  newToken(options?: Body): Promise<string>
  /** How it was before: every call is refused until `unseal`. */
  seal(): Promise<void>
  unseal(): Promise<void>
}

/** Where it is, and what opens it. */
interface Facts {
  readonly address: string
  readonly rootToken: string
  readonly unsealKey: string
}

/** The program of `test/interop/vault`. */
export async function startVault(binary: string): Promise<VaultServer> {
  const program = await startCounterpart<Facts>(binary)
  return withCas(program.facts, async () => program[Symbol.asyncDispose]())
}

/**
 * @param folder For its configuration.
 * @param tls Files for a second listener, which takes TLS.
 */
export async function startOpenBao(
  binary: string,
  folder: string,
  tls?: { readonly port: number; readonly certificateFile: string; readonly keyFile: string },
): Promise<VaultServer> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const file = join(folder, 'openbao.hcl')
  const listen = (at: number, rest: string): string =>
    `listener "tcp" {\n  address = "127.0.0.1:${at}"\n${rest}}\n`
  const listeners = [listen(port, '  tls_disable = true\n')]
  if (tls !== undefined) {
    const { certificateFile, keyFile } = tls
    const files = `  tls_cert_file = "${certificateFile}"\n  tls_key_file = "${keyFile}"\n`
    listeners.push(listen(tls.port, files))
  }
  writeFileSync(file, `storage "inmem" {}\n${listeners.join('')}api_addr = "${address}"\n`)
  const child = spawn(binary, ['server', `-config=${file}`, '-log-level=error'], { stdio: 'ignore' })
  const exit = once(child, 'exit')
  while (!(await isListening(address)) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 100))
  const init = { secret_shares: 1, secret_threshold: 1 }
  const opened = await post(`${address}/v1/sys/init`, init)
  const unsealKey = (opened['keys'] as readonly string[])[0] as string
  await post(`${address}/v1/sys/unseal`, { key: unsealKey })
  const facts = { address, rootToken: String(opened['root_token']), unsealKey }
  return withCas(facts, async () => {
    child.kill()
    await exit
  })
}

async function isListening(address: string): Promise<boolean> {
  try {
    await fetch(`${address}/v1/sys/health`)
    return true
  } catch {
    return false
  }
}

async function post(url: string, body: Body): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  return (await response.json()) as Record<string, unknown>
}

/** A port that was free a moment ago: it does not say which one it took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/**
 * `pki` is a root, `pki_int` an intermediate below it; the role `workload` of both signs for
 * `spiffe://example.org/*`.
 */
async function withCas(facts: Facts, close: () => Promise<void>): Promise<VaultServer> {
  const { address, rootToken, unsealKey } = facts
  const admin: VaultServer['admin'] = async (method, path, body) => {
    const response = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': rootToken, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    const { data, auth } = (text === '' ? {} : JSON.parse(text)) as Record<string, never>
    return data ?? auth ?? {}
  }
  // After an unseal it takes a moment until it serves.
  const isServing = async (): Promise<boolean> => (await fetch(`${address}/v1/sys/health`)).status === 200
  const serve = async (): Promise<void> => {
    while (!(await isServing())) await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await serve()
  await setUp(admin)
  const { role_id: roleId } = await admin('GET', 'auth/approle/role/ca/role-id')
  const { secret_id: secretId } = await admin('POST', 'auth/approle/role/ca/secret-id', {})
  return {
    address,
    appRole: { roleId: String(roleId), secretId: String(secretId) },
    admin,
    async newToken(options = {}) {
      const token = await admin('POST', 'auth/token/create', { policies: ['ca'], ttl: '1h', ...options })
      return String(token['client_token'])
    },
    async seal() {
      await admin('POST', 'sys/seal')
    },
    async unseal() {
      await admin('POST', 'sys/unseal', { key: unsealKey })
      await serve()
    },
    [Symbol.asyncDispose]: close,
  }
}

async function setUp(admin: VaultServer['admin']): Promise<void> {
  for (const mount of ['pki', 'pki_int'])
    await admin('POST', `sys/mounts/${mount}`, { type: 'pki', config: { max_lease_ttl: '87600h' } })
  await admin('POST', 'pki/root/generate/internal', {
    common_name: 'Vault root',
    ttl: '87600h',
    key_type: 'ec',
    issuer_name: 'first',
  })
  const { csr } = await admin('POST', 'pki_int/intermediate/generate/internal', {
    common_name: 'Vault intermediate',
    key_type: 'rsa',
    key_bits: 2048,
  })
  const signed = await admin('POST', 'pki/root/sign-intermediate', { csr, ttl: '43800h' })
  // The intermediate and the root: its chain has both.
  await admin('POST', 'pki_int/intermediate/set-signed', {
    certificate: `${String(signed['certificate'])}\n${String(signed['issuing_ca'])}`,
  })
  for (const mount of ['pki', 'pki_int']) await addRoles(admin, mount)
  await admin('POST', 'sys/policies/acl/ca', { policy: rules })
  await admin('POST', 'sys/auth/approle', { type: 'approle' })
  await admin('POST', 'auth/approle/role/ca', { token_policies: ['ca'], token_ttl: '1h' })
}

async function addRoles(admin: VaultServer['admin'], mount: string): Promise<void> {
  // As docs/guides/rotation.md has it.
  const ofTheGuide = {
    allowed_uri_sans: ['spiffe://example.org/*'],
    key_type: 'any',
    max_ttl: '24h',
    require_cn: false,
    use_csr_common_name: false,
    use_csr_sans: false,
  }
  await admin('POST', `${mount}/roles/of-the-guide`, ofTheGuide)
  const role = { ...ofTheGuide, allowed_domains: ['web.example'], allow_bare_domains: true }
  await admin('POST', `${mount}/roles/workload`, role)
  await admin('POST', `${mount}/roles/servers`, { ...role, client_flag: false })
  await admin('POST', `${mount}/roles/of-the-request`, { ...role, use_csr_sans: true })
  await admin('POST', `${mount}/roles/rsa`, { ...role, key_type: 'rsa' })
}

const rules = ['pki', 'pki_int']
  .flatMap((mount) => [
    `path "${mount}/root/sign-intermediate" { capabilities = ["update"] }`,
    `path "${mount}/issuer/+/sign-intermediate" { capabilities = ["update"] }`,
    `path "${mount}/cert/ca_chain" { capabilities = ["read"] }`,
    `path "${mount}/issuer/+" { capabilities = ["read"] }`,
    ...['of-the-guide', 'workload', 'servers', 'of-the-request', 'rsa', 'unknown'].map(
      (role) => `path "${mount}/sign/${role}" { capabilities = ["update"] }`,
    ),
  ])
  .join('\n')
