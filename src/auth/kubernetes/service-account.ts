// Service account tokens of Kubernetes: the claims of projected (bound) and legacy tokens, and the resulting
// identity.

import { PkiError } from '../../errors/index.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import { istio } from '../../spiffe/index.ts'
import type { Caller, KubernetesCaller } from '../authenticator.ts'

/** A service account, and the pod and node that its token is bound to. */
export type ServiceAccount = Omit<KubernetesCaller, 'cluster'>

type Binding = Pick<ServiceAccount, 'podName' | 'podUid' | 'nodeName'>

/** The issuer of legacy tokens, the same in every cluster. */
export const legacyIssuer = 'kubernetes/serviceaccount'

/**
 * The service account of a user name, which must be exactly `system:serviceaccount:NAMESPACE:NAME`; undefined
 * for another user.
 *
 * @throws ERR_JWT_CLAIM it has that prefix but is malformed
 */
export function readUserName(name: unknown): ServiceAccount | undefined {
  if (typeof name !== 'string' || !name.startsWith(userPrefix)) return undefined
  const [namespace = '', serviceAccount = '', ...more] = name.slice(userPrefix.length).split(':')
  if (more.length > 0 || !isNamespace(namespace) || !isObjectName(serviceAccount))
    throw claimError('the user name is not system:serviceaccount:, a namespace and a name')
  return { namespace, serviceAccount }
}

/** Reads a projected token: `sub` and the private claim `kubernetes.io` must agree. @throws ERR_JWT_CLAIM */
export function readProjectedClaims(claims: JsonObject): ServiceAccount {
  const account = readUserName(claims['sub'])
  const bound = claims['kubernetes.io']
  if (account === undefined || !isJsonObject(bound))
    throw claimError('the token is not a service account token')
  if (
    bound['namespace'] !== account.namespace ||
    nameIn(bound['serviceaccount'], 'serviceaccount') !== account.serviceAccount
  )
    throw claimError('sub and the claim kubernetes.io name different service accounts')
  return withBinding(account, {
    podName: nameIn(bound['pod'], 'pod'),
    podUid: uidIn(bound['pod'], 'pod'),
    nodeName: nameIn(bound['node'], 'node'),
  })
}

/** Reads a token from a Secret: no audience, no expiry, no pod. @throws ERR_JWT_CLAIM */
export function readLegacyClaims(claims: JsonObject): ServiceAccount {
  const account = readUserName(claims['sub'])
  if (
    account === undefined ||
    claims[`${legacyClaims}/namespace`] !== account.namespace ||
    claims[`${legacyClaims}/service-account.name`] !== account.serviceAccount
  )
    throw claimError('the token is not a service account token')
  return account
}

/**
 * An account with the pod and node of its credential; a pod needs both name and UID.
 * @throws ERR_JWT_CLAIM
 */
export function withBinding(account: ServiceAccount, { podName, podUid, nodeName }: Binding): ServiceAccount {
  // A name alone could match a later pod of that name.
  if ((podName === undefined) !== (podUid === undefined))
    throw claimError('the token has the name of a pod without its UID, or a UID without a name')
  if (
    (podName !== undefined && !isObjectName(podName)) ||
    (nodeName !== undefined && !isObjectName(nodeName))
  )
    throw claimError('the name of the pod or node is not a Kubernetes name')
  if (podUid !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(podUid))
    throw claimError('the UID of the pod is malformed')
  const { namespace, serviceAccount } = account
  return bind({ namespace, serviceAccount }, { podName, podUid, nodeName })
}

/** The caller, with Istio's identity in every cluster: `/ns/NAMESPACE/sa/NAME` of the trust domain. */
export function serviceAccountCaller(
  trustDomain: string,
  account: ServiceAccount,
  cluster: string,
  claims: Caller['claims'],
): Caller {
  const { namespace, serviceAccount } = account
  const kubernetes: KubernetesCaller = bind({ namespace, serviceAccount, cluster }, account)
  return {
    identities: [istio.spiffeId({ trustDomain, namespace, serviceAccount })],
    credential: 'kubernetes-jwt',
    kubernetes,
    claims,
  }
}

/**
 * Adds the known pod and node. Not by a spread: V8 creates a new hidden class for each object that is copied
 * and then extended, and the garbage collector has to remove it.
 */
function bind<Account extends ServiceAccount>(
  account: Account,
  { podName, podUid, nodeName }: Binding,
): Account {
  const bound: { -readonly [Field in keyof Binding]: Binding[Field] } = account
  if (podName !== undefined) bound.podName = podName
  if (podUid !== undefined) bound.podUid = podUid
  if (nodeName !== undefined) bound.nodeName = nodeName
  return account
}

function nameIn(value: JsonValue | undefined, what: string): string | undefined {
  return textIn(value, 'name', what)
}

function uidIn(value: JsonValue | undefined, what: string): string | undefined {
  return textIn(value, 'uid', what)
}

function textIn(value: JsonValue | undefined, member: string, what: string): string | undefined {
  if (value === undefined) return undefined
  const found = isJsonObject(value) ? value[member] : undefined
  if (typeof found !== 'string' || found === '') throw claimError(`${what} has no ${member}`)
  return found
}

/** RFC 1123 label. */
function isNamespace(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
}

/** RFC 1123 subdomain. */
function isObjectName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name)
}

function claimError(reason: string): PkiError<'ERR_JWT_CLAIM'> {
  return new PkiError('ERR_JWT_CLAIM', reason)
}

const userPrefix = 'system:serviceaccount:'
/** Not the issuer, which has no dot. */
const legacyClaims = 'kubernetes.io/serviceaccount'
