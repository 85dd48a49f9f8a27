// The slot of the one token that a selector matches.

import type { PkiError } from '../../../errors/index.ts'
import type { Cryptoki, Handle, TokenInfo } from '../cryptoki/cryptoki.ts'
import { HsmError, hsmError } from '../cryptoki/return-value.ts'

/** Selects a token by label, by serial number, or both. Exactly one must match. @inline */
export interface TokenSelector {
  /** The token's label; blanks at its end are padding and do not count. */
  readonly label?: string
  /** The token's serial number; blanks at its end do not count. */
  readonly serialNumber?: string
}

/** A slot with its token. */
export interface FoundSlot {
  readonly slot: Handle
  readonly info: TokenInfo
}

/**
 * Searches all slots. `wasConnected` means that the token was found before,
 * so its absence is a loss and not a wrong selector.
 *
 * @throws ERR_HSM_TOKEN_NOT_FOUND, ERR_HSM_UNAVAILABLE
 */
export function findSlot(cryptoki: Cryptoki, selector: TokenSelector, wasConnected: boolean): FoundSlot {
  const { found, others, failure } = readSlots(cryptoki, selector)
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  const wanted = [
    ...(selector.label === undefined ? [] : [`label ${JSON.stringify(selector.label)}`]),
    ...(selector.serialNumber === undefined
      ? []
      : [`serial number ${JSON.stringify(selector.serialNumber)}`]),
  ].join(' and ')
  if (found.length > 1) {
    const serials = found.slice(0, maxShown).map(({ info }) => JSON.stringify(trimmed(info.serialNumber)))
    const what =
      `${found.length} tokens have the ${wanted}; select one by its serial number: ` + serials.join(', ')
    throw new HsmError('ERR_HSM_TOKEN_NOT_FOUND', what, 'none', 'request', failure)
  }
  const shown =
    others.length === 0 ? 'no initialised token' : `the tokens ${others.slice(0, maxShown).join(', ')}`
  const silent = failure === undefined ? '' : `; of another slot, ${failure.message}`
  const what = `no token has the ${wanted}; the library shows ${shown}${silent}`
  if (wasConnected)
    throw new HsmError('ERR_HSM_UNAVAILABLE', `the token was removed: ${what}`, 'none', 'device', failure)
  throw new HsmError('ERR_HSM_TOKEN_NOT_FOUND', what, 'none', 'device', failure)
}

interface Slots {
  readonly found: readonly FoundSlot[]
  /** Labels and serial numbers of the tokens that do not match. */
  readonly others: readonly string[]
  readonly failure: PkiError | undefined
}

function readSlots(cryptoki: Cryptoki, selector: TokenSelector): Slots {
  const found: FoundSlot[] = []
  const others: string[] = []
  let failure: PkiError | undefined
  for (const slot of slotsOf(cryptoki)) {
    let info: TokenInfo
    try {
      info = cryptoki.C_GetTokenInfo(slot)
    } catch (error) {
      // A failing slot does not hide the others.
      failure = hsmError(error, 'C_GetTokenInfo')
      continue
    }
    if (matches(info, selector)) found.push({ slot, info })
    else if (trimmed(info.label) !== '') others.push(shownToken(info))
  }
  return { found, others, failure }
}

function shownToken({ label, serialNumber }: TokenInfo): string {
  return `${JSON.stringify(trimmed(label))} (serial number ${JSON.stringify(trimmed(serialNumber))})`
}

function slotsOf(cryptoki: Cryptoki): readonly Handle[] {
  try {
    return cryptoki.C_GetSlotList(true)
  } catch (error) {
    throw hsmError(error, 'C_GetSlotList')
  }
}

function matches(info: TokenInfo, { label, serialNumber }: TokenSelector): boolean {
  return (
    (label === undefined || composed(info.label) === composed(label)) &&
    (serialNumber === undefined || trimmed(info.serialNumber) === trimmed(serialNumber))
  )
}

/** A label may be in either of two forms that look the same: "ü" as one character, or as "u" and a mark. */
function composed(label: string): string {
  return trimmed(label).normalize('NFC')
}

/** A text field of CK_TOKEN_INFO without its padding. */
export function trimmed(text: string): string {
  return text.replace(/[ \0]+$/, '')
}

const maxShown = 8
