// Encodes the state of a workload as messages of the Workload API (rules W-10 to W-13).

import { create } from '@bufbuild/protobuf'
import type { WorkloadState } from '../../../secrets/internal.ts'
import type { TrustBundle } from '../../../svid/index.ts'
import {
  JWTBundlesResponseSchema,
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../gen/spiffe/workload_pb.ts'
import { encode } from '../protobuf.ts'

/** The identities with their keys; undefined if none is valid at this time. */
export function encodeX509Svids(state: WorkloadState, nowMs: number): Buffer | undefined {
  const { identities, bundles, crls } = state
  const valid = identities.filter(({ svid }) => svid.leaf.notAfterMs >= nowMs)
  if (valid.length === 0) return undefined
  const bundleOf = (name: string): Uint8Array =>
    bundles.find(({ trustDomain }) => trustDomain.name === name)?.toDer() ?? new Uint8Array()
  const own = new Set(valid.map(({ svid }) => svid.id.trustDomain.name))
  return encode(
    X509SVIDResponseSchema,
    create(X509SVIDResponseSchema, {
      svids: withUniqueHints(valid).map(({ svid, privateKey, hint }) => ({
        spiffeId: svid.id.toString(),
        x509Svid: new Uint8Array(Buffer.concat(svid.certificates.map(({ der }) => der))),
        x509SvidKey: new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' })),
        bundle: bundleOf(svid.id.trustDomain.name),
        hint: hint ?? '',
      })),
      crl: crls.map(({ der }) => new Uint8Array(der)),
      federatedBundles: byTrustDomain(
        bundles.filter(({ trustDomain }) => !own.has(trustDomain.name)),
        (bundle) => bundle.toDer(),
      ),
    }),
  )
}

/** The X.509 authorities of every trust domain. */
export function encodeX509Bundles({ bundles, crls }: WorkloadState): Buffer {
  return encode(
    X509BundlesResponseSchema,
    create(X509BundlesResponseSchema, {
      crl: crls.map(({ der }) => new Uint8Array(der)),
      bundles: byTrustDomain(bundles, (bundle) => bundle.toDer()),
    }),
  )
}

/**
 * The JWT authorities of every trust domain, as JWK sets: keys have `kid` but no `use`, as in SPIRE (R21).
 */
export function encodeJwtBundles({ bundles }: WorkloadState): Buffer {
  return encode(
    JWTBundlesResponseSchema,
    create(JWTBundlesResponseSchema, { bundles: byTrustDomain(bundles, jwkSet) }),
  )
}

function jwkSet({ jwtAuthorities }: TrustBundle): Uint8Array {
  const keys = jwtAuthorities.map((authority) => {
    const { use: _bundleFormat, ...jwk } = authority.toJwk()
    return jwk
  })
  return new Uint8Array(Buffer.from(JSON.stringify({ keys })))
}

/** If two identities have the same hint, it is removed from the second (W-12): clients use the first. */
export function withUniqueHints(identities: WorkloadState['identities']): WorkloadState['identities'] {
  const seen = new Set<string>()
  return identities.map((identity) => {
    const { hint } = identity
    if (hint === undefined || hint === '') return identity
    const taken = seen.has(hint) || Buffer.byteLength(hint) > maxHintBytes
    seen.add(hint)
    return taken ? { ...identity, hint: undefined } : identity
  })
}

function byTrustDomain(
  bundles: readonly TrustBundle[],
  value: (bundle: TrustBundle) => Uint8Array,
): Record<string, Uint8Array> {
  return Object.fromEntries(bundles.map((bundle) => [bundle.trustDomain.idString, value(bundle)]))
}

const maxHintBytes = 1024
