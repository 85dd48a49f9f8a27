// The handlers of the SPIFFE Workload API: check metadata, attest the caller, send the state and every later
// state.

import { create } from '@bufbuild/protobuf'
import type { JsonObject } from '@bufbuild/protobuf'
import type {
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  ServiceError,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import { isPkiError } from '../../../errors/index.ts'
import { FairLine } from '../../../internal/turns/turn-lines.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { WorkloadSource } from '../../../secrets/index.ts'
import type { WorkloadState } from '../../../secrets/internal.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { TrustBundleSet, verifyJwtSvid } from '../../../svid/index.ts'
import { JWTSVIDResponseSchema, ValidateJWTSVIDResponseSchema } from '../gen/spiffe/workload_pb.ts'
import type { JWTSVIDRequest, ValidateJWTSVIDRequest } from '../gen/spiffe/workload_pb.ts'
import { LatestWriter, PushTurn, attestCall, noIdentity, statusOf } from '../local-server/index.ts'
import type { AttestedCall, Attestor, CancellableCall } from '../local-server/index.ts'
import { encode } from '../protobuf.ts'
import { admittedCallOf } from '../server/index.ts'
import { StatusAnswer, status } from '../status.ts'
import { encodeJwtBundles, encodeX509Bundles, encodeX509Svids, withUniqueHints } from './encode-state.ts'
import { serverMethod, workloadMethods } from './service-definition.ts'

/** The dependencies of the service. */
export interface WorkloadServiceOptions {
  readonly attestor: Attestor<WorkloadSource>
  /** How long a call waits for the first state. */
  readonly readyTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** The service, for `Server.addService`. */
export const workloadServiceDefinition: ServiceDefinition = {
  FetchX509SVID: serverMethod(workloadMethods.FetchX509SVID),
  FetchX509Bundles: serverMethod(workloadMethods.FetchX509Bundles),
  FetchJWTSVID: serverMethod(workloadMethods.FetchJWTSVID),
  FetchJWTBundles: serverMethod(workloadMethods.FetchJWTBundles),
  ValidateJWTSVID: serverMethod(workloadMethods.ValidateJWTSVID),
}

type StateEncoder = (state: WorkloadState) => Uint8Array | undefined
type Unary<Request> = ServerUnaryCall<Request, Uint8Array>

/** Handlers for `workloadServiceDefinition`. */
export function workloadServiceHandlers(options: WorkloadServiceOptions): UntypedServiceImplementation {
  const service = new WorkloadService(options)
  const { clock } = options
  const streaming = (encoder: StateEncoder) => {
    // One encoding of a state for all streams.
    const encoded = new WeakMap<WorkloadState, Uint8Array>()
    const encodeOnce: StateEncoder = (state) => {
      const known = encoded.get(state) ?? encoder(state)
      if (known !== undefined) encoded.set(state, known)
      return known
    }
    return (call: ServerWritableStream<object, Uint8Array>) => service.stream(call, encodeOnce)
  }
  const unary =
    <Request>(answer: (request: Request, attested: AttestedCall<WorkloadSource>) => Promise<Uint8Array>) =>
    (call: Unary<Request>, reply: sendUnaryData<Uint8Array>) => {
      service.unary(call, answer).then(
        (response) => reply(null, response),
        (error: unknown) => reply(statusOf(error) as object as Partial<ServiceError>),
      )
    }
  return {
    FetchX509SVID: streaming((state) => encodeX509Svids(state, clock.now())),
    FetchX509Bundles: streaming(encodeX509Bundles),
    FetchJWTBundles: streaming(encodeJwtBundles),
    FetchJWTSVID: unary((request: JWTSVIDRequest, attested) => service.fetchJwtSvid(request, attested)),
    ValidateJWTSVID: unary((request: ValidateJWTSVIDRequest, attested) =>
      service.validateJwtSvid(request, attested),
    ),
  }
}

class WorkloadService {
  readonly #options: WorkloadServiceOptions
  readonly #turn = new PushTurn()
  /**
   * A JWT-SVID takes two signatures' time on the event loop, and one connection may have 1,024 calls: one per
   * turn, and connections alternate.
   */
  readonly #tokens = new FairLine(1)

  constructor(options: WorkloadServiceOptions) {
    this.#options = options
  }

  /** Sends the state at once, and then each later state as a whole (W-6). */
  stream(call: ServerWritableStream<object, Uint8Array>, encoder: StateEncoder): void {
    const clean: (() => void)[] = []
    let over = false
    const end = (): void => {
      over = true
      for (const one of clean.splice(0)) one()
    }
    const fail = (error: unknown): void => {
      const known = over
      end() // also a task that started after the client had disconnected
      if (known) return
      if (!(error instanceof StatusAnswer))
        this.#options.logger.error({ reason: String(error) }, 'a stream of the Workload API failed')
      call.emit('error', statusOf(error))
    }
    call.on('cancelled', end)
    call.on('error', end)
    const follow = async (): Promise<void> => {
      const attested = await this.#attest(call)
      clean.push(() => attested.end())
      const first = await this.#stateOf(attested)
      if (over) {
        end()
        return
      }
      let newest: WorkloadState | undefined = first
      const writer = new LatestWriter(call, () => {
        if (newest === undefined) return undefined
        const message = encoder(newest)
        newest = undefined
        // Removed identities must not stay in use: the end of the stream signals this (W-6).
        if (message === undefined) fail(new StatusAnswer(noIdentity))
        return message
      })
      const pusher = { push: () => writer.flush() }
      const stop = attested.served.onChange((state) => {
        newest = state
        this.#turn.add(pusher)
      })
      clean.push(
        stop,
        () => writer.end(),
        () => this.#turn.delete(pusher),
      )
      writer.flush()
    }
    follow().catch(fail)
  }

  async unary<Request>(
    call: Unary<Request>,
    answer: (request: Request, attested: AttestedCall<WorkloadSource>) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const attested = await this.#attest(call)
    try {
      await this.#tokens.turn(admittedCallOf(call)?.connection ?? call.getPeer())
      if (attested.signal.aborted)
        throw new StatusAnswer({ code: status.CANCELLED, details: 'the client disconnected' })
      return await answer(call.request, attested)
    } finally {
      attested.end()
    }
  }

  async fetchJwtSvid(
    { audience, spiffeId }: JWTSVIDRequest,
    { served, signal }: AttestedCall<WorkloadSource>,
  ): Promise<Uint8Array> {
    if (audience.length === 0 || audience.length > maxAudiences || audience.includes(''))
      throw invalid(`audience must have 1 to ${maxAudiences} values, none of them empty (W-8)`)
    const id = spiffeId === '' ? undefined : SpiffeId.tryParse(spiffeId)
    if (spiffeId !== '' && id === undefined) throw invalid('spiffe_id is not a SPIFFE ID')
    if (served.fetchJwtSvids === undefined)
      throw new StatusAnswer({ code: status.UNIMPLEMENTED, details: 'JWT-SVIDs are not issued here' })
    try {
      const svids = await served.fetchJwtSvids({ id, audience, signal })
      const identities = withUniqueHints(served.state?.identities ?? [])
      const hintOf = (of: SpiffeId): string => identities.find(({ svid }) => svid.id.equals(of))?.hint ?? ''
      return encode(
        JWTSVIDResponseSchema,
        create(JWTSVIDResponseSchema, {
          svids: svids.map((svid) => ({
            spiffeId: svid.id.toString(),
            svid: svid.token,
            hint: hintOf(svid.id),
          })),
        }),
      )
    } catch (error) {
      if (isPkiError(error, 'ERR_POLICY_DENIED')) throw new StatusAnswer(noIdentity)
      this.#options.logger.error({ reason: String(error) }, 'a JWT-SVID was not issued')
      throw new StatusAnswer({ code: status.UNAVAILABLE, details: 'no JWT-SVID can be issued now' })
    }
  }

  async validateJwtSvid(
    { audience, svid: token }: ValidateJWTSVIDRequest,
    attested: AttestedCall<WorkloadSource>,
  ): Promise<Uint8Array> {
    if (audience === '' || token === '') throw invalid('audience and svid are required (W-8)')
    const { bundles } = await this.#stateOf(attested)
    try {
      const { clock } = this.#options
      const found = await verifyJwtSvid(token, { bundles: new TrustBundleSet(bundles), audience, clock })
      return encode(
        ValidateJWTSVIDResponseSchema,
        create(ValidateJWTSVIDResponseSchema, {
          spiffeId: found.id.toString(),
          claims: found.claims as JsonObject,
        }),
      )
    } catch (error) {
      if (!isPkiError(error)) throw error
      throw invalid(`the token is refused: ${error.code}: ${error.message}`)
    }
  }

  /** The metadata is checked first: a request forged through a browser or a proxy does not have it (W-2). */
  async #attest(call: CancellableCall): Promise<AttestedCall<WorkloadSource>> {
    const values = call.metadata.get('workload.spiffe.io')
    if (values.length !== 1 || values[0] !== 'true')
      throw invalid('security header missing from request: workload.spiffe.io must be true, once (W-2)')
    return attestCall(call, this.#options.attestor, this.#options.logger)
  }

  /** @throws `StatusAnswer` UNAVAILABLE: "not ready yet" differs from "no identity" (R23) */
  #stateOf({ served, signal }: AttestedCall<WorkloadSource>): Promise<WorkloadState> {
    const { state } = served
    if (state !== undefined) return Promise.resolve(state)
    const { clock, readyTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const done = (): void => {
        stopTimer()
        stop()
        signal.removeEventListener('abort', gone)
      }
      const fail = (details: string): void => {
        done()
        reject(new StatusAnswer({ code: status.UNAVAILABLE, details }))
      }
      const gone = (): void => fail('the client disconnected')
      const stopTimer = clock.schedule(() => fail('the identities are not ready yet'), readyTimeoutMs)
      const stop = served.onChange((next) => {
        done()
        resolve(next)
      })
      signal.addEventListener('abort', gone, { once: true })
    })
  }
}

function invalid(details: string): StatusAnswer {
  return new StatusAnswer({ code: status.INVALID_ARGUMENT, details: details.slice(0, 1024) })
}

const maxAudiences = 64
