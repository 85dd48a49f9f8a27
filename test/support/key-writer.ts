// Rotates a key in a directory, and kills itself at a step of the write if it is told one: key-writer.ts
// DIRECTORY PASSPHRASE rotate [STEP]

import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { watchWriteSteps } from './write-steps.ts'

const [directory = '', passphrase = '', , killAt] = process.argv.slice(2)
await watchWriteSteps((step) => {
  if (step === killAt) process.kill(process.pid, 'SIGKILL')
})
const keys = await FileKeyManager.open({ directory, passphrase: () => passphrase })
await keys.rotateKey('ca')
