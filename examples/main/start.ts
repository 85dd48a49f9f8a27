// npm start: a CA, two workloads, and a connection between them that each side has checked.
//   npm start                 runs once and ends
//   npm start -- --serve      keeps the CA and the server running until Ctrl-C
//   npm start -- --hsm        keeps the CA's keys in a PKCS#11 token (SoftHSM)

import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { generateApiKey, hashApiKey } from '../../src/auth/index.ts'
import { startCa } from './embedded-ca.ts'
import { openKeys } from './key-storage.ts'
import { callPeer, enrol, serve } from './workload.ts'
import { showCertificate, step } from './story.ts'

const { values } = parseArgs({ options: { serve: { type: 'boolean', default: false }, hsm: { type: 'boolean', default: false } } })
const trustDomain = 'example.org'
const workloads = { web: `spiffe://${trustDomain}/ns/shop/sa/web`, payments: `spiffe://${trustDomain}/ns/shop/sa/payments` }
const apiKeys = { web: generateApiKey(), payments: generateApiKey() }

await using keys = await openKeys(values.hsm)
step(`A certificate authority starts for the trust domain ${trustDomain}`, [`its keys live ${keys.place}`])
await using ca = await startCa({
  trustDomain,
  keys: keys.manager,
  apiKeys: [
    { id: 'web', digest: hashApiKey(apiKeys.web), identities: [workloads.web] },
    { id: 'payments', digest: hashApiKey(apiKeys.payments), identities: [workloads.payments] },
  ],
})
showCertificate('root, self-signed', ca.root)
showCertificate('intermediate, signed by the root', ca.intermediate)
step(`It listens for certificate requests on ${ca.address}`, ['gRPC, the service that Istio agents speak, over TLS'])

const web = await enrol('web', { ca, apiKey: apiKeys.web })
step('Workload "web" made a key, sent a request, and got its identity', ['the private key never left the process'])
showCertificate('web', web.svid.leaf)
const payments = await enrol('payments', { ca, apiKey: apiKeys.payments })
step('Workload "payments" did the same')
showCertificate('payments', payments.svid.leaf)

await using server = await serve(payments, { allow: workloads.web })
step(`"payments" serves on 127.0.0.1:${server.port}, for "web" alone`)
const answer = await callPeer(web, { port: server.port, expect: workloads.payments })
step('"web" connected over mutual TLS', [`it checked that the server is ${answer.peer}`, `the server checked that the client is ${workloads.web}`, `the server said: ${answer.text}`])

const refusal = await callPeer(web, { port: server.port, expect: `spiffe://${trustDomain}/ns/shop/sa/accounts` }).then(() => 'nobody objected', (error: unknown) => (error as Error).message)
step('"web" asked for somebody else at the same address, and hung up', [refusal])

if (values.serve) {
  console.log('\nRunning until Ctrl-C.')
  await once(process, 'SIGINT')
} else {
  console.log('\nDone. Each side proved who it is, and each side checked. Next: npm start -- --serve, or examples/01-quick-start.ts.')
}
