// The part of Cryptoki that this adapter uses: functions of `pkcs11js`, and
// numbers of PKCS #11 v2.40 and v3.0.

import { PkiError } from '../../../errors/index.ts'

/** A slot, session or object handle: the 8 (or 4) octets of a CK_ULONG. Valid for one C_Initialize only. */
export type Handle = Buffer

/**
 * One attribute of a template. `undefined` as value would silently drop a
 * search filter, so it is not allowed.
 */
export interface Attribute {
  readonly type: number
  readonly value: number | boolean | string | Buffer
}

/** A mechanism with its parameter. */
export interface Mechanism {
  readonly mechanism: number
  readonly parameter?: {
    readonly type: number
    readonly hashAlg: number
    readonly mgf: number
    readonly saltLen: number
  }
}

/** The fields of CK_TOKEN_INFO that are read; text fields are blank-padded. */
export interface TokenInfo {
  readonly label: string
  readonly serialNumber: string
  readonly manufacturerID: string
  readonly model: string
  readonly flags: number
}

/**
 * The methods of a `pkcs11js` PKCS11 object that are used. All but the
 * `…Async` ones block until the token answers.
 */
export interface Cryptoki {
  load(path: string): void
  close(): void
  C_Initialize(options: { readonly flags: number }): void
  C_Finalize(): void
  C_GetSlotList(tokenPresent: boolean): Handle[]
  C_GetTokenInfo(slot: Handle): TokenInfo
  C_GetMechanismList(slot: Handle): number[]
  C_OpenSession(slot: Handle, flags: number): Handle
  C_CloseSession(session: Handle): void
  C_GetSessionInfo(session: Handle): { readonly state: number }
  C_Login(session: Handle, userType: number, pin: string): void
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void
  C_FindObjects(session: Handle, maximum: number): Handle[]
  C_FindObjectsFinal(session: Handle): void
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    template: readonly { readonly type: number }[],
  ): readonly { readonly value: Buffer }[]
  C_GenerateKeyPairAsync(
    session: Handle,
    mechanism: Mechanism,
    publicTemplate: readonly Attribute[],
    privateTemplate: readonly Attribute[],
  ): Promise<{ readonly privateKey: Handle; readonly publicKey: Handle }>
  C_DestroyObject(session: Handle, object: Handle): void
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void
  C_SignAsync(session: Handle, data: Buffer, signature: Buffer): Promise<Buffer>
}

/** The module `pkcs11js`, or a replacement. @inline */
export interface Pkcs11Binding {
  readonly PKCS11: new () => Cryptoki
}

/**
 * Loads the optional peer `pkcs11js`.
 *
 * @throws ERR_PKCS11_MODULE_NOT_INSTALLED if it, or its compiled binary, is missing
 */
export async function loadPkcs11Binding(): Promise<Pkcs11Binding> {
  try {
    // The default export only: named exports type-check but are missing at run time (the module is CommonJS).
    const peer = (await import('pkcs11js')) as unknown as { readonly default: Pkcs11Binding }
    return peer.default
  } catch (cause) {
    throw new PkiError(
      'ERR_PKCS11_MODULE_NOT_INSTALLED',
      'keys in a PKCS#11 token need the optional package pkcs11js and its compiled binary: run "npm ' +
        'install pkcs11js", ' +
        'and where install scripts are switched off also "npm rebuild pkcs11js --ignore-scripts=false". ' +
        `Loading it failed: ${reasonOf(cause)}`,
      { cause },
    )
  }
}

/**
 * The reason from the loader, on one line: a missing file, a missing dependency, another architecture,
 * another version of Node.
 */
export function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  const [text = ''] = message.split(/\n\s+at /)
  const line = text.trim().replaceAll(/\s*\n\s*/g, ' ')
  return line.length > maxReason ? `${line.slice(0, maxReason)}…` : line || 'the loader gave no reason'
}

