// Import for effect in a test file that seals and opens many keys: `scrypt` of node:crypto then costs
// microseconds instead of a third of a second.

import crypto from 'node:crypto'
import type { ScryptOptions } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

type Callback = (error: Error | null, key: Buffer) => void

// Every input still decides the key, the cost parameters included. Files whose keys other software opens must
// not import this; `scryptSync`, with which such files are written, is unchanged.
const scrypt = crypto.scrypt

crypto.scrypt = ((
  passphrase: string | Uint8Array,
  salt: Uint8Array,
  octets: number,
  options: ScryptOptions,
  callback: Callback,
): void => {
  const { N = 16384, r = 8, p = 1 } = options
  const isPowerOfTwo = Number.isInteger(Math.log2(N)) && N > 16
  // A cost that the platform refuses is still refused.
  if (!isPowerOfTwo) scrypt(passphrase, salt, octets, options, callback)
  else
    scrypt(
      passphrase,
      Buffer.concat([salt, Buffer.from(`${N} ${r} ${p}`)]),
      octets,
      { N: 16, r, p: 1 },
      callback,
    )
}) as typeof crypto.scrypt
syncBuiltinESMExports()
