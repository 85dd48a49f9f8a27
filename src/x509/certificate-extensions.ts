// The extensions of a certificate, each decoded when first asked for: RFC 5280 section 4.2.

import type { DerReader } from '../der/index.ts'
import { parseInfoAccess, parseDistributionPoints } from './extensions/revocation-extensions.ts'
import type { AccessDescription, DistributionPoint } from './extensions/revocation-extensions.ts'
import {
  parseBasicConstraints,
  parseNameConstraints,
  parseCertificatePolicies,
  parseInhibitAnyPolicy,
  parsePolicyConstraints,
  parsePolicyMappings,
} from './extensions/constraints.ts'
import type {
  BasicConstraints,
  NameConstraints,
  PolicyConstraints,
  PolicyInformation,
  PolicyMapping,
} from './extensions/constraints.ts'
import { readExtensions, extensionOids as oids } from './extensions/extension.ts'
import type { Extension } from './extensions/extension.ts'
import {
  parseAuthorityKeyIdentifier,
  parseSubjectKeyIdentifier,
  KeyUsage,
  parseExtendedKeyUsage,
} from './extensions/key-extensions.ts'
import type { AuthorityKeyIdentifier } from './extensions/key-extensions.ts'
import { parseAltName } from './names/general-name.ts'
import type { GeneralName } from './names/general-name.ts'

/**
 * Extensions with a typed getter each: undefined where the extension is absent, a `PkiError` where its value is malformed.
 * Certificates have them, and requests ask for them.
 */
export abstract class CertificateExtensions {
  /** Every extension in the order of the encoding, known or not. */
  readonly extensions: readonly Extension[]
  /** Values that were asked for, each at the place of its extension. */
  #decoded: unknown[] | undefined

  /** `list` is the content of `SEQUENCE OF Extension`, or who has read it before; undefined where there are none. */
  protected constructor(list: DerReader | CertificateExtensions | undefined) {
    if (list instanceof CertificateExtensions) {
      this.extensions = list.extensions
      this.#decoded = list.#decoded
    } else {
      this.extensions = list === undefined ? none : readExtensions(list, 'extensions')
    }
  }

  /** The extension of this type, if present. */
  extension(oid: string): Extension | undefined {
    for (const extension of this.extensions) if (extension.oid === oid) return extension
    return undefined
  }

  /** Whether the subject is a CA, and how many CAs may follow (RFC 5280 §4.2.1.9). */
  get basicConstraints(): BasicConstraints | undefined {
    return this.#decode(oids.basicConstraints, parseBasicConstraints)
  }

  /** What the key may be used for (§4.2.1.3). */
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

  /** Further names of the issuer (§4.2.1.7); nothing is decided by them. */
  get issuerAltName(): readonly GeneralName[] | undefined {
    return this.#decode(oids.issuerAltName, parseIssuerAltName)
  }

  /** Identifier of the certified key (§4.2.1.2), in octets. */
  get subjectKeyIdentifier(): Uint8Array | undefined {
    return this.#decode(oids.subjectKeyIdentifier, parseSubjectKeyIdentifier)
  }

  /** Which key of the issuer signed (§4.2.1.1): a hint for building paths. */
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

  /** Policies of the subject's domain that count as others of the issuer's (§4.2.1.5). */
  get policyMappings(): readonly PolicyMapping[] | undefined {
    return this.#decode(oids.policyMappings, parsePolicyMappings)
  }

  /** After how many certificates a policy is required, or mapping inhibited (§4.2.1.11). */
  get policyConstraints(): PolicyConstraints | undefined {
    return this.#decode(oids.policyConstraints, parsePolicyConstraints)
  }

  /** After how many certificates anyPolicy counts no more (§4.2.1.14). */
  get inhibitAnyPolicy(): number | undefined {
    return this.#decode(oids.inhibitAnyPolicy, parseInhibitAnyPolicy)
  }

  /** Where its CRLs are (§4.2.1.13). */
  get crlDistributionPoints(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.crlDistributionPoints, parseCrlDistributionPoints)
  }

  /** Where delta CRLs are (§4.2.1.15). */
  get freshestCrl(): readonly DistributionPoint[] | undefined {
    return this.#decode(oids.freshestCrl, parseFreshestCrl)
  }

  /** Where the issuer's certificate and its OCSP responder are (§4.2.2.1). */
  get authorityInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#decode(oids.authorityInfoAccess, parseAuthorityInfoAccess)
  }

  /** Where services of the subject are (§4.2.2.2). */
  get subjectInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#decode(oids.subjectInfoAccess, parseSubjectInfoAccess)
  }

  /** Decodes every known extension now. @throws the first fault found */
  protected checkExtensions(): void {
    for (const { oid } of this.extensions) {
      const parse = parsers[oid]
      if (parse !== undefined) this.#decode(oid, parse)
    }
  }

  #decode<T>(oid: string, parse: (der: Uint8Array) => T): T | undefined {
    const { extensions } = this
    for (let at = 0; at < extensions.length; at++) {
      const extension = extensions[at] as Extension
      if (extension.oid !== oid) continue
      this.#decoded ??= new Array(extensions.length)
      return (this.#decoded[at] ??= parse(extension.value)) as T
    }
    return undefined
  }
}

/** The decoder of a certificate extension; undefined where the type is not known. */
export function extensionDecoder(oid: string): ((der: Uint8Array) => unknown) | undefined {
  return parsers[oid]
}

const parseKeyUsage = (der: Uint8Array): KeyUsage => KeyUsage.parse(der)
const parseSubjectAltName = (der: Uint8Array): readonly GeneralName[] => parseAltName(der, 'subjectAltName')
const parseIssuerAltName = (der: Uint8Array): readonly GeneralName[] => parseAltName(der, 'issuerAltName')
const parseCrlDistributionPoints = (der: Uint8Array): readonly DistributionPoint[] =>
  parseDistributionPoints(der, 'cRLDistributionPoints')
const parseFreshestCrl = (der: Uint8Array): readonly DistributionPoint[] =>
  parseDistributionPoints(der, 'freshestCRL')
const parseAuthorityInfoAccess = (der: Uint8Array): readonly AccessDescription[] =>
  parseInfoAccess(der, 'authorityInfoAccess')
const parseSubjectInfoAccess = (der: Uint8Array): readonly AccessDescription[] =>
  parseInfoAccess(der, 'subjectInfoAccess')

const parsers: Readonly<Record<string, ((der: Uint8Array) => unknown) | undefined>> = {
  [oids.basicConstraints]: parseBasicConstraints,
  [oids.keyUsage]: parseKeyUsage,
  [oids.extendedKeyUsage]: parseExtendedKeyUsage,
  [oids.subjectAltName]: parseSubjectAltName,
  [oids.issuerAltName]: parseIssuerAltName,
  [oids.subjectKeyIdentifier]: parseSubjectKeyIdentifier,
  [oids.authorityKeyIdentifier]: parseAuthorityKeyIdentifier,
  [oids.nameConstraints]: parseNameConstraints,
  [oids.certificatePolicies]: parseCertificatePolicies,
  [oids.policyMappings]: parsePolicyMappings,
  [oids.policyConstraints]: parsePolicyConstraints,
  [oids.inhibitAnyPolicy]: parseInhibitAnyPolicy,
  [oids.crlDistributionPoints]: parseCrlDistributionPoints,
  [oids.freshestCrl]: parseFreshestCrl,
  [oids.authorityInfoAccess]: parseAuthorityInfoAccess,
  [oids.subjectInfoAccess]: parseSubjectInfoAccess,
}

const none: readonly Extension[] = []
