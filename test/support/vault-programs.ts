// The programs that have the API of Vault.

import { GoProgram } from './go-program.ts'
import { openBaoBinary, requires } from './requires.ts'
import { startOpenBao, startVault } from './vault-server.ts'
import type { VaultServer } from './vault-server.ts'

/** One of them, for `describe.skipIf(!isPresent)(name, …)`. */
export interface VaultProgram {
  readonly name: string
  readonly isPresent: boolean
  /**
   * For `beforeAll`, with a limit of 30 minutes: Vault is built first.
   * @param folder For its files.
   */
  readonly start: (folder: string) => Promise<VaultServer>
}

const vault = new GoProgram('vault', { isHeavy: true })

export const vaultPrograms: readonly VaultProgram[] = [
  {
    name: 'OpenBao',
    isPresent: requires('openbao'),
    start: (folder) => startOpenBao(openBaoBinary() as string, folder),
  },
  { name: 'Vault', isPresent: vault.isAvailable, start: async () => startVault(await vault.build()) },
]
