// The programs that have the API of Vault.

import { openBaoBinary, requires } from './requires.ts'
import { startOpenBao } from './vault-server.ts'
import type { VaultServer } from './vault-server.ts'

/** One of them, for `describe.skipIf(!isPresent)(name, …)`. */
export interface VaultProgram {
  readonly name: string
  readonly isPresent: boolean
  /**
   * @param folder For its files.
   */
  readonly start: (folder: string) => Promise<VaultServer>
}

export const vaultPrograms: readonly VaultProgram[] = [
  {
    name: 'OpenBao',
    isPresent: requires('openbao'),
    start: (folder) => startOpenBao(openBaoBinary() as string, folder),
  },
]
