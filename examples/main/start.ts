// npm start: a CA, two workloads, and a connection between them that each side has checked.

import { once } from 'node:events'
import { giveUp, readArguments } from '../../scripts/command-line.ts'
import { ApiKeyAuthenticator } from 'spiffe-pki/auth'
import { isPkiError } from 'spiffe-pki/errors'
import { startCa } from './embedded-ca.ts'
import { openPlace } from './ca-place.ts'
import { showPolicy } from './policy-story.ts'
import { callPeer, enrol, serve } from './workload.ts'
import { showCertificate, step } from './story.ts'

const usage = `Usage: npm start [-- --serve] [--data DIR | --hsm] | [-- --policy FILE] | [-- --mesh [--ttl N]]
  --serve     keeps the CA and the server running until Ctrl-C
  --data DIR  keeps the CA in that directory for the next start; CA_PASSPHRASE opens its keys
  --policy FILE  shows what the policy in FILE allows, narrows and refuses; examples/main/policy.yaml is one
  --hsm       keeps the CA's keys in a PKCS#11 token; needs SoftHSM (apt-get install softhsm2)
  --mesh      a CA, agents and two real Envoys that talk mutual TLS; certificates and the root change
  --ttl N     how long the certificates of the mesh live, in seconds, 6 to 3600; 60 if not given`

const trustDomain = 'example.org'
const workloads = {
  web: `spiffe://${trustDomain}/ns/shop/sa/web`,
  payments: `spiffe://${trustDomain}/ns/shop/sa/payments`,
}

const { values } = readArguments(
  {
    options: {
      serve: { type: 'boolean', default: false },
      data: { type: 'string' },
      hsm: { type: 'boolean', default: false },
      policy: { type: 'string' },
      mesh: { type: 'boolean', default: false },
      ttl: { type: 'string', default: '60' },
    },
  },
  usage,
)
checkTogether(values)
await story(values).catch((error: unknown) => {
  // The code is what docs/errors.md and the table of the guide are ordered by.
  const advice = isPkiError(error)
    ? `${error.code}: what to do is in docs/errors.md and docs/guides/run-a-ca.md`
    : 'npm start -- --help shows the options'
  const message = error instanceof Error ? error.message : String(error)
  console.error(`\nIt ended early: ${message}\n${advice}`)
  process.exitCode = 1
})

/** An option that would be ignored is a mistake: who gave it expects something of it. */
function checkTogether({ policy, mesh, serve, data, hsm }: typeof values): void {
  const kept = [serve && '--serve', data !== undefined && '--data', hsm && '--hsm'].filter(Boolean)
  const alone = [policy !== undefined && '--policy', mesh && '--mesh'].filter(Boolean)
  const [first, second = kept[0]] = alone
  if (first !== undefined && second !== undefined)
    giveUp(`${first} and ${second} exclude each other: ${first} runs a story of its own`, usage)
  if (data !== undefined && hsm)
    giveUp('--data and --hsm exclude each other: the token of --hsm is gone at the end of the run', usage)
  if (data === '') giveUp('--data has no value after it; give it the directory of the CA', usage)
  if (policy === '') giveUp('--policy has no value after it; give it the file of a policy', usage)
}

function story(given: typeof values): Promise<void> {
  if (given.mesh) return mesh(given.ttl)
  return given.policy === undefined ? main(given) : showPolicy(given.policy)
}

async function mesh(ttl: string): Promise<void> {
  const seconds = Number(ttl)
  if (!Number.isInteger(seconds) || seconds < 6 || seconds > 3600)
    throw new Error(`--ttl is ${JSON.stringify(ttl)}; it must be a whole number from 6 to 3600`)
  // Loaded here: the other story needs none of it.
  const { runMesh } = await import('./mesh.ts')
  await runMesh(seconds)
}

async function main(options: {
  readonly serve: boolean
  readonly data?: string | undefined
  readonly hsm: boolean
}): Promise<void> {
  const apiKeys = { web: ApiKeyAuthenticator.generateKey(), payments: ApiKeyAuthenticator.generateKey() }
  console.log(
    `Two programs, "web" and "payments", will talk to each other, each sure of who is at ` +
      `the other end.
For that each needs a name, a SPIFFE ID such as ${workloads.web},
and a certificate that proves it. A certificate authority (CA) gives them out.`,
  )

  await using place = await openPlace({ data: options.data, hsm: options.hsm })
  step(`A certificate authority starts for the trust domain ${trustDomain}`, [
    `its keys live ${place.keysPlace}`,
    'everybody in the trust domain knows the root; the intermediate below it signs from day to day',
  ])
  await using ca = await startCa({
    trustDomain,
    place,
    apiKeys: [
      { id: 'web', digest: ApiKeyAuthenticator.digestOf(apiKeys.web), identities: [workloads.web] },
      {
        id: 'payments',
        digest: ApiKeyAuthenticator.digestOf(apiKeys.payments),
        identities: [workloads.payments],
      },
    ],
  })
  showCertificate('root, the anchor of trust', ca.root)
  showCertificate('intermediate', ca.intermediate)
  if (ca.earlier > 0)
    step('It is the CA of an earlier start, and goes on', [`certificates on record: ${ca.earlier}`])
  step(`It listens for certificate requests on ${ca.address}`, [
    'gRPC over TLS: the service that Istio agents speak',
  ])

  const web = await enrol('web', { ca, apiKey: apiKeys.web })
  step('Workload "web" made a key, sent a request (CSR), and got its certificate (SVID)', [
    'the CA knew it by its API key, and so knew which name to write; the private key never left the workload',
  ])
  showCertificate('web', web.svid.leaf)
  const payments = await enrol('payments', { ca, apiKey: apiKeys.payments })
  step('Workload "payments" did the same')
  showCertificate('payments', payments.svid.leaf)

  await using server = await serve(payments, { allow: workloads.web })
  step(`"payments" serves on 127.0.0.1:${server.port}, for "web" alone`)
  const answer = await callPeer(web, { port: server.port, expect: workloads.payments })
  step('"web" connected over mutual TLS: both sides showed a certificate', [
    `it checked that the server is ${answer.peer}`,
    `the server checked that the client is ${workloads.web}`,
    `the server said: ${answer.text}`,
  ])

  const wanted = `spiffe://${trustDomain}/ns/shop/sa/accounts`
  const refusal = await callPeer(web, { port: server.port, expect: wanted }).then(
    () => 'nobody objected',
    (error: unknown) => (error as Error).message,
  )
  step('"web" asked for somebody else, "accounts", at the same address, and hung up', [refusal])

  if (!options.serve) {
    console.log(
      '\nDone. Each side proved who it is, and each side checked. Next: npm start -- --serve, or ' +
        'examples/01-quick-start.ts.',
    )
    return
  }
  const stop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  console.log(`\nRunning until Ctrl-C. The certificate that "payments" shows, from another terminal:
  openssl s_client -connect 127.0.0.1:${server.port} -showcerts </dev/null
("unable to get local issuer certificate" is right: openssl was not told the root.)`)
  await stop
  console.log('\nStopped.')
}
