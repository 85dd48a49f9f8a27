// The resources that can be fetched: lists, OCSP responses, CA certificates, bundles, keys of JWT-SVIDs,
// health.

import { PkiError } from '../../errors/index.ts'
import { decodeBase64 } from '../../internal/encodings/base64.ts'
import { LruMap } from '../../internal/lru-map.ts'
import { encodePem } from '../../internal/pem.ts'
import { formatSpiffeBundle } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'
import type { TileStore } from '../../audit/index.ts'
import type { CertificateAuthority } from '../../ca/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { Crl } from '../../x509/index.ts'
import { CrlPaths } from './crl-paths.ts'
import { plainReply } from './reply.ts'
import type { Reply } from './reply.ts'

/** The result of a readiness check. */
export interface Readiness {
  readonly ready: boolean
  /** The problems, one sentence each. */
  readonly problems: readonly string[]
  /** False if the process must be restarted: then `/live` returns 503. Default true. */
  readonly live?: boolean | undefined
}

/** The sources of the resources. */
export interface ResourceSources {
  readonly authority: CertificateAuthority
  readonly bundles: BundleSource
  /** The URL under which OIDC relying parties reach this service; undefined: no OIDC documents. */
  readonly oidcIssuer: string | undefined
  /** The audit log; undefined: it is not served. */
  readonly tiles: Pick<TileStore, 'read'> | undefined
  readonly readiness: () => Readiness | Promise<Readiness>
  /** Called with failures for which the client gets only a status. */
  readonly onFailure: (error: unknown, message: string) => void
  readonly clock: Pick<Clock, 'monotonic' | 'now'>
  /** How long caches may keep lists, certificates and bundles. */
  readonly maxAgeSeconds: number
}

/** Responses to GET and HEAD, by path. */
export class Resources {
  readonly #sources: ResourceSources
  /** The lists that were read last, for requests soon after that. */
  #lists: { readonly untilMs: number; readonly made: Promise<CrlPaths> } | undefined
  /** The certificates of tainted and revoked authorities that were read last. */
  #doubted: { readonly untilMs: number; readonly pem: Promise<string> } | undefined
  /** The health check of the CA in progress. */
  #look: Promise<Readiness> | undefined

  /** The octets of short OCSP requests by their text: clients repeat the same requests. */
  readonly #questions = new LruMap<string, Uint8Array>(maxQuestions)

  constructor(sources: ResourceSources) {
    this.#sources = sources
  }

  /** Whether the handler may serve this path, for any method. */
  serves(path: string): boolean {
    if (path.startsWith('/ocsp/') || path.startsWith('/crl/')) return true
    return (
      this.#fixed[path] !== undefined || (path.startsWith('/audit/') && this.#sources.tiles !== undefined)
    )
  }

  /** Undefined if nothing is served at this path. */
  get(path: string): Reply | Promise<Reply | undefined> {
    if (path.startsWith('/audit/')) return this.#tile(path.slice('/audit/'.length))
    return path.startsWith('/ocsp/') ? this.#ocspByGet(path.slice('/ocsp/'.length)) : this.#document(path)
  }

