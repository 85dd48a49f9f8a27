// Trust anchors: RFC 5280 §6.1.1 (d), and RFC 5937 where an anchor is a
// certificate with constraints of its own.

import { freezeDeep } from '../internal/freeze-deep.ts'
import { requireCount } from '../internal/numbers.ts'
import { nameOf, readOptions } from '../internal/options.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import { Certificate, DistinguishedName, PublicKey } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { encodeNameConstraints, parseNameConstraints } from '../x509/internal.ts'
import type { GeneralSubtree, NameConstraints, PublicKeyInput, Tolerance } from '../x509/internal.ts'

/** A trusted name and key. */
export interface TrustAnchor {
  /** The issuer name of certificates below the anchor. */
  readonly subject: DistinguishedName
  /** The key that verifies their signatures. */
  readonly publicKey: PublicKey
  /** The certificate of the anchor, if given as one. */
  readonly certificate: Certificate | undefined
  /** Constraints on every path that ends at this anchor. */
  readonly nameConstraints: NameConstraints | undefined
}

/** An anchor without a certificate; the name as RFC 4514 text, or parsed. @inline */
interface TrustAnchorFields {
  /** The name that certificates give as their issuer. */
  readonly subject: DistinguishedName | string
  /** The key that verifies their signatures. */
  readonly publicKey: PublicKeyInput
  /** The permitted and excluded names of paths below it (RFC 5937). */
  readonly nameConstraints?: NameConstraints
}

/** A certificate in any form, or a name with a key. @inline */
export type TrustAnchorInput = CertificateInput | TrustAnchorFields

/**
 * A trust anchor from the caller's input; its octets are copied.
 *
 * @throws as `Certificate.from`, `PublicKey.from` and
 *   `DistinguishedName.parse`; errors of reading subject and constraints
 */
export function trustAnchorFrom(input: TrustAnchorInput, tolerances: readonly Tolerance[]): TrustAnchor {
  if (isFields(input)) {
    const { subject, publicKey, nameConstraints } = readOptions<TrustAnchorFields>('a trust anchor', input, {
      subject: 'required',
      publicKey: 'required',
      // If it were omitted by mistake, the anchor would accept every name.
      nameConstraints: 'guard',
    })
    return Object.freeze({
      subject:
        typeof subject === 'string'
          ? DistinguishedName.parse(subject)
          : DistinguishedName.fromDer(subject.der),
      publicKey: PublicKey.fromSpki(PublicKey.from(publicKey).spki),
      certificate: undefined,
      nameConstraints:
        nameConstraints === undefined ? undefined : ownConstraints(nameConstraints, tolerances),
    })
  }
  const certificate = ownCertificate(input, tolerances)
  void certificate.subject.comparisonKey
  return Object.freeze({
    subject: certificate.subject,
    publicKey: certificate.publicKey,
    certificate,
    nameConstraints: certificate.nameConstraints,
  })
}

/**
 * A copy, read like the extension of a certificate: a misspelt list name or a malformed subtree would permit
 * names that the caller excludes.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
function ownConstraints(given: NameConstraints, tolerances: readonly Tolerance[]): NameConstraints {
  const what = 'nameConstraints of a trust anchor'
  const { permitted = [], excluded = [] } = readOptions<Partial<NameConstraints>>(what, given, {
    permitted: 'guard',
    excluded: 'guard',
  })
  const own = { permitted: ownSubtrees(what, permitted), excluded: ownSubtrees(what, excluded) }
  if (own.permitted.length + own.excluded.length === 0)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${what}: expected at least one subtree, permitted or excluded`,
    )
  try {
    return freezeDeep(parseNameConstraints(encodeNameConstraints(own), tolerances))
  } catch (cause) {
    const reason = isPkiError(cause) ? cause.message : 'its base is not a GeneralName'
    throw new PkiError('ERR_INVALID_ARGUMENT', `${what}: a subtree cannot be read: ${reason}`, { cause })
  }
}

function ownSubtrees(what: string, list: readonly GeneralSubtree[]): readonly GeneralSubtree[] {
  if (!Array.isArray(list))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${what} must have two arrays, found ${nameOf(list)}`)
  return (list as readonly GeneralSubtree[]).map((given) => {
    const { base, minimum, maximum } = readOptions<GeneralSubtree>(`${what}: a subtree`, given, {
      base: 'required',
      minimum: 'required',
      maximum: 'optional',
    })
    return {
      base,
      minimum: requireCount(`${what}: minimum`, minimum, 0, maxCount),
      maximum: maximum === undefined ? undefined : requireCount(`${what}: maximum`, maximum, 0, maxCount),
    }
  })
}

/** The largest INTEGER that the extension is read with. */
const maxCount = 0x7fffffff

/** A certificate over private octets. @throws as `Certificate.from` */
export function ownCertificate(input: CertificateInput, tolerances: readonly Tolerance[]): Certificate {
  const { der, tolerances: known } = Certificate.from(input, { tolerances })
  return Certificate.parse(der.slice(), { tolerances: known })
}

function isFields(input: TrustAnchorInput): input is TrustAnchorFields {
  if (
    typeof input !== 'object' ||
    input instanceof Uint8Array ||
    input instanceof Certificate ||
    !('publicKey' in input)
  )
    return false
  // Certificates of node:crypto also have subject (text) and publicKey, those of @peculiar have rawData.
  if ('raw' in input || 'rawData' in input) return false
  if (typeof input.subject !== 'string' && !(input.subject instanceof DistinguishedName)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'the subject of a trust anchor must be a DistinguishedName or RFC 4514 text, ' +
        `found ${nameOf(input.subject)}`,
    )
  }
  return true
}
