// Error constructors for authenticators, and the checks of the callers that they return.

import { isPkiError, PkiError } from '../errors/index.ts'
import { nameOf } from '../internal/options.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { AuthenticationError, AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'
import type { KubernetesCaller } from './authenticator.ts'

/**
 * The error for a credential that was sent and is not valid. The text is logged only: transports answer every
 * failed authentication with the same text.
 *
 * @param message What was found and what was expected; never the credential itself.
 */
export function authenticationError(
  message: string,
  options?: { readonly cause?: unknown },
): AuthenticationError {
  return new PkiError('ERR_CREDENTIAL_INVALID', message, options)
}

/**
 * The caller of a request, or an error: there is no anonymous caller.
 *
 * @throws ERR_CREDENTIAL_MISSING no authenticator found a credential of its kind;
 *   ERR_CREDENTIAL_INVALID, ERR_CLIENT_CERTIFICATE_UNTRUSTED a credential is not
 *   valid; ERR_AUTHENTICATOR_FAILED an authenticator could not verify it
 */
export async function requireCaller(
  authenticator: Authenticator,
  request: AuthenticationRequest,
): Promise<Caller> {
  requireAuthenticator('requireCaller', authenticator)
  let caller: Caller | undefined
  try {
    caller = await authenticator.authenticate(request)
  } catch (cause) {
    throw isPkiError(cause) ? cause : authenticatorFailed(authenticator.name, cause)
  }
  if (caller === undefined)
    throw new PkiError(
      'ERR_CREDENTIAL_MISSING',
      `the request has no credential that ${authenticator.name} accepts`,
    )
  return checkCaller(caller, authenticator.name)
}

/** @throws ERR_INVALID_ARGUMENT for an object without `authenticate` */
export function requireAuthenticator(owner: string, authenticator: Authenticator): Authenticator {
  if (typeof (Object(authenticator) as Partial<Authenticator>).authenticate === 'function')
    return authenticator
  throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: an authenticator needs the method authenticate`)
}

/**
 * A frozen deep copy of the caller that an authenticator returned. Refuses a caller without an identity, with
 * an identity that is not a `SpiffeId`, without a kind of credential, or with claims that are not JSON data.
 *
 * @throws ERR_AUTHENTICATOR_FAILED
 */
export function checkCaller(caller: Caller, name: string): Caller {
  if (FrozenCaller.is(caller)) return caller
  const { identities, credential, claims, kubernetes }: Readonly<Partial<Record<keyof Caller, unknown>>> =
    isObject(caller) ? caller : {}
  if (typeof credential !== 'string' || credential === '')
    throw failed(name, `supplied a caller without a kind of credential: ${nameOf(caller)}`)
  if (!isObject(claims) || Array.isArray(claims)) throw failed(name, 'supplied a caller without claims')
  const pod = kubernetes === undefined ? undefined : checkKubernetes(kubernetes, name)
  return new FrozenCaller(
    checkIdentities(identities, name),
    credential,
    pod,
    copyClaims(claims, { name, left: maxClaimValues }, 0) as Caller['claims'],
  )
}

/** Callers that were checked already; the layers above do not check them again. */
class FrozenCaller implements Caller {
  readonly #checked = true
  readonly identities: readonly SpiffeId[]
  readonly credential: string
  declare readonly kubernetes?: KubernetesCaller
  readonly claims: Caller['claims']

  constructor(
    identities: readonly SpiffeId[],
    credential: string,
    kubernetes: KubernetesCaller | undefined,
    claims: Caller['claims'],
  ) {
    this.identities = identities
    this.credential = credential
    if (kubernetes !== undefined) this.kubernetes = kubernetes
    this.claims = claims
    Object.freeze(this)
  }

  static is(value: unknown): value is FrozenCaller {
    return typeof value === 'object' && value !== null && #checked in value && value.#checked
  }
}

function checkIdentities(identities: unknown, name: string): readonly SpiffeId[] {
  if (!Array.isArray(identities) || identities.length === 0)
    throw failed(name, 'supplied a caller without an identity')
  if (identities.length > maxIdentities)
    throw failed(name, `supplied ${identities.length} identities; the maximum is ${maxIdentities}`)
  const copy: readonly unknown[] = [...(identities as readonly unknown[])]
  if (!copy.every((id) => id instanceof SpiffeId))
    throw failed(name, 'supplied an identity that is not a SpiffeId; SpiffeId.parse makes one from text')
  return Object.freeze(copy)
}

const kubernetesFields = [
  'namespace',
  'serviceAccount',
  'podName',
  'podUid',
  'nodeName',
  'cluster',
] as const satisfies readonly (keyof KubernetesCaller)[]

function checkKubernetes(kubernetes: unknown, name: string): KubernetesCaller {
  const given: Readonly<Record<string, unknown>> = isObject(kubernetes) ? kubernetes : {}
  const copy: Partial<Record<keyof KubernetesCaller, string>> = {}
  for (const field of kubernetesFields) {
    const value = given[field]
    if (typeof value === 'string') copy[field] = value
    else if (value !== undefined) throw failed(name, `supplied a caller whose ${field} is not a string`)
  }
  const { namespace, serviceAccount } = copy
  if (namespace === undefined || serviceAccount === undefined)
    throw failed(name, 'supplied a Kubernetes caller without a namespace or service account')
  return Object.freeze({ ...copy, namespace, serviceAccount })
}

/**
 * JSON data only: a getter, a Proxy or a class instance could return
 * different values to policy and audit. Copies have no prototype.
 */
function copyClaims(value: unknown, budget: { readonly name: string; left: number }, depth: number): unknown {
  if (--budget.left < 0 || depth > maxClaimDepth)
    throw failed(budget.name, 'supplied too many claims, or claims nested too deep')
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol')
      throw failed(budget.name, `supplied a claim of the type ${typeof value}; claims are JSON data`)
    return value
  }
  if (Array.isArray(value))
    return Object.freeze(value.map((item: unknown) => copyClaims(item, budget, depth + 1)))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype)
    throw failed(budget.name, 'supplied a claim that is a class instance; claims are JSON data')
  const members = Object.entries(value)
  if (members.length === 0) return nothing
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, member] of members) copy[key] = copyClaims(member, budget, depth + 1)
  return Object.freeze(copy)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/**
 * The error of an authenticator that could not verify a credential: the call is denied as for an invalid one.
 */
export function authenticatorFailed(name: string, cause: unknown): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} could not verify the credential`, { cause })
}

function failed(name: string, what: string): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} ${what}`)
}

/** The copy of every object without members. */
const nothing: unknown = Object.freeze(Object.create(null))
const maxIdentities = 64
const maxClaimDepth = 16
const maxClaimValues = 10_000
