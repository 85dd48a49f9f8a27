// The extensions of a CRL, decoded on demand (RFC 5280 section 5.2).

import { freezeDeep } from '../../internal/freeze-deep.ts'
import { parseDistributionPoints, parseIssuingDistributionPoint } from '../extensions/distribution-points.ts'
import type { DistributionPoint, IssuingDistributionPoint } from '../extensions/distribution-points.ts'
import { extensionOids as oids } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { parseAuthorityKeyIdentifier } from '../extensions/key-extensions.ts'
import type { AuthorityKeyIdentifier } from '../extensions/key-extensions.ts'
import { parseCrlNumber } from '../extensions/revocation-extensions.ts'
import type { Tolerance } from '../tolerances.ts'
import type { EntryAttribution } from './crl-entries.ts'
import type { CrlParts } from './crl-fields.ts'
import { ifReadable } from './revoked-entry.ts'

/** The extensions of a list; `Crl` extends it. */
export abstract class CrlExtensions {
  /** Every extension of the list, known or unknown. */
  readonly extensions: readonly Extension[]
  /** The tolerances with which this list was read; frozen. */
  readonly tolerances: readonly Tolerance[]
  /**
   * False if an extension cannot be read, in a list that is used for its revocations only.
   *
   * @internal
   */
  readonly hasEveryExtension: boolean
  #decoded: Map<string, unknown> | undefined

  protected constructor(
    { extensions, hasEveryExtension }: Pick<CrlParts, 'extensions' | 'hasEveryExtension'>,
    tolerances: readonly Tolerance[],
  ) {
    this.hasEveryExtension = hasEveryExtension
    this.extensions = extensions
    this.tolerances = tolerances
  }

  /** Identifies the issuer's signing key (RFC 5280 §5.2.1). */
  get authorityKeyIdentifier(): AuthorityKeyIdentifier | undefined {
    return this.#decode(oids.authorityKeyIdentifier, parseAuthorityKeyIdentifier)
  }

  /** Increases from list to list (§5.2.3). */
  get crlNumber(): bigint | undefined {
    return this.#decode(oids.crlNumber, (der) => parseCrlNumber(der))
  }

  /** The number of the list that this one extends; undefined for a complete list. */
  get deltaCrlIndicator(): bigint | undefined {
    return this.#decode(oids.deltaCrlIndicator, (der) => parseCrlNumber(der))
  }

  /** The scope of the list, if it does not cover everything (§5.2.5). */
  get issuingDistributionPoint(): IssuingDistributionPoint | undefined {
    return this.#decode(oids.issuingDistributionPoint, parseIssuingDistributionPoint)
  }

  /** Locations of delta CRLs for this list (§5.2.6). */
  get freshestCrl(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.freshestCrl, (der, tolerances) =>
      parseDistributionPoints(der, 'freshestCRL', tolerances),
    )
  }

  /** The extension of this type, if present. */
  extension(oid: string): Extension | undefined {
    return this.extensions.find((extension) => extension.oid === oid)
  }

  /**
   * How the certificate issuer of an entry is determined (§5.3.3). A list without the indirectCRL flag has
   * entries of its own issuer only. If the flag cannot be read, the issuers that entries name apply. If the
   * list has two issuing distribution points, or an extension that cannot be read, an unreadable issuer of an
   * entry matches no certificate.
   *
   * @internal
   */
  protected attribution(): EntryAttribution {
    const scopes = this.extensions.filter(({ oid }) => oid === oids.issuingDistributionPoint).length
    if (scopes > 1 || !this.hasEveryExtension) return { inherits: true, unreadableIsOwn: false }
    if (scopes === 0) return { inherits: false, unreadableIsOwn: true }
    const isIndirect = ifReadable(() => this.issuingDistributionPoint)?.indirectCrl
    return { inherits: isIndirect !== false, unreadableIsOwn: isIndirect !== true }
  }

  #decode<T>(oid: string, parse: (der: Uint8Array, tolerances: readonly Tolerance[]) => T): T | undefined {
    const known = this.#decoded?.get(oid)
    if (known !== undefined) return known as T
    const extension = this.extension(oid)
    if (extension === undefined) return undefined
    const value = freezeDeep(parse(extension.value, this.tolerances))
    this.#decoded ??= new Map()
    this.#decoded.set(oid, value)
    return value
  }
}
