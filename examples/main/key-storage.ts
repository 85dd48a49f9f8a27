// Where the CA of the main job keeps its keys.

import { MemoryKeyManager } from 'spiffe-pki/keys'
import type { OpenKeys } from './softhsm.ts'

export async function openKeys(hsm: boolean): Promise<OpenKeys> {
  if (hsm) {
    const { openSoftHsm } = await import('./softhsm.ts')
    return openSoftHsm()
  }
  const manager = new MemoryKeyManager()
  return {
    manager,
    place: 'in the memory of this process',
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  }
}
