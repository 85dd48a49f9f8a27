// A CA that makes backups or rotates a batch, reports each step, and is killed meanwhile.

import { join } from 'node:path'
import { SoftwareSigner, importPrivateKey } from '../../src/keys/index.ts'
import { createCaService } from '../../src/service/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { readFileSync } from 'node:fs'
import { crashCaller } from './crash-fixture.ts'

// The directory of the CA, the URL of the thread's module, `backup` and the directory of archives, or
// `rotate`.
const [directory = '', worker = '', task = '', archives = ''] = process.argv.slice(2)
const service = await createCaService({
  directory,
  trustDomain: 'example.org',
  passphrase: () => 'a passphrase for tests',
  workerModule: new URL(worker),
})
const key = new SoftwareSigner(importPrivateKey(readFileSync(`${directory}.key`, 'utf8')))
const csr = await buildCertificateRequest({}, key)
process.stdout.write('ready\n')

if (task === 'rotate') {
  const options = { thresholdSeconds: 7200, requestFor: () => csr, concurrency: 4 }
  for await (const { serialNumber, outcome } of service.issuance.rotateExpiring(options))
    process.stdout.write(`${outcome} ${serialNumber}\n`)
  process.stdout.write('done\n')
} else {
  let isStopped = false
  const issue = async (): Promise<void> => {
    while (!isStopped) await service.issuance.issue({ csr }, crashCaller)
  }
  void Promise.all([issue(), issue()])
  for (let number = 0; ; number++) {
    await service.backup({
      path: join(archives, `archive-${process.pid}-${number}`),
      passphrase: () => 'another passphrase for tests',
    })
    process.stdout.write(`archive-${process.pid}-${number}\n`)
    if (number > 1000) isStopped = true
  }
}
await service[Symbol.asyncDispose]()
