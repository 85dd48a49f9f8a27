// Encodes the extensions that builders accept as plain objects, for certificates and requests.

import type { PublicKey } from '../algorithms/public-key.ts'
import { encodeDistributionPoints } from './distribution-points.ts'
import { encodeInfoAccess } from './revocation-extensions.ts'
import type { DistributionPoint } from './distribution-points.ts'
import type { AccessDescription } from './revocation-extensions.ts'
import {
  encodeBasicConstraints,
  encodeNameConstraints,
  encodeCertificatePolicies,
  encodePolicyConstraints,
  encodePolicyMappings,
} from './constraints.ts'
import type { PolicyConstraints, PolicyMapping, GeneralSubtree } from './constraints.ts'
import type { Extension } from './extension.ts'
import {
  encodeAuthorityKeyIdentifier,
  encodeSubjectKeyIdentifier,
  KeyUsage,
  encodeExtendedKeyUsage,
} from './key-extensions.ts'
import type { KeyUsageName } from './key-extensions.ts'
import { encodeAltName } from '../names/general-name-encoder.ts'
import type { GeneralName } from '../names/general-name.ts'
import { extensionOids as oids, readable, requireExtensions } from './extension.ts'
import { extensionDecoder } from '../certificate/extension-parsers.ts'
import { integer } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'

/** Extensions by name; each is written with the criticality that RFC 5280 section 4.2 requires. @inline */
export interface ExtensionFields {
  /** Critical; a path length is allowed for CAs only (RFC 5280 §4.2.1.9). */
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number | undefined } | undefined
  /** Critical, at least one usage (§4.2.1.3). */
  readonly keyUsage?: readonly KeyUsageName[] | undefined
  /** Purposes as object identifiers. */
  readonly extendedKeyUsage?: readonly string[] | undefined
  /** Critical if the subject is empty (§4.2.1.6). */
  readonly subjectAltName?: readonly GeneralName[] | undefined
  /** Default: critical if and only if the subject is empty. */
  readonly subjectAltNameCritical?: boolean | undefined
  /** The octets, or the key to compute them from (RFC 7093 §2 method 1). */
  readonly subjectKeyIdentifier?: Uint8Array | PublicKey | undefined
  /** The issuer's subjectKeyIdentifier (§4.2.1.1). */
  readonly authorityKeyIdentifier?: Uint8Array | undefined
  /** Critical; for CAs (§4.2.1.10). */
  readonly nameConstraints?:
    | {
        readonly permitted?: readonly GeneralName[]
        readonly excluded?: readonly GeneralName[]
      }
    | undefined
  /** Object identifiers (§4.2.1.4). */
  readonly certificatePolicies?: readonly string[] | undefined
  /** Pairs of object identifiers; critical, for CAs (§4.2.1.5). */
  readonly policyMappings?: readonly PolicyMapping[] | undefined
  /** Critical, for CAs (§4.2.1.11). */
  readonly policyConstraints?: PolicyConstraints | undefined
  /** A number of certificates; critical, for CAs (§4.2.1.14). */
  readonly inhibitAnyPolicy?: number | undefined
  /** Locations of CRLs (§4.2.1.13). */
  readonly crlDistributionPoints?: readonly DistributionPoint[] | undefined
  /** Locations of the issuer's certificate and its OCSP responder (§4.2.2.1). */
  readonly authorityInfoAccess?: readonly AccessDescription[] | undefined
  /** Any other extension, already encoded. */
  readonly other?: readonly Extension[] | undefined
}

/**
 * The extensions in the order of RFC 5280's sections; `other` last, unchanged.
 *
 * @throws ERR_INVALID_ARGUMENT for a value that readers refuse (an empty list, a negative count), a value of
 *   another shape, or an unknown field name, also inside a value, so that a typo cannot silently omit an
 *   extension or a limit of it;
 *   ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_OID_INVALID
 */
