// The extensions of a certificate or request, each decoded on first use (RFC 5280 section 4.2).

import { DerReader } from '../../der/index.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { DistributionPoint } from '../extensions/distribution-points.ts'
import type { AccessDescription } from '../extensions/revocation-extensions.ts'
import {
  parseNameConstraints,
  parseCertificatePolicies,
  parseInhibitAnyPolicy,
  parsePolicyConstraints,
  parsePolicyMappings,
} from '../extensions/constraints.ts'
import type {
  BasicConstraints,
  NameConstraints,
  PolicyConstraints,
  PolicyInformation,
  PolicyMapping,
} from '../extensions/constraints.ts'
import { extensionOf, extensionOids as oids, scanExtensions } from '../extensions/extension.ts'
import type { Extension, ScannedExtension } from '../extensions/extension.ts'
import { parseAuthorityKeyIdentifier, parseSubjectKeyIdentifier } from '../extensions/key-extensions.ts'
import type { AuthorityKeyIdentifier, KeyUsage } from '../extensions/key-extensions.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import type { GeneralName } from '../names/general-name.ts'
import {
  extensionNames,
  locations,
  readInPart,
  parseAuthorityInfoAccess,
  parseBasicConstraints,
  parseCrlDistributionPoints,
  parseExtendedKeyUsage,
  parseFreshestCrl,
  parseIssuerAltName,
  parseKeyUsage,
  parseSubjectAltName,
  parseSubjectInfoAccess,
  parsers,
} from './extension-parsers.ts'
import type { Parser } from './extension-parsers.ts'

/**
 * Every extension by its place in the octets, without an object with a view for each. Not part of the
 * package's public API.
 */
export let scannedExtensions: (of: CertificateExtensions) => readonly ScannedExtension[]

/**
 * Extensions, with a typed getter each: undefined for an absent extension, a thrown `PkiError` for a
 * malformed value. Base class of certificates and requests.
 */
export abstract class CertificateExtensions {
  /** Undefined before the first access, where the octets are known to be well-formed. */
  #scanned: Scanned | undefined
  readonly #read: (() => DerReader | undefined) | undefined
  /** The value that `extensions` returned. */
  #extensions: readonly Extension[] | undefined
  /** Decoded values, each at the index of its extension. */
  #decoded: unknown[] | undefined
  /** The tolerances with which this object was read; frozen. */
  readonly tolerances: readonly Tolerance[]

  static {
    scannedExtensions = (of) => of.#list.list
  }

  /**
   * `list` is the content of `SEQUENCE OF Extension`, or an object that has already parsed it; undefined if
   * there are no extensions. A function is called on the first access to an extension; it is used for octets
   * that are known to be well-formed.
   */
  protected constructor(
    list: DerReader | CertificateExtensions | (() => DerReader | undefined) | undefined,
    tolerances: readonly Tolerance[] = noTolerances,
  ) {
    this.tolerances = tolerances
    if (list instanceof CertificateExtensions) {
      this.#read = list.#read
      this.#scanned = list.#scanned
      this.#extensions = list.#extensions
      this.#decoded = list.#decoded
    } else if (typeof list === 'function') this.#read = list
    else this.#scanned = scan(list, tolerances)
  }

  /** Every extension in the order of the encoding, known or unknown. Frozen. */
  get extensions(): readonly Extension[] {
    if (this.#extensions === undefined) {
      const { bytes, list } = this.#list
      this.#extensions = Object.freeze(list.map((found) => extensionOf(bytes, found)))
    }
    return this.#extensions
  }

  /** The extension of this type, if present. */
  extension(oid: string): Extension | undefined {
    const { bytes, list } = this.#list
    for (let at = 0; at < list.length; at++) {
      const found = list[at] as ScannedExtension
      if (found.oid === oid) return this.#extensions?.[at] ?? extensionOf(bytes, found)
    }
    return undefined
  }

