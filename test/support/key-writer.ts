// Rotates a key in a directory, and kills itself at a given step of the write.

import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { watchWriteSteps } from './write-steps.ts'

// DIRECTORY PASSPHRASE rotate [STEP]
const [directory = '', passphrase = '', , killAt] = process.argv.slice(2)
await watchWriteSteps((step) => {
  if (step === killAt) process.kill(process.pid, 'SIGKILL')
})
const keys = await FileKeyManager.open({ directory, passphrase: () => passphrase })
await keys.rotateKey('ca')
