// Templates for generating a key pair (PKCS #11 v3.0 section 4): sensitive,
// never extractable, for signing only.

import type { KeyAlgorithm } from '../../../keys/index.ts'
import { ck } from '../cryptoki/cryptoki.ts'
import type { Attribute } from '../cryptoki/cryptoki.ts'
import { ecParameters, ed25519Identifier, edwards25519Parameters } from './ec-point.ts'
import type { CurveName } from '../../../x509/internal.ts'
import { longName, shortName } from './key-name.ts'
import type { KeyTag, ObjectName } from './key-name.ts'

/** The arguments of C_GenerateKeyPair. */
export interface KeyPairTemplates {
  readonly mechanism: number
  readonly publicTemplate: readonly Attribute[]
  readonly privateTemplate: readonly Attribute[]
}

/** One variant of the templates. Vendors refuse different attributes, and no return value identifies it. */
export interface TemplateVariant {
  readonly name: (id: string, tag: KeyTag) => ObjectName
  /** Whether the private key is explicitly denied unneeded uses. */
  readonly deniesOtherUses: boolean
  /** The difference of this variant, for the log. */
  readonly change: string
}

/** In the order in which they are tried. */
export const templateVariants: readonly TemplateVariant[] = [
  { name: longName, deniesOtherUses: true, change: 'none' },
  { name: shortName, deniesOtherUses: true, change: 'CKA_ID of 2 octets' },
  { name: longName, deniesOtherUses: false, change: 'without CKA_DECRYPT, CKA_DERIVE, CKA_UNWRAP' },
  {
    name: shortName,
    deniesOtherUses: false,
    change: 'CKA_ID of 2 octets, without CKA_DECRYPT, CKA_DERIVE, CKA_UNWRAP',
  },
]

/** The attributes that the templates have beyond the kind of key, for messages. */
export const templateAttributes =
  'CKA_TOKEN, CKA_ID, CKA_LABEL, CKA_VERIFY, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_SIGN'

/**
 * The mechanism and the templates of a key pair. CKA_PRIVATE of the public half is left to the token: AWS
 * CloudHSM accepts only TRUE, and the session is logged in whenever the public key is read.
 */
export function keyPairTemplates(
  algorithm: KeyAlgorithm,
  { label, objectId }: ObjectName,
  { deniesOtherUses }: Pick<TemplateVariant, 'deniesOtherUses'>,
  curveForm: CurveForm = 'name',
): KeyPairTemplates {
  const kind = kindOf(algorithm, curveForm)
  const common: Attribute[] = [
    { type: ck.CKA_KEY_TYPE, value: kind.keyType },
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_ID, value: objectId },
    { type: ck.CKA_LABEL, value: label },
  ]
  return {
    mechanism: kind.mechanism,
    publicTemplate: [
      { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
      ...common,
      { type: ck.CKA_VERIFY, value: true },
      ...kind.parameters,
    ],
    privateTemplate: [
      { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
      ...common,
      { type: ck.CKA_PRIVATE, value: true },
      { type: ck.CKA_SENSITIVE, value: true },
      { type: ck.CKA_EXTRACTABLE, value: false },
      { type: ck.CKA_SIGN, value: true },
      ...(deniesOtherUses ? otherUses : []),
    ],
  }
}

/**
 * The forms of the curve in CKA_EC_PARAMS, in the order in which they are tried. Ed25519 has a name in
 * PKCS #11 v3.0 section 2.3.10, and an object identifier in v3.1 and other tokens.
 */
export function curveForms(algorithm: KeyAlgorithm): readonly [first: CurveForm, other?: CurveForm] {
  return algorithm === 'Ed25519' ? ['name', 'identifier'] : ['name']
}

/** How CKA_EC_PARAMS states the curve Ed25519. */
export type CurveForm = 'name' | 'identifier'

function kindOf(
  algorithm: KeyAlgorithm,
  curveForm: CurveForm,
): {
  readonly keyType: number
  readonly mechanism: number
  readonly parameters: readonly Attribute[]
} {
  const bits = /^RSA-(?:PSS-)?(\d{4})$/.exec(algorithm)?.[1]
  if (bits !== undefined) {
    return {
      keyType: ck.CKK_RSA,
      mechanism: ck.CKM_RSA_PKCS_KEY_PAIR_GEN,
      parameters: [
        { type: ck.CKA_MODULUS_BITS, value: Number(bits) },
        { type: ck.CKA_PUBLIC_EXPONENT, value: Buffer.from('010001', 'hex') },
      ],
    }
  }
  if (algorithm === 'Ed25519') {
    const value = curveForm === 'name' ? edwards25519Parameters : ed25519Identifier
    const parameters = [{ type: ck.CKA_EC_PARAMS, value }]
    return { keyType: ck.CKK_EC_EDWARDS, mechanism: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, parameters }
  }
  return {
    keyType: ck.CKK_EC,
    mechanism: ck.CKM_EC_KEY_PAIR_GEN,
    parameters: [{ type: ck.CKA_EC_PARAMS, value: ecParameters(algorithm as CurveName) }],
  }
}

const otherUses: readonly Attribute[] = [
  { type: ck.CKA_DECRYPT, value: false },
  { type: ck.CKA_DERIVE, value: false },
  { type: ck.CKA_UNWRAP, value: false },
]