  get #list(): Scanned {
    this.#scanned ??= scan(this.#read?.(), this.tolerances)
    return this.#scanned
  }

  /** Whether the subject is a CA, and its path length constraint (RFC 5280 §4.2.1.9). */
  get basicConstraints(): BasicConstraints | undefined {
    return this.#decode(oids.basicConstraints, parseBasicConstraints)
  }

  /** The allowed uses of the key (§4.2.1.3). */
  get keyUsage(): KeyUsage | undefined {
    return this.#decode(oids.keyUsage, parseKeyUsage)
  }

  /** Purposes as object identifiers; see `keyPurposeOids`. */
  get extendedKeyUsage(): readonly string[] | undefined {
    return this.#decode(oids.extendedKeyUsage, parseExtendedKeyUsage)
  }

  /** Names of the subject (§4.2.1.6). */
  get subjectAltName(): readonly GeneralName[] | undefined {
    return this.#decode(oids.subjectAltName, parseSubjectAltName)
  }

  /** Alternative names of the issuer (§4.2.1.7); path validation does not use them. */
  get issuerAltName(): readonly GeneralName[] | undefined {
    return this.#decode(oids.issuerAltName, parseIssuerAltName)
  }

  /** Identifier of the certified key (§4.2.1.2), in octets. */
  get subjectKeyIdentifier(): Uint8Array | undefined {
    return this.#decode(oids.subjectKeyIdentifier, parseSubjectKeyIdentifier)
  }

  /** The key identifier of the issuer (§4.2.1.1): a hint for building paths. */
  get authorityKeyIdentifier(): AuthorityKeyIdentifier | undefined {
    return this.#decode(oids.authorityKeyIdentifier, parseAuthorityKeyIdentifier)
  }

  /** Names that certificates below this CA may have (§4.2.1.10). */
  get nameConstraints(): NameConstraints | undefined {
    return this.#decode(oids.nameConstraints, parseNameConstraints)
  }

  /** Policies under which it was issued (§4.2.1.4). */
  get certificatePolicies(): readonly PolicyInformation[] | undefined {
    return this.#decode(oids.certificatePolicies, parseCertificatePolicies)
  }

  /** Mappings of policies between the domains of issuer and subject (§4.2.1.5). */
  get policyMappings(): readonly PolicyMapping[] | undefined {
    return this.#decode(oids.policyMappings, parsePolicyMappings)
  }

  /** The number of certificates after which a policy is required, or mapping is inhibited (§4.2.1.11). */
  get policyConstraints(): PolicyConstraints | undefined {
    return this.#decode(oids.policyConstraints, parsePolicyConstraints)
  }

  /** The number of certificates after which anyPolicy is no longer accepted (§4.2.1.14). */
  get inhibitAnyPolicy(): number | undefined {
    return this.#decode(oids.inhibitAnyPolicy, parseInhibitAnyPolicy)
  }

  /** Locations of CRLs (§4.2.1.13). */
  get crlDistributionPoints(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.crlDistributionPoints, parseCrlDistributionPoints)
  }

  /** Locations of delta CRLs (§4.2.1.15). */
  get freshestCrl(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.freshestCrl, parseFreshestCrl)
  }

  /** Locations of the issuer's certificate and its OCSP responder (§4.2.2.1). */
  get authorityInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#decode(oids.authorityInfoAccess, parseAuthorityInfoAccess)
  }

  /** Locations of services of the subject (§4.2.2.2). */
  get subjectInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#decode(oids.subjectInfoAccess, parseSubjectInfoAccess)
  }

  /**
   * Decodes every known extension now, except those that only give locations. @throws the first fault found
   */
  protected checkExtensions(): void {
    for (const { oid } of this.#list.list) {
      const parse = oid in locations ? undefined : parsers[oid]
      if (parse !== undefined) this.#decode(oid, parse)
    }
  }

  /**
   * Checks the extensions that only give locations (CRL distribution points, information access,
   * issuerAltName), including URI characters, and the qualifiers of policies. RFC 5280 section 6 does not
   * read them.
   *
   * @throws ERR_EXTENSION_MALFORMED, ERR_NAME_INVALID, ERR_STRING_INVALID,
   *   ERR_DER, …; the message names the extension
   */
  checkLocations(): void {
    const { bytes, list } = this.#list
    for (const { oid, start, end } of list) {
      const location = locations[oid] ?? readInPart[oid]
      if (location === undefined) continue
      const [name, parse] = location
      try {
        parse(new DerReader(bytes, start, end), name, this.tolerances, 'name')
      } catch (cause) {
        throw inExtension(name, cause)
      }
    }
  }

  #decode<T>(oid: string, parse: Parser<T>): T | undefined {
    const { bytes, list } = this.#list
    for (let at = 0; at < list.length; at++) {
      const { oid: found, start, end } = list[at] as ScannedExtension
      if (found !== oid) continue
      this.#decoded ??= new Array(list.length)
      return (this.#decoded[at] ??= this.#decodeNow(oid, new DerReader(bytes, start, end), parse)) as T
    }
    return undefined
  }

  #decodeNow<T>(oid: string, value: DerReader, parse: Parser<T>): T {
    try {
      return handedOut(parse(value, this.tolerances))
    } catch (cause) {
      throw inExtension(extensionNames[oid] ?? oid, cause)
    }
  }
}

/** The error with the name of the extension in its message. */
function inExtension(name: string, cause: unknown): unknown {
  return !isPkiError(cause) || cause.message.startsWith(name)
    ? cause
    : new PkiError(cause.code, `${name}: ${cause.message}`, { cause })
}

/** The octets, and where in them each extension is. */
interface Scanned {
  readonly bytes: Uint8Array
  readonly list: readonly ScannedExtension[]
}

function scan(list: DerReader | undefined, tolerances: readonly Tolerance[]): Scanned {
  if (list === undefined) return nothing
  return { bytes: list.bytes, list: scanExtensions(list, 'extensions', tolerances) }
}

/** Frozen, including all nested values. Octets cannot be frozen. */
function handedOut<T>(value: T): T {
  return Object.isFrozen(value) || ArrayBuffer.isView(value) ? value : freezeDeep(value)
}

const nothing: Scanned = Object.freeze({ bytes: new Uint8Array(), list: Object.freeze([]) })
