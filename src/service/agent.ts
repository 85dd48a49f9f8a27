// An agent like istio-agent in one object: identities of a CA, kept current, for Envoy, SPIFFE clients,
// programs that read files, and this process.

import { createFileSink } from '../adapters/files/index.ts'
import { createSdsServer } from '../adapters/grpc/sds/index.ts'
import { createWorkloadApiServer } from '../adapters/grpc/workload-api/index.ts'
import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { abortable } from '../internal/turns/waiting.ts'
import { systemClock } from '../runtime/index.ts'
import { safeLogger } from '../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import { createCertificateChecker, createWorkloadSecrets, createX509Source } from '../secrets/index.ts'
import type { CaClient, X509Source } from '../secrets/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { JwtSvid, TrustBundleSet } from '../svid/index.ts'
import type { Crl } from '../x509/index.ts'

type CertificateChecker = ReturnType<typeof createCertificateChecker>
type WorkloadSecrets = ReturnType<typeof createWorkloadSecrets>
type X509SourceOptions = Parameters<typeof createX509Source>[0]
type SdsOptions = Parameters<typeof createSdsServer>[0]
type WorkloadApiOptions = Parameters<typeof createWorkloadApiServer>[0]
type SinkOptions = Parameters<typeof createFileSink>[0]
type CheckerOptions = Parameters<typeof createCertificateChecker>[0]
/** Options that the agent sets in each of its parts. @inline */
type Given = 'secrets' | 'workload' | 'source' | 'sources' | 'clock' | 'logger' | 'metrics'

