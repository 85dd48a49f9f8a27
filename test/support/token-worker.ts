// Signs and rotates in a token that another process uses too, and prints the number of valid signatures.

import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import { verifySignature } from '../../src/x509/index.ts'

// MODULE LABEL PIN SIGNATURES
const [module = '', label = '', pin = '', count = '0'] = process.argv.slice(2)
await using keys = await Pkcs11KeyManager.open({ module, token: { label }, pin: () => pin })
const signer = (await keys.getSigner('shared'))!
let left = Number(count)
let right = 0
await keys.rotateKey('of-the-child')
await Promise.all(
  Array.from({ length: 8 }, async () => {
    while (left-- > 0) {
      const data = Buffer.from(`child ${left}`)
      if (verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data))) right++
    }
  }),
)
await keys.rotateKey('of-the-child')
console.log(right)
