// Import for effect in a process that is traced: the random part of the name of a temporary file is the next
// number of the process, so that the same file has the same name in each run.

import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const randomBytes = crypto.randomBytes
/** The lengths of these parts: of a key file or tile, of the copy of a store. */
const lengths = [12, 8]
let names = 0

crypto.randomBytes = ((octets: number, ...rest: []): Buffer => {
  if (!lengths.includes(octets)) return randomBytes(octets, ...rest)
  const name = Buffer.alloc(octets)
  name.writeUInt32BE(++names, octets - 4)
  return name
}) as typeof crypto.randomBytes
syncBuiltinESMExports()