  /** The paths of C2SP tlog-tiles. The content of a tile never changes; the checkpoint changes. */
  async #tile(path: string): Promise<Reply | undefined> {
    const isCheckpoint = path === 'checkpoint'
    if (!isCheckpoint && (path.length > maxTilePath || !tilePath.test(path))) return undefined
    const body = await this.#sources.tiles?.read(path)
    if (body === undefined) return undefined
    const type = isCheckpoint ? 'text/plain; charset=utf-8' : 'application/octet-stream'
    return { status: 200, type, body, maxAgeSeconds: isCheckpoint ? 0 : tileAgeSeconds, isOwn: true }
  }

  async #document(path: string): Promise<Reply | undefined> {
    const fixed = this.#fixed[path]
    if (fixed !== undefined) return fixed()
    if (!path.startsWith('/crl/')) return undefined
    return this.#crlReply((await this.#currentLists()).get(path.slice('/crl/'.length)))
  }

  /** RFC 6960 appendix A.1. */
  async ocsp(request: Uint8Array): Promise<Reply> {
    const { response, maxAgeSeconds, tag, failure } = await this.#sources.authority.answerOcsp(request)
    if (failure !== undefined) this.#sources.onFailure(failure, 'an OCSP request was answered with tryLater')
    return { status: 200, type: 'application/ocsp-response', body: response, maxAgeSeconds, tag }
  }

  readonly #fixed: Readonly<Record<string, () => Reply | undefined | Promise<Reply | undefined>>> =
    Object.assign(Object.create(null) as object, {
      // The list of the current issuing key is the first one.
      '/crl': async () => this.#crlReply((await this.#currentLists()).first),
      '/ca.cer': () => this.#cached('application/pkix-cert', this.#sources.authority.certificate.der),
      '/ca.pem': () => this.#cached('application/x-pem-file', this.#chainPem()),
      '/tainted': () => this.#tainted(),
      '/bundle': () => this.#bundle(),
      '/keys': () => this.#keys(),
      '/.well-known/openid-configuration': () => this.#discovery(),
      '/live': () => this.#live(),
      '/ready': () => this.#ready(),
    })

  /**
   * Checking that a list is still current reads every entry, so requests within `listAgeMs` share one check.
   */
  #currentLists(): Promise<CrlPaths> {
    const nowMs = this.#sources.clock.monotonic()
    if (this.#lists === undefined || nowMs >= this.#lists.untilMs) {
      const made = this.#sources.authority.issueCrls().then((lists) => new CrlPaths(lists))
      this.#lists = { untilMs: nowMs + listAgeMs, made }
      made.catch(() => {
        this.#lists = undefined
      })
    }
    return this.#lists.made
  }

  /** Caches may keep it for at most `maxAgeSeconds`, and never beyond its nextUpdate. */
  #crlReply(list: Crl | undefined): Reply | undefined {
    if (list === undefined) return undefined
    const leftMs = (list.nextUpdate?.getTime() ?? Infinity) - this.#sources.clock.now()
    const maxAgeSeconds = Math.max(0, Math.min(this.#sources.maxAgeSeconds, Math.floor(leftMs / 1000)))
    return { status: 200, type: 'application/pkix-crl', body: list.der, maxAgeSeconds }
  }

  /**
   * The base64 of the request in the path, in which the client has escaped the characters that a path cannot
   * contain.
   */
  #ocspByGet(text: string): Reply | Promise<Reply> {
    let request = this.#questions.peek(text)
    try {
      if (request === undefined) this.#keep(text, (request = decodeBase64(decodeURIComponent(text))))
    } catch (error) {
      if (!(error instanceof URIError) && !(error instanceof PkiError)) throw error
      return plainReply(400, 'the path after /ocsp/ must be the base64 of an OCSP request, percent-encoded')
    }
    return this.ocsp(request)
  }

  #keep(text: string, request: Uint8Array): void {
    if (text.length > maxQuestionLength) return
    // A copy: V8 keeps the whole URL in memory as long as a part of it is in use.
    this.#questions.set(Buffer.from(text, 'latin1').toString('latin1'), request)
  }

  #chainPem(): string {
    const { certificate, chain, roots } = this.#sources.authority
    const all = [certificate, ...chain, ...roots]
    const once = all.filter((one, i) => all.findIndex((other) => other.equals(one)) === i)
    return once.map(({ der }) => encodePem('CERTIFICATE', der)).join('')
  }

  /**
   * The tainted and revoked authorities. Holders of certificates below them must renew; holders in other
   * processes poll this resource.
   */
  async #tainted(): Promise<Reply> {
    const nowMs = this.#sources.clock.monotonic()
    if (this.#doubted === undefined || nowMs >= this.#doubted.untilMs) {
      const pem = this.#doubtedPem()
      this.#doubted = { untilMs: nowMs + listAgeMs, pem }
      pem.catch(() => {
        this.#doubted = undefined
      })
    }
    return this.#cached('application/x-pem-file', await this.#doubted.pem)
  }

  async #doubtedPem(): Promise<string> {
    const authorities = await this.#sources.authority.storage.authorities.list()
    return authorities
      .filter(({ state }) => state === 'tainted' || state === 'revoked')
      .map(({ certificate }) => encodePem('CERTIFICATE', certificate))
      .join('')
  }

  #bundle(): Reply | undefined {
    const { authority, bundles } = this.#sources
    const bundle = bundles.bundleFor(authority.trustDomain)
    return bundle && this.#cached('application/json', formatSpiffeBundle(bundle))
  }

  /** The JWKS for OIDC relying parties, which accept only `use: "sig"` (RFC 7517 §4.2). */
  #keys(): Reply | undefined {
    const { authority, bundles, oidcIssuer } = this.#sources
    if (oidcIssuer === undefined) return undefined
    const authorities = bundles.bundleFor(authority.trustDomain)?.jwtAuthorities ?? []
    const keys = authorities.map((one) => ({ ...one.toJwk(), use: 'sig' }))
    return this.#cached('application/json', JSON.stringify({ keys }))
  }

  #discovery(): Reply | undefined {
    const { authority, bundles, oidcIssuer } = this.#sources
    if (oidcIssuer === undefined) return undefined
    const authorities = bundles.bundleFor(authority.trustDomain)?.jwtAuthorities ?? []
    const algorithms = [...new Set(authorities.flatMap((one) => one.algorithms))]
    const document = {
      issuer: oidcIssuer,
      jwks_uri: `${oidcIssuer}/keys`,
      // Required by the discovery specification; there is nothing to authorize at.
      authorization_endpoint: '',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: algorithms,
    }
    return this.#cached('application/json', JSON.stringify(document))
  }

  /**
   * All concurrent requests share one check: it reads the store, and unauthenticated callers must not be able
   * to overload it.
   */
  #readiness(): Promise<Readiness> {
    this.#look ??= (async () => this.#sources.readiness())().finally(() => {
      this.#look = undefined
    })
    return this.#look
  }

  async #live(): Promise<Reply> {
    const { live, problems } = await this.#readiness()
    return live === false ? plainReply(503, problems.join('\n')) : plainReply(200, 'live')
  }

  async #ready(): Promise<Reply> {
    const { ready, problems } = await this.#readiness()
    const body = JSON.stringify({ ready: ready, problems })
    return { status: ready ? 200 : 503, type: 'application/json', body, maxAgeSeconds: 0 }
  }

  #cached(type: string, body: Uint8Array | string): Reply {
    return { status: 200, type, body, maxAgeSeconds: this.#sources.maxAgeSeconds }
  }
}

const tilePath = /^tile\/(entries|[0-9]{1,2})(\/x[0-9]{3})*\/[0-9]{3}(\.p\/[0-9]{1,3})?$/
const maxTilePath = 128
const tileAgeSeconds = 24 * 3600
/** The maximum age of the lists that are returned. */
const listAgeMs = 5000
const maxQuestions = 2_000
/**
 * The maximum length of the escaped base64 of a cached request. A request about one certificate by SHA-256
 * has 160 octets.
 */
const maxQuestionLength = 512
