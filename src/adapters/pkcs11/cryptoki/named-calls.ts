// The functions of a library, with the name of the function in each error.

import type { Cryptoki } from './cryptoki.ts'

/**
 * Adds `method` to each error, as the binding does for some functions only, so that a message can name the
 * call that failed. Functions are looked up at each call.
 */
export function namedCalls(cryptoki: Cryptoki): Cryptoki {
  const target = cryptoki as unknown as Record<string, (...args: unknown[]) => unknown>
  const named: Record<string, unknown> = {}
  for (const name of names) {
    const shown = name.replace(/Async$/, '')
    named[name] = (...args: unknown[]): unknown => {
      try {
        const result = (target[name] as (...args: unknown[]) => unknown).apply(target, args)
        // The first handler of the promise: the error has its name before the caller sees it.
        if (result instanceof Promise) result.catch((error: unknown) => addName(error, shown))
        return result
      } catch (error) {
        addName(error, shown)
        throw error
      }
    }
  }
  return named as unknown as Cryptoki
}

/** The function that an error is from; undefined if unknown. */
export function calledFunction(error: unknown): string | undefined {
  const { method } = Object(error) as { readonly method?: unknown }
  return typeof method === 'string' && method !== '' ? method : undefined
}

function addName(error: unknown, method: string): void {
  if (!(error instanceof Error) || calledFunction(error) !== undefined) return
  Object.defineProperty(error, 'method', { value: method, configurable: true })
}

const allNames: Readonly<Record<keyof Cryptoki, true>> = {
  load: true,
  close: true,
  C_Initialize: true,
  C_Finalize: true,
  C_GetSlotList: true,
  C_GetTokenInfo: true,
  C_GetMechanismList: true,
  C_OpenSession: true,
  C_CloseSession: true,
  C_GetSessionInfo: true,
  C_Login: true,
  C_FindObjectsInit: true,
  C_FindObjects: true,
  C_FindObjectsFinal: true,
  C_GetAttributeValue: true,
  C_GenerateKeyPairAsync: true,
  C_DestroyObject: true,
  C_SignInit: true,
  C_SignAsync: true,
}
const names = Object.keys(allNames)
