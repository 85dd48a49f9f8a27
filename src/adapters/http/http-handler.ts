// The handler for `node:http` and frameworks that are based on it: routes, methods, limits.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TileStore } from '../../audit/index.ts'
import type { CertificateAuthority } from '../../ca/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { LogPace } from '../../internal/log-pace.ts'
import { requireCount } from '../../internal/numbers.ts'
import { checkFunctions, checkMethods, checkTexts } from '../../internal/option-types.ts'
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
  /** The CA whose lists, certificates and OCSP responses are served. */
  readonly authority: CertificateAuthority
  /**
   * The source of the trust domain's bundle for `/bundle` and `/keys`. Default: the CA, which has no JWT
   * authorities.
   */
  readonly bundles?: BundleSource | undefined
  /**
   * The https URL, without a slash at its end, under which OIDC relying parties find this handler. If set,
   * the handler serves `/.well-known/openid-configuration` and `/keys`; JWT-SVIDs for these relying parties
   * must have it as `iss`.
   */
  readonly oidcIssuer?: string | undefined
  /**
   * The store of the audit log, such as `createTileDirectory`. The log is served under `/audit/` in the form
   * of C2SP tlog-tiles. Its records name callers and rules. Default: not served.
   */
  readonly tiles?: Pick<TileStore, 'read'> | undefined
  /**
   * Returns the state for `/ready` and `/live`; with a CA service use `() => service.health()`. Default:
   * ready while the certificate of the CA is valid.
   */
  readonly readiness?: (() => Readiness | Promise<Readiness>) | undefined
  /**
   * How long caches may keep lists, certificates and bundles, in seconds. A revocation can reach relying
   * parties that much later. Default 60.
   */
  readonly maxAgeSeconds?: number | undefined
  /**
   * Maximum number of requests that are answered at once, at most half of them from one source (IPv4 /32,
   * IPv6 /64); further ones get 503. In addition, as many request bodies may be incomplete; above that the
   * oldest is refused. Default 256.
   */
  readonly maxRequests?: number | undefined
  /** Maximum time from the headers of a POST to its complete body, in milliseconds. Default 5,000. */
  readonly bodyTimeoutMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/**
 * A handler for `http.createServer`, or middleware that calls `next` for paths that it does not serve.
 * @inline
 */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

/**
 * Serves public data: CRLs, OCSP, CA certificates, the SPIFFE bundle, keys of JWT-SVIDs, `/live`, `/ready`,
 * and the audit log if `tiles` is set. CRLs and OCSP responses are served over plain http (RFC 5280 §8: a
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
  checkTexts('createHttpHandler', { oidcIssuer })
  if (oidcIssuer !== undefined && !/^https:\/\/[^/?#]+(\/[^?#]*[^/?#])?$/.test(oidcIssuer))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createHttpHandler: oidcIssuer must be an https URL without query and final slash, found ' +
        JSON.stringify(oidcIssuer),
    )
  checkMethods('createHttpHandler', { authority })
  checkMethods('createHttpHandler', { bundles: options.bundles }, 'bundleFor')
  checkMethods('createHttpHandler', { tiles: options.tiles }, 'read')
  checkFunctions('createHttpHandler', { readiness: options.readiness })
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
    // Requests that are passed to `next` are not limited here.
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
    else if (next === undefined) sendReply(request, response, plainReply(404, 'not found'))
    else next()
  }

  /** A request uses a place only when its body is complete: incomplete requests must not block others. */
  async function answerPost(request: IncomingMessage, source: string): Promise<Reply | undefined> {
    if (request.method !== 'POST') return plainReply(405, 'the method must be POST', { allow: 'POST' })
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type !== 'application/ocsp-request')
      return plainReply(415, 'the content type must be application/ocsp-request')
    const body = await bodies.read(request)
    // Octets of the body that were not read must not be parsed as the next request.
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

/** Undefined if the handler serves nothing at the path. */
function answer(
  path: string,
  { method = '' }: IncomingMessage,
  resources: Resources,
): Reply | undefined | Promise<Reply | undefined> {
  if (!resources.serves(path)) return undefined
  if (method !== 'GET' && method !== 'HEAD')
    return plainReply(405, 'the method must be GET or HEAD', { allow: 'GET, HEAD' })
  return path.length > maxPathLength
    ? plainReply(414, `the path is longer than ${maxPathLength} characters, the maximum`)
    : resources.get(path)
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** Whether the path is that of OCSP by POST. */
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

/** An OCSP request about 16 certificates has about 2 KiB. */
const maxBodyBytes = 16 * 1024
/** The base64 of such a request is part of the path. */
const maxPathLength = 24 * 1024
/** The limit for tiles that clients have not read, over all connections. */
const maxUnreadOctets = 64 * 1024 * 1024