export function encodeExtensionFields(fields: ExtensionFields, subjectIsEmpty: boolean): Extension[] {
  for (const name of Object.keys(requireObject(fields))) {
    if (!names.has(name))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `unknown extension name ${JSON.stringify(name)}; put other extensions into \`other\`, encoded`,
      )
  }
  const list: Extension[] = []
  const add = (oid: string, critical: boolean, value: Uint8Array | undefined): void => {
    if (value !== undefined) list.push({ oid, critical, value: readable(value, extensionDecoder(oid), oid) })
  }

  add(oids.authorityKeyIdentifier, false, encode(fields.authorityKeyIdentifier, encodeAuthorityKeyIdentifier))
  add(
    oids.subjectKeyIdentifier,
    false,
    encode(fields.subjectKeyIdentifier, (key) =>
      encodeSubjectKeyIdentifier(key instanceof Uint8Array ? key : key.keyIdentifier),
    ),
  )
  add(
    oids.keyUsage,
    true,
    encode(fields.keyUsage, (names) => KeyUsage.of(...names).toDer()),
  )
  add(oids.certificatePolicies, false, encode(fields.certificatePolicies, encodeCertificatePolicies))
  add(oids.policyMappings, true, encode(fields.policyMappings, encodePolicyMappings))
  add(
    oids.subjectAltName,
    isSanCritical(fields.subjectAltNameCritical, subjectIsEmpty),
    encode(fields.subjectAltName, encodeAltName),
  )
  add(oids.basicConstraints, true, encode(fields.basicConstraints, encodeBasicConstraintsOf))
  add(oids.nameConstraints, true, encode(fields.nameConstraints, encodeNameConstraintsOf))
  add(oids.policyConstraints, true, encode(fields.policyConstraints, encodePolicyConstraintsOf))
  add(oids.extendedKeyUsage, false, encode(fields.extendedKeyUsage, encodeExtendedKeyUsage))
  add(oids.crlDistributionPoints, false, encode(fields.crlDistributionPoints, encodeDistributionPoints))
  add(
    oids.inhibitAnyPolicy,
    true,
    encode(fields.inhibitAnyPolicy, (skip) => integer(skip)),
  )
  add(oids.authorityInfoAccess, false, encode(fields.authorityInfoAccess, encodeInfoAccess))
  return [...list, ...requireExtensions(fields.other ?? [])]
}

/**
 * Turns errors that an encoder throws for a value of another shape into ERR_INVALID_ARGUMENT.
 * @throws ERR_INVALID_ARGUMENT; errors of the encoder that have a code
 */
function encode<T>(value: T | undefined, encoder: (value: T) => Uint8Array): Uint8Array | undefined {
  if (value === undefined) return undefined
  try {
    return encoder(value)
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'the value of an extension does not have the shape of its type',
      {
        cause,
      },
    )
  }
}

function requireObject(fields: ExtensionFields): ExtensionFields {
  if (typeof (fields as unknown) === 'object' && (fields as unknown) !== null) return fields
  throw new PkiError('ERR_INVALID_ARGUMENT', 'extensions must be an object of values by their names')
}

type Value<Name extends keyof ExtensionFields> = NonNullable<ExtensionFields[Name]>

function encodeBasicConstraintsOf(value: Value<'basicConstraints'>): Uint8Array {
  const { ca, pathLength } = readOptions<Value<'basicConstraints'>>('basicConstraints', value, {
    ca: 'required',
    pathLength: 'optional',
  })
  if (typeof (ca as unknown) !== 'boolean')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `basicConstraints must have the boolean \`ca\`, found ${nameOf(ca)}`,
    )
  // §4.2.1.9: "CAs MUST NOT include the pathLenConstraint field unless the cA boolean is asserted".
  if (!ca && pathLength !== undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'basicConstraints: a pathLength is allowed for CAs only')
  return encodeBasicConstraints({ ca, pathLength })
}

function encodeNameConstraintsOf(value: Value<'nameConstraints'>): Uint8Array {
  // A list with the value undefined is refused, because it would permit every name, or exclude none.
  const { permitted = [], excluded = [] } = readOptions<Value<'nameConstraints'>>('nameConstraints', value, {
    permitted: 'guard',
    excluded: 'guard',
  })
  return encodeNameConstraints({ permitted: permitted.map(subtree), excluded: excluded.map(subtree) })
}

function encodePolicyConstraintsOf(value: PolicyConstraints): Uint8Array {
  return encodePolicyConstraints(
    readOptions<PolicyConstraints>('policyConstraints', value, {
      requireExplicitPolicy: 'optional',
      inhibitPolicyMapping: 'optional',
    }),
  )
}

function isSanCritical(given: unknown, subjectIsEmpty: boolean): boolean {
  if (given === undefined) return subjectIsEmpty
  if (typeof given === 'boolean') return given
  throw new PkiError('ERR_INVALID_ARGUMENT', 'subjectAltNameCritical must be a boolean')
}

function subtree(base: GeneralName): GeneralSubtree {
  return { base, minimum: 0, maximum: undefined }
}

/** The type makes the compiler check that no field is missing. */
const isName: Record<keyof ExtensionFields, true> = {
  basicConstraints: true,
  keyUsage: true,
  extendedKeyUsage: true,
  subjectAltName: true,
  subjectAltNameCritical: true,
  subjectKeyIdentifier: true,
  authorityKeyIdentifier: true,
  nameConstraints: true,
  certificatePolicies: true,
  policyMappings: true,
  policyConstraints: true,
  inhibitAnyPolicy: true,
  crlDistributionPoints: true,
  authorityInfoAccess: true,
  other: true,
}
const names: ReadonlySet<string> = new Set(Object.keys(isName))
