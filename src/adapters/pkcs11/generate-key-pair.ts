// C_GenerateKeyPair on tokens of different vendors: templates are tried in
// turn, and a pair with wrong attributes is destroyed.

import { PkiError } from '../../errors/index.ts'
import type { PublicKey } from '../../x509/index.ts'
import type { Cryptoki, Handle } from './cryptoki/cryptoki.ts'
import type { Pkcs11Module } from './cryptoki/pkcs11-module.ts'
import { HsmError, hsmError, returnValueOf } from './cryptoki/return-value.ts'
import {
  destroy,
  findPrivateKeys,
  findPrivateKeysByObjectId,
  nameOf,
  versionOf,
} from './objects/key-objects.ts'
import type { TokenObject } from './objects/key-objects.ts'
import { readName } from './objects/key-name.ts'
import type { KeyTag, ObjectName } from './objects/key-name.ts'
import { checkProtection } from './objects/key-protection.ts'
import {
  curveForms,
  keyPairTemplates,
  templateAttributes,
  templateVariants,
} from './objects/key-templates.ts'
import type { CurveForm, TemplateVariant } from './objects/key-templates.ts'
import { algorithmOf, readPublicKey } from './objects/public-key-of.ts'
import type { TokenSession } from './token/token.ts'

/** A generated key pair. */
export interface GeneratedKeyPair {
  readonly key: TokenObject
  readonly publicKey: PublicKey
}

/** Where and how a key pair is generated. */
export interface GenerationPlace {
  readonly module: Pkcs11Module
  readonly session: TokenSession
  readonly cryptoki: Cryptoki
  /** The first variant to try; this token refused those before it. */
  readonly firstVariant: number
  /** Called with the variant that the token accepted, and what it refused before. */
  readonly onAccepted: (variant: number, refusal: HsmError | undefined) => void
}

/**
 * Generates a key pair. Undefined if another process generated the same version meanwhile: the process that
 * sees the other pair destroys its own, so both never stay. After a failure, the pair is destroyed by the
 * handles that C_GenerateKeyPair returned, because the token may have changed its CKA_ID.
 *
 * @throws ERR_HSM_REFUSED, which names the attributes; ERR_HSM_KEY_PROTECTION; ERR_HSM_UNAVAILABLE
 */
export async function generateKeyPair(
  place: GenerationPlace,
  id: string,
  tag: KeyTag,
): Promise<GeneratedKeyPair | undefined> {
  let refusal: HsmError | undefined
  for (let at = place.firstVariant; ; at++) {
    const variant = templateVariants[at]
    if (variant === undefined) throw refusedTemplates(refusal)
    const made = await generateWith(place, id, tag, variant)
    if (made instanceof HsmError) {
      refusal = made
      continue
    }
    place.onAccepted(at, refusal)
    return made
  }
}

/** As `generateKeyPair`; an HsmError for what another template may avoid. */
async function generateWith(
  { module, session, cryptoki }: GenerationPlace,
  id: string,
  tag: KeyTag,
  variant: TemplateVariant,
): Promise<GeneratedKeyPair | HsmError | undefined> {
  const name = unusedName(cryptoki, session.handle, id, tag, variant)
  const generate = (form: CurveForm): ReturnType<Cryptoki['C_GenerateKeyPairAsync']> => {
    const templates = keyPairTemplates(tag.algorithm, name, variant, form)
    const { mechanism, publicTemplate, privateTemplate } = templates
    return module.start(session.moduleEpoch, (running) =>
      running.C_GenerateKeyPairAsync(session.handle, { mechanism }, publicTemplate, privateTemplate),
    )
  }
  const [form, other] = curveForms(tag.algorithm)
  const handles = await generate(form)
    .catch((error: unknown) => {
      if (other === undefined || !curveRefusals.has(returnValueOf(error) ?? 0)) throw error
      return generate(other)
    })
    .catch((error: unknown) => templateRefusal(error))
  if (handles instanceof HsmError) return handles
  let made: GeneratedKeyPair | HsmError | undefined
  try {
    made = checkPair(cryptoki, session.handle, handles.privateKey, { id, tag, name })
  } catch (error) {
    throw withRemains(hsmError(error, 'reading the key pair'), destroyBoth(cryptoki, session.handle, handles))
  }
  if (made !== undefined && !(made instanceof HsmError)) return made
  const remains = destroyBoth(cryptoki, session.handle, handles)
  if (remains !== undefined) throw withRemains(made ?? remains, remains)
  return made
}

/** The private half first: if the second call fails, no unusable private key remains. */
function destroyBoth(
  cryptoki: Cryptoki,
  session: Handle,
  { privateKey, publicKey }: Awaited<ReturnType<Cryptoki['C_GenerateKeyPairAsync']>>,
): PkiError | undefined {
  let failure: PkiError | undefined
  for (const handle of [privateKey, publicKey]) {
    try {
      destroy(cryptoki, session, handle)
    } catch (error) {
      failure ??= hsmError(error, 'C_DestroyObject')
    }
  }
  return failure
}

