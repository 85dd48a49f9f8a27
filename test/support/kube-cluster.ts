// A real kube-apiserver on loopback with its etcd, without kubelet and controllers: what is created in it is
// created by the test.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { createGuardedFetcher } from '../../src/runtime/index.ts'
import type { GuardedFetcher } from '../../src/runtime/index.ts'
import { freePort } from './free-port.ts'

/** A running etcd, for any number of clusters. */
export interface Etcd extends AsyncDisposable {
  readonly url: string
}

/** What a test reads of an API object. */
interface KubeObject {
  readonly metadata?: { readonly name: string; readonly uid: string }
  readonly status?: { readonly token?: string }
  readonly message?: string
}

/** A running API server. */
export interface KubeCluster extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`. */
  readonly server: string
  /** Signs its service account tokens. */
  readonly privateKey: KeyObject
  /** A request as administrator, or with this token; undefined for none. */
  request(method: string, path: string, body?: object, token?: string): Promise<KubeAnswer>
  /** Creates it as administrator. @throws if the server does not answer 201 */
  create(path: string, body: object): Promise<KubeObject>
  /** A TokenRequest for a service account, `NAMESPACE/NAME`; `spec` as in the API. */
  tokenOf(account: string, spec: object): Promise<string>
  /** Fetches from it with this token; without one as an anonymous caller. */
  fetcherWith(token?: string): GuardedFetcher
}

/** An answer of an API server. */
interface KubeAnswer {
  readonly status: number
  readonly body: KubeObject
}

/** Starts etcd with its data in `folder`. */
export async function startEtcd(binary: string, folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`
  const peer = `http://127.0.0.1:${await freePort()}`
  const child = run(binary, folder, 'etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
  ])
  return { url, [Symbol.asyncDispose]: () => child.stop() }
}

/** How a cluster differs from others. */
export interface KubeClusterOptions {
  /** Issuer of its tokens. Default: the URL of the server. */
  readonly issuer?: string
  /** Audiences of the API server itself. Default: the issuer. */
  readonly apiAudiences?: readonly string[]
}

/** Starts an API server with its files in `folder`, and waits until it is ready; for `beforeAll`. */
export async function startKubeCluster(
  binary: string,
  folder: string,
  etcd: Etcd,
  options: KubeClusterOptions = {},
): Promise<KubeCluster> {
  const port = await freePort()
  const server = `https://127.0.0.1:${port}`
  const { issuer = server, apiAudiences = [issuer] } = options
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [keyFile, publicFile] = [join(folder, 'accounts.pem'), join(folder, 'accounts.pub')]
  writeFileSync(publicFile, publicKey.export({ format: 'pem', type: 'spki' }))
  writeFileSync(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  const administrator = randomBytes(16).toString('hex')
  const tokens = join(folder, 'tokens.csv')
  writeFileSync(tokens, `${administrator},admin,1,system:masters\n`, { mode: 0o600 })
  const child = run(binary, folder, 'kube-apiserver', [
    `--etcd-servers=${etcd.url}`,
    `--etcd-prefix=/${port}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    '--endpoint-reconciler-type=none',
    `--cert-dir=${folder}`,
    `--service-account-issuer=${issuer}`,
    `--service-account-key-file=${publicFile}`,
    `--service-account-signing-key-file=${keyFile}`,
    `--api-audiences=${apiAudiences.join()}`,
    `--token-auth-file=${tokens}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.0.0.0/24',
    // A controller creates the account `default` of a namespace, and there is none.
    '--disable-admission-plugins=ServiceAccount',
  ])
  const cluster = new RunningCluster(server, privateKey, administrator, folder, child)
  try {
    await vi.waitFor(
      async () => {
        if (!child.hasStopped()) expect((await cluster.request('GET', '/readyz')).status).toBe(200)
      },
      { timeout: 300_000, interval: 200 },
    )
    child.throwIfStopped()
  } catch (error) {
    await child.stop()
    throw error
  }
  return cluster
}

class RunningCluster implements KubeCluster {
  readonly server: string
  readonly privateKey: KeyObject
  readonly #administrator: string
  readonly #certificate: string
  readonly #child: Running
  readonly #agent = new Agent({ keepAlive: true })

  constructor(server: string, privateKey: KeyObject, administrator: string, folder: string, child: Running) {
    this.server = server
    this.privateKey = privateKey
    this.#administrator = administrator
    // The server writes its self-signed certificate there at its start.
    this.#certificate = join(folder, 'apiserver.crt')
    this.#child = child
  }

  request(
    method: string,
    path: string,
    body?: object,
    token: string | undefined = this.#administrator,
  ): Promise<KubeAnswer> {
    return new Promise((resolve, reject) => {
      if (!existsSync(this.#certificate)) throw new Error(`${this.server} has no certificate yet`)
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const ca = readFileSync(this.#certificate)
      const sent = httpsRequest(`${this.server}${path}`, { method, headers, ca, agent: this.#agent })
      sent.on('response', (answer) => {
        let text = ''
        answer.on('data', (data) => (text += String(data)))
        answer.on('end', () => {
          const isJson = answer.headers['content-type']?.startsWith('application/json') === true
          const found = isJson ? (JSON.parse(text) as KubeObject) : {}
          resolve({ status: answer.statusCode ?? 0, body: found })
        })
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  async create(path: string, body: object): Promise<KubeObject> {
    const answer = await this.request('POST', path, body)
    if (answer.status === 201) return answer.body
    throw new Error(`POST ${path}: ${answer.status} ${answer.body.message ?? ''}`)
  }

  async tokenOf(account: string, spec: object): Promise<string> {
    const [namespace, name] = account.split('/')
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
    return (await this.create(path, { spec: { expirationSeconds: 600, ...spec } })).status!.token!
  }

  fetcherWith(token?: string): GuardedFetcher {
    return createGuardedFetcher({
      allowedNetworks: ['127.0.0.0/8'],
      caCertificates: readFileSync(this.#certificate, 'utf8'),
      bearerToken: () => token,
      timeoutMs: 60_000,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    await this.#child.stop()
  }
}

interface Running {
  stop(): Promise<void>
  hasStopped(): boolean
  /** With what the program wrote last. */
  throwIfStopped(): void
}

function run(binary: string, folder: string, name: string, flags: readonly string[]): Running {
  const child: ChildProcess = spawn(binary, flags, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr!.on('data', (text) => (errors = (errors + String(text)).slice(-4_000)))
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    stop: () => {
      child.kill('SIGKILL')
      return over
    },
    hasStopped: () => child.exitCode !== null,
    throwIfStopped: () => {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${errors}`)
    },
  }
}
