// Rotates a key in a directory, and kills itself at a moment of the write if it is told one: key-writer.ts DIRECTORY PASSPHRASE rotate [STEP]

import { FileKeyManager } from '../../src/adapters/files/index.ts'

const [directory = '', passphrase = '', , killAt] = process.argv.slice(2)
const keys = await FileKeyManager.open({
  directory,
  passphrase: () => passphrase,
  onWriteStep: (step) => {
    if (step === killAt) process.kill(process.pid, 'SIGKILL')
  },
})
await keys.rotateKey('ca')
