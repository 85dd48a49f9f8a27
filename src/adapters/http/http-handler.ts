// The handler for `node:http` and whatever is built on it: routes, methods, limits.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TileStore } from '../../audit/index.ts'
import type { CertificateAuthority } from '../../ca/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { LogPace } from '../../internal/log-pace.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { BundleSource } from '../../svid/index.ts'
import { Places } from './places.ts'
import { plainReply, sendReply } from './reply.ts'
import type { Reply } from './reply.ts'
import { RequestBodies } from './request-body.ts'
import { RequestLine } from './request-line.ts'
import { Resources } from './resources.ts'
import type { Readiness } from './resources.ts'
import { UnreadAnswers } from './unread-answers.ts'

/** Options of `createHttpHandler`. */
export interface HttpHandlerOptions {
  /** The CA whose lists, certificates and OCSP answers are served. */
  readonly authority: CertificateAuthority
  /**
   * Whose bundle of the CA's trust domain `/bundle` and `/keys` serve.
   * Default: the CA, which has no JWT authorities.
   */
  readonly bundles?: BundleSource | undefined
  /**
   * The https URL, without a slash at its end, under which OIDC relying parties find this handler. Then it
   * serves `/.well-known/openid-configuration` and `/keys`; JWT-SVIDs need it as their `iss`.
   */
  readonly oidcIssuer?: string | undefined
  /**
   * Where the audit log is, such as `createTileDirectory`: `/audit/` is the prefix under which readers of
   * C2SP tlog-tiles find it. Its records name callers and rules. Default: not served.
   */
  readonly tiles?: Pick<TileStore, 'read'> | undefined
  /**
   * What `/ready` and `/live` answer: that of a CA service is `() => service.health()`. Default: ready while
   * the certificate of the CA is valid.
   */
  readonly readiness?: (() => Readiness | Promise<Readiness>) | undefined
  /**
   * How long caches may keep lists, certificates and bundles, in seconds: as
   * long a revocation may go unseen. Default 60.
   */
  readonly maxAgeSeconds?: number | undefined
  /**
   * Requests that are being answered at once, half of them of one source (IPv4 /32, IPv6 /64); further ones
   * get 503. As many bodies are awaited beside; for a further one the oldest is refused. Default 256.
   */
  readonly maxRequests?: number | undefined
  /** From the head of a POST to its whole body, in milliseconds. Default 5,000. */
  readonly bodyTimeoutMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/**
 * A handler: for `http.createServer`, or as middleware, where `next` gets what it does not serve.
 * @inline
 */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

/**
 * Serves public data: CRLs, OCSP, CA certificates, the SPIFFE bundle, keys of JWT-SVIDs, `/live`, `/ready`,
 * and the audit log where it is given. CRLs and OCSP responses are served over plain http (RFC 5280 §8: a
 * verifier that fetched CRLs over TLS would need a CRL to verify TLS).
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * createServer(createHttpHandler({ authority })).listen(8080)
 * ```
 */
export function createHttpHandler(given: HttpHandlerOptions): HttpHandler {
  const options = readOptions('createHttpHandler', given, {
    authority: 'required',
    bundles: 'optional',
    oidcIssuer: 'optional',
    tiles: 'optional',
    readiness: 'optional',
    maxAgeSeconds: 'optional',
    maxRequests: 'optional',
    bodyTimeoutMs: 'optional',
    clock: 'optional',
    logger: 'optional',
  })
  const { authority, oidcIssuer, clock = systemClock } = options
  if (oidcIssuer !== undefined && !/^https:\/\/[^/?#]+(\/[^?#]*[^/?#])?$/.test(oidcIssuer))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createHttpHandler: oidcIssuer must be an https URL without query and final slash, found ' +
        JSON.stringify(oidcIssuer),
    )
  const logger = safeLogger('createHttpHandler', options.logger)
  const resources = new Resources({
    authority,
    bundles: options.bundles ?? authority,
    oidcIssuer,
    tiles: options.tiles,
    clock,
    readiness: options.readiness ?? (() => validityOf(authority, clock)),
    maxAgeSeconds: requireCount('maxAgeSeconds', options.maxAgeSeconds ?? 60, 0),
    onFailure: (error, message) => tell(error, message, {}),
  })
  const maxRequests = requireCount('maxRequests', options.maxRequests ?? 256, 1)
  const bodies = new RequestBodies({
    maxBytes: maxBodyBytes,
    timeoutMs: requireCount('bodyTimeoutMs', options.bodyTimeoutMs ?? 5000, 1),
    maxPending: maxRequests,
    clock,
  })
  const line = new RequestLine()
  const places = new Places(maxRequests)
  const unread = new UnreadAnswers(maxUnreadOctets)
  const pace = new LogPace(clock)

  return (request, response, next) => {
    const path = pathOf(request)
    // What is passed on to the rest of an application is not bounded here.
    if (next !== undefined && !isOcsp(path) && !resources.serves(path)) next()
    else line.enter(request, response, (source) => void serve(path, source, request, response, next))
  }

  async function serve(
    path: string,
    source: string,
    ...[request, response, next]: Parameters<HttpHandler>
  ): Promise<void> {
    const reply = isOcsp(path)
      ? await answerPost(request, source)
      : await withPlace(request, source, () => answer(path, request, resources))
    if (reply?.isOwn === true) unread.add(request, response, reply.body.length)
    if (reply !== undefined) sendReply(request, response, reply)
    else if (next === undefined) sendReply(request, response, plainReply(404, 'nothing is here'))
    else next()
  }

  /** A body that has not arrived holds no place: half a request must not keep others from their lists. */
  async function answerPost(request: IncomingMessage, source: string): Promise<Reply | undefined> {
    if (request.method !== 'POST') return plainReply(405, 'only POST', { allow: 'POST' })
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type !== 'application/ocsp-request')
      return plainReply(415, 'the content type must be application/ocsp-request')
    const body = await bodies.read(request)
    // What was not read must not be taken for the next request.
    if (!('octets' in body)) return plainReply(body.status, body.reason, { connection: 'close' })
    return withPlace(request, source, () => resources.ocsp(body.octets))
  }

  async function withPlace(
    request: IncomingMessage,
    source: string,
    perform: () => Reply | undefined | Promise<Reply | undefined>,
  ): Promise<Reply | undefined> {
    if (!places.take(source)) return plainReply(503, 'too many requests at once', { 'retry-after': '1' })
    try {
      return await perform()
    } catch (error) {
      return unanswered(request, error)
    } finally {
      places.giveBack(source)
    }
  }

  function tell(error: unknown, message: string, fields: Readonly<Record<string, unknown>>): void {
    const code = codeOf(error)
    const due = pace.due(code + message)
    if (due !== undefined) logger.error({ code, reason: reasonOf(error), ...fields, ...due }, message)
  }

  function unanswered({ url }: IncomingMessage, error: unknown): Reply {
    tell(error, 'an HTTP request could not be answered', { path: url?.slice(0, 256) })
    return plainReply(503, 'not available at the moment', { 'retry-after': '5' })
  }
}

/** Undefined where nothing is at the path. */
function answer(
  path: string,
  { method = '' }: IncomingMessage,
  resources: Resources,
): Reply | undefined | Promise<Reply | undefined> {
  if (!resources.serves(path)) return undefined
  if (method !== 'GET' && method !== 'HEAD')
    return plainReply(405, 'only GET and HEAD', { allow: 'GET, HEAD' })
  return path.length > maxPathLength ? plainReply(414, 'the path is too long') : resources.get(path)
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** OCSP by POST. */
function isOcsp(path: string): boolean {
  return path === '/ocsp' || path === '/ocsp/'
}

function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : 'ERR_INTERNAL'
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 1024) : 'unknown'
}

function validityOf({ certificate }: CertificateAuthority, clock: Clock): Readiness {
  const nowMs = clock.now()
  const valid = nowMs >= certificate.notBeforeMs && nowMs < certificate.notAfterMs
  if (valid) return { ready: true, problems: [] }
  const { subject, notBefore, notAfter } = certificate
  const validity = `${notBefore.toISOString()} to ${notAfter.toISOString()}`
  return { ready: false, problems: [`${subject.toString()} is valid from ${validity}`] }
}

/** An OCSP request about 16 certificates has some 2 KiB. */
const maxBodyBytes = 16 * 1024
/** Of the base64 of such a request. */
const maxPathLength = 24 * 1024
/** Of tiles, over all connections. */
const maxUnreadOctets = 64 * 1024 * 1024
