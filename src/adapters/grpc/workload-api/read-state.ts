// Reads and verifies responses of a Workload API before use: identity, key, chain, bundles (rules W-8, W-10
// to W-13).

import type { KeyObject } from 'node:crypto'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { parseJson } from '../../../internal/json.ts'
import { loadPrivateKey } from '../../../keys/internal.ts'
import type { Logger } from '../../../runtime/index.ts'
import type { WorkloadState } from '../../../secrets/internal.ts'
import { SpiffeId, TrustDomain } from '../../../spiffe/index.ts'
import { JwtAuthority, TrustBundle, X509Svid, X509SvidValidator } from '../../../svid/index.ts'
import { Crl, PublicKey } from '../../../x509/index.ts'
import type { JWTBundlesResponse, X509SVID, X509SVIDResponse } from '../gen/spiffe/workload_pb.ts'

type Identity = WorkloadState['identities'][number]

/**
 * The state in a response. An unreadable bundle or revocation list is skipped and logged; no certificate of
 * the bundle's trust domain is then trusted.
 *
 * @throws ERR_WORKLOAD_API for a response that must be discarded (W-8), with the fault
 */
export function readX509State(response: X509SVIDResponse, nowMs: number, logger: Logger): WorkloadState {
  if (response.svids.length === 0) throw malformed('it has no X.509-SVID (W-12)')
  if (response.svids.length > maxIdentities)
    throw malformed(`it has ${response.svids.length} X.509-SVIDs; the maximum is ${maxIdentities}`)
  const hints = new Set<string>()
  const bundles = new Map<string, TrustBundle>()
  const identities: Identity[] = []
  for (const svid of response.svids) {
    const { identity, bundle } = readIdentity(svid, nowMs)
    // If two have the same hint, the first is used (W-12).
    const known = svid.hint !== '' && hints.has(svid.hint)
    hints.add(svid.hint)
    if (!known) identities.push(identity)
    bundles.set(bundle.trustDomain.name, bundle)
  }
  for (const [key, der] of Object.entries(response.federatedBundles)) {
    const bundle = attempt(logger, key, () => {
      const trustDomain = TrustDomain.from(key)
      return TrustBundle.fromDer(der, { trustDomain })
    })
    // A federated bundle never replaces the bundle of an own trust domain (F-4).
    if (bundle !== undefined && !bundles.has(bundle.trustDomain.name))
      bundles.set(bundle.trustDomain.name, bundle)
  }
  const crls = response.crl.map((der, at) =>
    attempt(logger, `revocation list ${at}`, () => Crl.parse(der.slice())),
  )
  return Object.freeze({
    identities: Object.freeze(identities),
    bundles: Object.freeze([...bundles.values()]),
    crls: Object.freeze(crls.filter((crl) => crl !== undefined)),
  })
}

/** JWT authorities by name of the trust domain; a set that is unreadable or no bundle is skipped. */
export function readJwtBundles(
  response: JWTBundlesResponse,
  logger: Logger,
): ReadonlyMap<string, readonly JwtAuthority[]> {
  const found = new Map<string, readonly JwtAuthority[]>()
  for (const [key, jwks] of Object.entries(response.bundles)) {
    const bundle = attempt(logger, key, () => new TrustBundle(key, { jwtAuthorities: readJwkSet(jwks) }))
    if (bundle !== undefined) found.set(bundle.trustDomain.name, bundle.jwtAuthorities)
  }
  return found
}

function readIdentity(
  { spiffeId, x509Svid, x509SvidKey, bundle: der, hint }: X509SVID,
  nowMs: number,
): { readonly identity: Identity; readonly bundle: TrustBundle } {
  const id = SpiffeId.tryParse(spiffeId)
  if (id === undefined) throw malformed(`${JSON.stringify(spiffeId.slice(0, 256))} is not a SPIFFE ID`)
  try {
    const { trustDomain } = id
    const svid = new X509Svid(TrustBundle.fromDer(x509Svid, { trustDomain }).x509Authorities)
    if (!svid.id.equals(id))
      throw malformed(`the X.509-SVID of ${id.toString()} is for ${svid.id.toString()}`)
    const privateKey = readKey(x509SvidKey)
    if (!PublicKey.from(privateKey).equals(svid.leaf.publicKey))
      throw malformed(`the private key of ${id.toString()} does not match its certificate`)
    const bundle = TrustBundle.fromDer(der, { trustDomain })
    const verdict = new X509SvidValidator({ bundles: bundle }).verify(svid.certificates, {
      id,
      time: new Date(nowMs),
    })
    if (!verdict.ok)
      throw malformed(`the X.509-SVID of ${id.toString()} is refused: ${verdict.rejected[0]?.message ?? ''}`)
    return { identity: Object.freeze({ svid, privateKey, ...(hint === '' ? {} : { hint }) }), bundle }
  } catch (cause) {
    if (isPkiError(cause, 'ERR_WORKLOAD_API')) throw cause
    throw malformed(`the X.509-SVID of ${id.toString()} cannot be read: ${String(cause)}`, cause)
  }
}

/** The curve or size of the key is checked before the platform imports it. */
function readKey(der: Uint8Array): KeyObject {
  try {
    return loadPrivateKey(der, 'PKCS#8')
  } catch (cause) {
    throw malformed(`a private key cannot be read as PKCS #8 in DER: ${(cause as Error).message}`, cause)
  }
}

/**
 * Keys have `kid`; `use` is absent or ignored (R21). A key of another type does not affect the others (B-5).
 */
function readJwkSet(jwks: Uint8Array): readonly JwtAuthority[] {
  if (jwks.length > maxJwksBytes)
    throw malformed(`a JWK set has ${jwks.length} octets; the maximum is ${maxJwksBytes}`)
  const { keys } = Object(parseJson(jwks)) as { readonly keys?: unknown }
  if (!Array.isArray(keys)) throw malformed('a JWK set has no keys')
  const authorities: JwtAuthority[] = []
  for (const jwk of keys.slice(0, maxJwtKeys)) {
    try {
      authorities.push(JwtAuthority.fromJwk(Object(jwk) as Record<string, unknown>))
    } catch (error) {
      if (!isPkiError(error)) throw error
    }
  }
  return Object.freeze(authorities)
}

function attempt<Result>(logger: Logger, what: string, read: () => Result): Result | undefined {
  try {
    return read()
  } catch (error) {
    logger.warn(
      { what: what.slice(0, 256), reason: String(error) },
      'a part of the Workload API response is ignored',
    )
    return undefined
  }
}

function malformed(reason: string, cause?: unknown): PkiError {
  return new PkiError('ERR_WORKLOAD_API', `the Workload API response is discarded: ${reason}`, { cause })
}

const maxIdentities = 10_000
const maxJwksBytes = 1024 * 1024
const maxJwtKeys = 1_000
