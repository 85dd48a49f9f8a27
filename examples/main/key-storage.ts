// Where the CA of the main job keeps its keys.

import { MemoryKeyManager } from 'spiffe-pki/keys'
import type { KeyManager } from 'spiffe-pki/keys'

/** A key manager, and how to call its place in a sentence. */
export interface OpenKeys extends AsyncDisposable {
  readonly manager: KeyManager
  readonly place: string
}

export async function openKeys(hsm: boolean): Promise<OpenKeys> {
  if (hsm) {
    const { openSoftHsm } = await import('./softhsm.ts')
    return openSoftHsm()
  }
  const manager = new MemoryKeyManager()
  return { manager, place: 'in the memory of this process', [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose]() }
}