/** Why the pair is not usable, and that it is still in the token where it could not be destroyed. */
function withRemains(failure: PkiError, remains: PkiError | undefined): PkiError {
  if (remains === undefined) return failure
  const what = failure === remains ? '' : `${failure.message}; `
  const message =
    `${what}the new key pair may remain in the token (${remains.message}): destroyKey removes it ` +
    'when the token works'
  return failure instanceof HsmError
    ? new HsmError(failure.code, message, failure.returnValue, failure.failureClass, failure)
    : new PkiError(failure.code, message, { cause: failure })
}

/** A CKA_ID that no private key of the token has. With two octets, a collision is possible. */
function unusedName(
  cryptoki: Cryptoki,
  session: Handle,
  id: string,
  tag: KeyTag,
  variant: TemplateVariant,
): ObjectName {
  let name = variant.name(id, tag)
  for (let attempt = 0; attempt < 16 && isUsed(cryptoki, session, name); attempt++)
    name = variant.name(id, tag)
  return name
}

function isUsed(cryptoki: Cryptoki, session: Handle, { objectId }: ObjectName): boolean {
  return objectId.length === 2 && findPrivateKeysByObjectId(cryptoki, session, objectId).length > 0
}

/**
 * Undefined if another process generated the same version, or chose the same CKA_ID; an HsmError if the token
 * changed the name.
 */
function checkPair(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  { id, tag, name }: { readonly id: string; readonly tag: KeyTag; readonly name: ObjectName },
): GeneratedKeyPair | HsmError | undefined {
  const found = nameOf(cryptoki, session, handle)
  if (!found.objectId.equals(name.objectId) || found.label !== name.label) return changedName(name, found)
  checkProtection(cryptoki, session, handle, true)
  const isRival = (one: TokenObject): boolean => !one.objectId.equals(name.objectId)
  const rivals = findPrivateKeys(cryptoki, session, id).filter(
    (one) => versionOf(one) === tag.version && isRival(one),
  )
  const twins = findPrivateKeysByObjectId(cryptoki, session, name.objectId)
  const key: TokenObject = { handle, ...name, ...readName(name) }
  const publicKey = readPublicKey(cryptoki, session, key)
  // Checks that the token generated the requested key: not a shorter modulus, not another curve.
  algorithmOf(tag, publicKey)
  return rivals.length === 0 && twins.length <= 1 ? { key, publicKey } : undefined
}

/**
 * The refusal of a template, which another one may avoid. A failure of a later call, for example of an
 * attribute that is read back, is not about the template.
 *
 * @throws every other error of C_GenerateKeyPair
 */
function templateRefusal(error: unknown): HsmError {
  const failure = templateRefusals.has(returnValueOf(error) ?? 0)
    ? hsmError(error, 'C_GenerateKeyPair')
    : error
  if (failure instanceof HsmError) return failure
  throw error
}

function changedName(wanted: ObjectName, found: ObjectName): HsmError {
  const what =
    found.label === wanted.label
      ? `CKA_ID: ${wanted.objectId.length} octets were given, and the key has ${found.objectId.length}`
      : `CKA_LABEL: ${JSON.stringify(wanted.label)} was given, and the key has ` +
        JSON.stringify(found.label.slice(0, 128))
  return new HsmError('ERR_HSM_REFUSED', `the token changed ${what}`, nameChanged, 'request')
}

function refusedTemplates(refusal: HsmError | undefined): HsmError {
  const last = refusal?.message ?? 'no template is left'
  // The attribute that the token changed is known; which one it refused is not.
  const attributes =
    refusal?.returnValue === nameChanged
      ? ''
      : `; one of these attributes is not supported by the token: ${templateAttributes}`
  return new HsmError(
    'ERR_HSM_REFUSED',
    `the token refused every template of the key pair, also with a CKA_ID of 2 octets (${last})${attributes}`,
    refusal?.returnValue ?? 'none',
    'request',
    refusal,
  )
}

/** ATTRIBUTE_VALUE_INVALID, DOMAIN_PARAMS_INVALID, CURVE_NOT_SUPPORTED. */
const curveRefusals: ReadonlySet<number> = new Set([0x13, 0x130, 0x140])
const nameChanged = 'none (it changed CKA_ID or CKA_LABEL)'
/**
 * ATTRIBUTE_READ_ONLY, TYPE_INVALID, VALUE_INVALID, DATA_LEN_RANGE,
 * TEMPLATE_INCOMPLETE, TEMPLATE_INCONSISTENT.
 */
const templateRefusals: ReadonlySet<number> = new Set([0x10, 0x12, 0x13, 0x21, 0xd0, 0xd1])
