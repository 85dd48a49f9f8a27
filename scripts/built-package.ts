// Uses what was built: every subpath is imported from dist, and a certificate is issued through its thread.

import { readFileSync } from 'node:fs'
import { readArguments } from './command-line.ts'

readArguments({ options: {} }, 'Usage: npx tsx scripts/built-package.ts     uses dist; `npm run build` first')

const root = new URL('../', import.meta.url)
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  exports: Record<string, { default: string } | string>
}
for (const [subpath, target] of Object.entries(exports)) {
  if (typeof target === 'string') continue
  const names = Object.keys((await import(new URL(target.default, root).href)) as object)
  console.log(`built package: ${subpath} has ${names.length} values`)
}

// Types from the sources, values from dist: what is tested is that the built files find one another.
type Built = typeof import('../src/index.ts') & typeof import('../src/adapters/workers/index.ts')
const built = {
  ...((await import(new URL('dist/index.js', root).href)) as object),
  ...((await import(new URL('dist/adapters/workers/index.js', root).href)) as object),
} as Built
const keys = new built.MemoryKeyManager()
const signer = await keys.generateKey('root', 'P-256')
const trustDomain = 'example.org'
const certificate = await built.createRootCertificate(signer, { subject: 'CN=root', trustDomain })
const workers = new built.CertificateWorkerPool({ signer, workers: 1 })
const authority = built.createCertificateAuthority({ trustDomain, certificate, signer, workers })
const issuance = built.createIssuanceService({ authority })
const csr = await built.buildCertificateRequest({}, await keys.generateKey('leaf', 'P-256'))
const identity = built.SpiffeId.parse('spiffe://example.org/built')
const issued = await issuance.issue({ csr }, { identities: [identity], credential: 'x509', claims: {} })
await workers[Symbol.asyncDispose]()
console.log(`built package: a thread signed ${issued.certificate.subjectAltName?.[0]?.type ?? 'nothing'}`)