const maxReason = 400

/** Numbers of PKCS #11: classes, attributes, key types, mechanisms, flags, states. */
export const ck = {
  CKO_CERTIFICATE: 1,
  CKO_PUBLIC_KEY: 2,
  CKO_PRIVATE_KEY: 3,

  CKA_CLASS: 0x0,
  CKA_TOKEN: 0x1,
  CKA_PRIVATE: 0x2,
  CKA_LABEL: 0x3,
  CKA_VALUE: 0x11,
  CKA_KEY_TYPE: 0x100,
  CKA_ID: 0x102,
  CKA_SENSITIVE: 0x103,
  CKA_DECRYPT: 0x105,
  CKA_UNWRAP: 0x107,
  CKA_SIGN: 0x108,
  CKA_VERIFY: 0x10a,
  CKA_DERIVE: 0x10c,
  CKA_MODULUS: 0x120,
  CKA_MODULUS_BITS: 0x121,
  CKA_PUBLIC_EXPONENT: 0x122,
  CKA_PUBLIC_KEY_INFO: 0x129,
  CKA_EXTRACTABLE: 0x162,
  CKA_LOCAL: 0x163,
  CKA_NEVER_EXTRACTABLE: 0x164,
  CKA_ALWAYS_SENSITIVE: 0x165,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKA_ALWAYS_AUTHENTICATE: 0x202,

  CKK_RSA: 0x0,
  CKK_EC: 0x3,
  CKK_EC_EDWARDS: 0x40,

  CKM_RSA_PKCS_KEY_PAIR_GEN: 0x0,
  CKM_RSA_PKCS: 0x1,
  CKM_RSA_PKCS_PSS: 0xd,
  CKM_SHA256_RSA_PKCS: 0x40,
  CKM_SHA384_RSA_PKCS: 0x41,
  CKM_SHA512_RSA_PKCS: 0x42,
  CKM_SHA256_RSA_PKCS_PSS: 0x43,
  CKM_SHA384_RSA_PKCS_PSS: 0x44,
  CKM_SHA512_RSA_PKCS_PSS: 0x45,
  CKM_SHA256: 0x250,
  CKM_SHA384: 0x260,
  CKM_SHA512: 0x270,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKM_ECDSA_SHA256: 0x1044,
  CKM_ECDSA_SHA384: 0x1045,
  CKM_ECDSA_SHA512: 0x1046,
  CKM_EC_EDWARDS_KEY_PAIR_GEN: 0x1055,
  CKM_EDDSA: 0x1057,
  CKG_MGF1_SHA256: 0x2,
  CKG_MGF1_SHA384: 0x3,
  CKG_MGF1_SHA512: 0x4,
  /** Not in the standard: how `pkcs11js` identifies a CK_RSA_PKCS_PSS_PARAMS. */
  CK_PARAMS_RSA_PSS: 5,

  CKF_OS_LOCKING_OK: 0x2,
  CKF_RW_SESSION: 0x2,
  CKF_SERIAL_SESSION: 0x4,
  CKF_LOGIN_REQUIRED: 0x4,
  CKF_USER_PIN_COUNT_LOW: 0x10000,
  CKF_USER_PIN_FINAL_TRY: 0x20000,
  CKF_USER_PIN_LOCKED: 0x40000,

  CKU_USER: 1,
  CKU_CONTEXT_SPECIFIC: 2,
  CKS_RO_USER_FUNCTIONS: 1,
  CKS_RW_USER_FUNCTIONS: 3,
} as const

/** The name of an attribute (`CKA_LABEL`) or mechanism (`CKM_ECDSA`); a number without one in hexadecimal. */
export function nameOfNumber(prefix: 'CKA_' | 'CKM_', number: number): string {
  const named = Object.entries(ck).find(([name, value]) => value === number && name.startsWith(prefix))
  return named?.[0] ?? `0x${number.toString(16)}`
}
