// Renews an SVID and writes it into a directory, again and again, until it is killed.

import { createFileSink } from '../../src/adapters/files/index.ts'
import { openMesh } from './mesh.ts'

const [directory = ''] = process.argv.slice(2)
const mesh = await openMesh()
const [source] = mesh.sources
await createFileSink({ source: source!, directory })
process.stdout.write('.')
for (;;) {
  await source!.renew()
  process.stdout.write('.')
}
