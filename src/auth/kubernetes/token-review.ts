// One TokenReview at the API server of one cluster (authentication.k8s.io/v1), with the audiences sent and
// required in the response.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import type { GuardedFetcher } from '../../runtime/index.ts'
import { authenticationError } from '../require-caller.ts'
import { readUserName, withBinding } from './service-account.ts'
import type { ServiceAccount } from './service-account.ts'

/** The server and the credentials for reviews. */
export interface ReviewedCluster {
  readonly name: string
  /** `https://HOST:PORT` of the API server. */
  readonly server: string
  readonly fetcher: GuardedFetcher
}

/**
 * The service account of a token, according to the API server.
 *
 * @throws ERR_CREDENTIAL_INVALID, ERR_JWT_CLAIM; ERR_KUBERNETES_FORBIDDEN RBAC does not allow the review;
 *   ERR_AUTHENTICATOR_UNAVAILABLE
 */
export async function reviewToken(
  cluster: ReviewedCluster,
  token: string,
  audiences: readonly string[],
  signal: AbortSignal,
): Promise<ServiceAccount> {
  const status = await postReview(cluster, token, audiences, signal)
  const { authenticated, error, user, audiences: found } = status
  if (error !== undefined && error !== '')
    throw authenticationError(`the API server of ${cluster.name} could not review the token or refused it`)
  // Any value but `true` is a refusal: the field is omitted if it is false.
  if (authenticated !== true)
    throw authenticationError(`the API server of ${cluster.name} does not accept the token`)
  const names: readonly unknown[] = Array.isArray(found) ? found : []
  // An API server that does not support audiences omits them: the token may then be for any service (istio
  // #36221).
  if (!names.some((name) => typeof name === 'string' && audiences.includes(name)))
    throw authenticationError(
      `the token is for ${JSON.stringify(names).slice(0, 256)}, expected ${JSON.stringify(audiences)}`,
    )
  return readUser(isJsonObject(user) ? user : {})
}

async function postReview(
  { name, server, fetcher }: ReviewedCluster,
  token: string,
  audiences: readonly string[],
  signal: AbortSignal,
): Promise<JsonObject> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } }
  let review: JsonValue
  try {
    const response = await fetcher.fetch(`${server}/apis/authentication.k8s.io/v1/tokenreviews`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(body)),
      contentTypes: ['application/json'],
      signal,
    })
    if (response.status === 401 || response.status === 403)
      throw new PkiError(
        'ERR_KUBERNETES_FORBIDDEN',
        `the API server of ${name} answered ${response.status} to a TokenReview; expected a valid token ` +
          'with the right to create tokenreviews.authentication.k8s.io (ClusterRole system:auth-delegator)',
      )
    if (response.status !== 201 && response.status !== 200)
      throw unavailable(name, `it answered with status ${response.status}`)
    review = parseJson(response.body, { maxBytes: 256 * 1024, maxDepth: 16, maxValues: 10_000 })
  } catch (cause) {
    if (isPkiError(cause) && passedOn.includes(cause.code)) throw cause
    throw unavailable(name, isPkiError(cause) ? cause.message : '', cause)
  }
  const { kind, status } = isJsonObject(review) ? review : {}
  if (kind === 'TokenReview' && isJsonObject(status)) return status
  throw unavailable(name, 'its response is not a TokenReview')
}

function readUser(user: JsonObject): ServiceAccount {
  const { username, groups, extra } = user
  const account = readUserName(username)
  if (account === undefined) throw authenticationError('the token is not a service account token')
  const list: readonly unknown[] = Array.isArray(groups) ? groups : []
  if (
    !list.includes('system:serviceaccounts') ||
    !list.includes(`system:serviceaccounts:${account.namespace}`)
  )
    throw authenticationError('the user of the token is not in a group of service accounts')
  const more = isJsonObject(extra) ? extra : {}
  return withBinding(account, {
    podName: single(more, 'pod-name'),
    podUid: single(more, 'pod-uid'),
    nodeName: single(more, 'node-name'),
  })
}

/** A value of `extra`, which must be a list with one element. */
function single(extra: JsonObject, name: string): string | undefined {
  const values = extra[`authentication.kubernetes.io/${name}`]
  if (values === undefined) return undefined
  const list: readonly unknown[] = Array.isArray(values) ? values : []
  const [value] = list
  if (list.length === 1 && typeof value === 'string' && value !== '') return value
  throw authenticationError(`${name} of the review is not a single string`)
}

function unavailable(
  cluster: string,
  why: string,
  cause?: unknown,
): PkiError<'ERR_AUTHENTICATOR_UNAVAILABLE'> {
  return new PkiError(
    'ERR_AUTHENTICATOR_UNAVAILABLE',
    `the API server of ${cluster} cannot review tokens: ${why}`,
    { cause },
  )
}

const passedOn = ['ERR_ABORTED', 'ERR_CLOSED', 'ERR_KUBERNETES_FORBIDDEN', 'ERR_AUTHENTICATOR_UNAVAILABLE']
