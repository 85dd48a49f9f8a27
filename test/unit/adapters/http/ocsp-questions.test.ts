// The memory of OCSP requests by GET keeps what it is asked, and not the URL around it.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Resources } from '../../../../src/adapters/http/resources.ts'

test('of a long URL only the request is kept', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const authority = { answerOcsp: async () => ({ response: new Uint8Array(), maxAgeSeconds: 0 }) }
  const resources = new Resources({ authority } as object as ConstructorParameters<typeof Resources>[0])
  collect()
  const before = process.memoryUsage().heapUsed
  for (let count = 0; count < 1_000; count++) {
    const question = Buffer.from(`request ${count}`).toString('base64')
    const url = `/ocsp/${question}?${'x'.repeat(15_000)}${count}`
    const reply = await resources.get(url.slice(0, url.indexOf('?')))
    expect(reply?.status).toBe(200)
  }
  collect()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000)
})