/** Options of `createAgent`. @inline */
export interface AgentOptions {
  /** The CA that issues the certificates. Either this with `id`, or `source`, is required. */
  readonly ca?: CaClient
  /** The identity of the workload: a SPIFFE ID. */
  readonly id?: SpiffeId | string
  /** An identity that another component renews, such as `createFileSource`; the caller disposes of it. */
  readonly source?: X509Source
  /** Authorities of the own trust domain and of others. Default: the roots in the answers of the CA. */
  readonly bundles?: TrustBundleSet
  /** Returns the revocation lists for proxies and clients; called at each change and at `update`. */
  readonly crls?: (() => readonly Crl[]) | undefined
  /** Issues JWT-SVIDs for the Workload API. Default: none are issued. */
  readonly issueJwtSvid?:
    | ((id: SpiffeId, audience: readonly string[], signal: AbortSignal | undefined) => Promise<JwtSvid>)
    | undefined
  /** The algorithm of each new key. Default `P-256`. */
  readonly algorithm?: X509SourceOptions['algorithm']
  /** The validity to request, in seconds. Default: decided by the CA. */
  readonly ttlSeconds?: number | undefined
  /** When to renew. Default half of the validity ± 1 %. */
  readonly renewal?: X509SourceOptions['renewal']
  /** Serves secrets to Envoy: `address`, `socketMode` and the other options of `createSdsServer`. */
  readonly sds?: Omit<SdsOptions, Given | 'attestor'> | undefined
  /** Serves the SPIFFE Workload API: the options of `createWorkloadApiServer`. */
  readonly workloadApi?: Omit<WorkloadApiOptions, Given | 'attestor'> | undefined
  /** Writes certificate files: the options of `createFileSink`. */
  readonly output?: Omit<SinkOptions, Given> | undefined
  /** Checks the certificates: the options of `createCertificateChecker`. */
  readonly health?: Omit<CheckerOptions, Given> | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** A running agent. @inline */
export interface Agent extends AsyncDisposable {
  /** The identity, for `createTlsIdentity` in this process. */
  readonly source: X509Source
  /** All secrets by name, as the proxies get them. */
  readonly secrets: WorkloadSecrets
  /** The health of the certificates: `agent.health.check()`. */
  readonly health: CertificateChecker
  /** The address of the SDS server for Envoy; undefined without `sds`. */
  readonly sdsAddress: string | undefined
  /** The value of `SPIFFE_ENDPOINT_SOCKET`; undefined without `workloadApi`. */
  readonly workloadApiAddress: string | undefined
  /**
   * Resolves when the first SVID is available and the first files are written.
   *
   * @throws ERR_SECRET_FILES, ERR_ABORTED, ERR_CLOSED
   */
  ready(signal?: AbortSignal): Promise<void>
  /** Sends new revocation lists and bundles to all proxies and clients. */
  update(): void
}

const optionKinds: OptionKinds<AgentOptions> = {
  ca: 'guard',
  id: 'guard',
  source: 'guard',
  bundles: 'guard',
  crls: 'optional',
  issueJwtSvid: 'optional',
  algorithm: 'optional',
  ttlSeconds: 'optional',
  renewal: 'optional',
  sds: 'optional',
  workloadApi: 'optional',
  output: 'optional',
  health: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/**
 * Starts the agent of one workload. Its sockets are open when it resolves, before the CA has answered:
 * proxies and clients that connect earlier wait for the first SVID, so they can be started in any order.
 * While the CA is unreachable, the valid SVID is still served.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID, ERR_PEER_NOT_INSTALLED, ERR_SERVER_START
 * @example
 * ```ts
 * const sds = { address: 'unix:///run/mesh/sds.sock' }
 * await using agent = await createAgent({ ca, id: 'spiffe://example.org/ns/prod/sa/api', sds })
 * await agent.ready()
 * ```
 */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const read = readOptions('createAgent', options, optionKinds)
  const { bundles, crls, issueJwtSvid, sds, workloadApi, output } = read
  const { clock = systemClock, logger, metrics } = read
  const telemetry = { clock, logger, metrics }
  const owned = new AsyncStack()
  try {
    const source = read.source ?? owned.add(newSource(read))
    if (read.source !== undefined && (read.ca !== undefined || read.id !== undefined)) throw oneOfBoth()
    const ofBundles = bundles === undefined ? {} : { bundles }
    const secrets = owned.add(
      createWorkloadSecrets({ sources: [source], ...ofBundles, crls, issueJwtSvid, logger }),
    )
    const health = owned.add(
      createCertificateChecker({ ...read.health, sources: { default: source }, ...telemetry }),
    )
    const sdsServer = sds && owned.add(await createSdsServer({ ...sds, secrets, ...telemetry }))
    const api =
      workloadApi &&
      owned.add(await createWorkloadApiServer({ ...workloadApi, workload: secrets, ...telemetry }))
    const files = output && owned.add(new LateFiles(source, { ...output, clock, logger }))
    return Object.freeze({
      ...{ source, secrets, health },
      sdsAddress: sdsServer?.address,
      workloadApiAddress: api?.address,
      async ready(signal?: AbortSignal) {
        await source.ready(signal)
        if (files !== undefined) await abortable(files.written, signal)
      },
      update: () => secrets.update(),
      [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
    })
  } catch (error) {
    await owned[Symbol.asyncDispose]()
    throw error
  }
}

function newSource({ ca, id, bundles, ...read }: Readonly<AgentOptions>): X509Source {
  if (ca === undefined || id === undefined) throw oneOfBoth()
  const { algorithm, ttlSeconds, renewal, clock, logger, metrics } = read
  const ofBundles = bundles === undefined ? {} : { bundles }
  return createX509Source({
    ...{ ca, id, algorithm, ttlSeconds, renewal, clock, logger, metrics },
    ...ofBundles,
  })
}

function oneOfBoth(): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', 'createAgent: give either ca and id, or source')
}

/** The file sink of a source that is not ready yet. */
class LateFiles implements AsyncDisposable {
  readonly written: Promise<void>
  readonly #closed = new AbortController()
  #sink: AsyncDisposable | undefined

  constructor(source: X509Source, options: Omit<SinkOptions, 'source'>) {
    this.written = this.#open(source, options)
    // The callers of `ready` receive the error.
    this.written.catch((error: unknown) => {
      if (!this.#closed.signal.aborted)
        safeLogger('createAgent', options.logger).error(
          { reason: String(error) },
          'certificate files not written',
        )
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.written.catch(() => undefined)
    await this.#sink?.[Symbol.asyncDispose]()
  }

  async #open(source: X509Source, options: Omit<SinkOptions, 'source'>): Promise<void> {
    await source.ready(this.#closed.signal)
    this.#sink = await createFileSink({ ...options, source })
  }
}

/** The opened objects, closed in reverse order. Node 20 has no AsyncDisposableStack. */
class AsyncStack implements AsyncDisposable {
  readonly #opened: AsyncDisposable[] = []

  add<T extends AsyncDisposable>(opened: T): T {
    this.#opened.push(opened)
    return opened
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let one = this.#opened.pop(); one !== undefined; one = this.#opened.pop())
      await one[Symbol.asyncDispose]()
  }
}
