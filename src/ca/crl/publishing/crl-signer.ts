// Signs the lists of one CA certificate, in turns of the event loop, and lints them.

import type { Turns } from '../../../internal/turns/turns.ts'
import { extensionOids, generalName } from '../../../x509/index.ts'
import type { Certificate, Crl, GeneralName, Signer } from '../../../x509/index.ts'
import {
  assembleCrl,
  encodeCrlFrame,
  encodeDistributionPoints,
  requireSigner,
} from '../../../x509/internal.ts'
import { signLongChecked } from '../../authority/sign-checked.ts'
import { crlFieldLints } from '../../lints/crl-lints.ts'
import { runLints } from '../../lints/run-lints.ts'
import { pointOf } from '../crl-shards.ts'
import type { EntryRuns } from '../entry-runs.ts'

/** The content of one list. @inline */
export interface CrlContent {
  readonly runs: EntryRuns
  readonly thisUpdateMs: number
  readonly ttlSeconds: number
  readonly crlNumber: bigint
  /** The number of the complete list that a delta adds to. */
  readonly baseNumber?: bigint | undefined
  /** The last list of the scope. */
  readonly previous: Crl | undefined
  readonly lastNumber: bigint | undefined
  /** The earlier clock that the operator accepted, if lists of later times may be replaced. */
  readonly acceptedMs?: number | undefined
  /** The URL of the list of a shard. */
  readonly url: string | undefined
  /** The URL of the deltas of a complete list. */
  readonly freshestUrl?: string | undefined
}

/** Signs lists with the key of one CA certificate. */
export class CrlSigner {
  readonly #certificate: Certificate
  readonly #signer: Signer

  constructor(certificate: Certificate, signer: Signer) {
    this.#certificate = certificate
    this.#signer = signer
  }

  /** @throws ERR_LINT, ERR_CA_SIGNATURE; the errors of the signer */
  async sign(content: CrlContent, turns: Turns): Promise<Crl> {
    const { runs, thisUpdateMs, ttlSeconds, crlNumber, baseNumber, previous, freshestUrl } = content
    const { subject, notAfterMs, publicKey, subjectKeyIdentifier } = this.#certificate
    const { signatureAlgorithm } = requireSigner(this.#signer)
    const names = scopeNames(content)
    const frame = encodeCrlFrame(
      {
        issuer: subject,
        thisUpdate: new Date(thisUpdateMs),
        nextUpdate: new Date(Math.min(thisUpdateMs + ttlSeconds * 1000, notAfterMs)),
        crlNumber,
        ...(baseNumber === undefined ? {} : { deltaCrlIndicator: baseNumber }),
        authorityKeyIdentifier: subjectKeyIdentifier as Uint8Array,
        ...(names.length === 0 ? {} : { issuingDistributionPoint: { name: { fullName: names } } }),
        other: freshestUrl === undefined ? [] : [freshest(freshestUrl)],
      },
      signatureAlgorithm,
    )
    const isDelta = baseNumber !== undefined
    const pieces = await runs.encoded({ thisUpdateMs, isDelta }, turns)
    const list = await assembleCrl(
      {
        ...{ frame, pieces, count: runs.count, algorithm: signatureAlgorithm },
        sign: (tbs) => signLongChecked(tbs, signatureAlgorithm, this.#signer, publicKey, turns),
      },
      turns,
    )
    runLints(crlFieldLints, {
      ...{ list, issuer: this.#certificate, previous, maxTtlSeconds: ttlSeconds, maxOctets },
      lastNumber: content.lastNumber ?? 0n,
      acceptedMs: content.acceptedMs,
    })
    return list
  }
}

/**
 * The names of a shard: those of its last list, so that certificates issued under an earlier URL stay in its
 * scope, and the current URL.
 */
function scopeNames({ previous, url }: CrlContent): readonly GeneralName[] {
  const before = previous?.issuingDistributionPoint?.name
  const names = before !== undefined && 'fullName' in before ? [...before.fullName] : []
  const isNew = url !== undefined && !names.some((name) => name.type === 'uri' && name.value === url)
  return isNew ? [...names, generalName.uri(url)] : names
}

/** RFC 5280 §5.2.6: not critical. */
function freshest(url: string): {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
} {
  return { oid: extensionOids.freshestCrl, critical: false, value: encodeDistributionPoints([pointOf(url)]) }
}

/** About 1.4 million entries. */
const maxOctets = 64 * 1024 * 1024
