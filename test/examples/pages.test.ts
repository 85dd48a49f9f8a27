// Every page for users, whose TypeScript compiles as one strict program and runs, and every subpath as an
// installed package, with and without the optional peers.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createSoftHsmToken } from '../../examples/main/softhsm.ts'
import { errorCodes } from '../../src/errors/internal.ts'
import { userProject } from '../support/built-package.ts'
import type { UserProject } from '../support/built-package.ts'
import { requires } from '../support/requires.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const manifest = JSON.parse(read('package.json')) as {
  exports: Record<string, unknown>
  files: readonly string[]
}
const subpaths = Object.keys(manifest.exports)
  .filter((name) => name !== './package.json')
  .map((name) => `spiffe-pki${name.slice(1)}`)
const peers = ['@grpc/grpc-js', '@photostructure/sqlite', 'pg', 'pkcs11js', 'prom-client', 'undici', 'yaml']

/** What the examples of docstrings are given. One that needs another value has it declared here. */
const given: Readonly<Record<string, string>> = {
  signer: "import('spiffe-pki/x509').Signer",
  oldSigner: "import('spiffe-pki/x509').Signer",
  oldRoot: "import('spiffe-pki/x509').Certificate",
  newRoot: "import('spiffe-pki/x509').Certificate",
  list: "import('spiffe-pki/x509').Crl",
  leaf: "import('spiffe-pki/x509').Certificate",
  root: "import('spiffe-pki/x509').Certificate",
  chain: "readonly import('spiffe-pki/x509').Certificate[]",
  csr: "import('spiffe-pki/x509').CertificateRequest",
  bundles: "import('spiffe-pki/svid').BundleSource",
  token: 'any',
  pem: 'string',
  generateKeyPairSync: "typeof import('node:crypto').generateKeyPairSync",
  document: 'string',
  lists: "readonly import('spiffe-pki/x509').Crl[]",
  readPassphrase: '() => string',
  Client: "typeof import('@grpc/grpc-js').Client",
  served: '{ readonly id: string }',
  staple: 'Uint8Array',
  files: "import('spiffe-pki/keys').KeyManager",
  keys: "import('spiffe-pki/keys').KeyManager",
  open: "() => Promise<import('spiffe-pki/keys').KeyManager>",
  it: '(name: string, run: () => Promise<void>) => void',
  server: "import('@grpc/grpc-js').Server",
  issuance: "import('spiffe-pki/issuance').IssuanceService",
  checker: "import('spiffe-pki/validation').RevocationChecker",
  log: "import('spiffe-pki/audit').AuditLog",
  record: "import('spiffe-pki/audit').AuditRecord",
  origin: 'string',
  storage: "import('spiffe-pki/ca').CaStorage",
  source: "import('spiffe-pki/secrets').X509Source",
  identity: "import('spiffe-pki/tls').TlsIdentity",
  https: "typeof import('node:https')",
  app: "import('node:http').RequestListener",
  authority: "import('spiffe-pki/ca').CertificateAuthority",
  authenticator: "import('spiffe-pki/auth').Authenticator",
  authorizer: "import('spiffe-pki/policy').Authorizer",
  policy: "import('spiffe-pki/policy').IssuancePolicy",
  bundle: "import('spiffe-pki/svid').TrustBundle",
  client: "Awaited<ReturnType<typeof import('spiffe-pki/grpc').createCertificateClient>>",
  ca: "import('spiffe-pki/secrets').CaClient",
  callerFor: "(id: import('spiffe-pki/spiffe').SpiffeId) => import('spiffe-pki/auth').Caller",
  agent: "Awaited<ReturnType<typeof import('spiffe-pki/grpc/workload-api').createWorkloadApiSource>>",
  remoteSigner: "import('spiffe-pki/ca').RemoteSigner",
  caller: "import('spiffe-pki/auth').Caller",
}

const pages = ['README.md', ...markdown('docs')].filter((page) => program(page) !== '')
const allPages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...markdown('docs'),
]
const examples = docstringExamples()

let user: UserProject
let complaints = ''
beforeAll(async () => {
  user = await userProject()
  for (const page of pages) user.write(`${fileName(page)}.ts`, program(page))
  for (const { name, code } of examples) user.write(`${name}.ts`, code)
  user.write(
    'every-subpath.ts',
    subpaths.map((name, at) => `export * as layer${at} from '${name}'\n`).join(''),
  )
  complaints = await user.compile()
}, 180_000)
afterAll(() => user.dispose())

describe('a page', () => {
  it.each(pages)('%s compiles', (page) => {
    expect(complaintsAbout(fileName(page))).toEqual([])
  })

  it.each(pages.filter((page) => page !== 'docs/hsm.md'))('%s runs', async (page) => {
    await expect(user.run(`out/${fileName(page)}.js`)).resolves.toEqual(expect.any(String))
  })

  it.skipIf(!requires('softhsm'))('docs/hsm.md runs', async () => {
    const token = await createSoftHsmToken('ca')
    onTestFinished(() => token.dispose())
    const env = {
      SOFTHSM2_CONF: process.env['SOFTHSM2_CONF'],
      SOFTHSM2_MODULE: token.modulePath,
      HSM_PIN: token.pin,
    }
    expect(await user.run('out/docs-hsm.js', { env })).toContain('BEGIN CERTIFICATE')
  })

  it('README.md: the quick start is plain JavaScript too', async () => {
    user.write('quick-start.mjs', program('README.md'))
    expect(await user.run('quick-start.mjs')).toContain('trusted: spiffe://example.org/ns/prod/sa/api')
  })

  it.each(allPages)('%s links to what is there', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, target]) =>
      join(dirname(page), target as string),
    )
    expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([])
  })

  it.each(allPages)('%s links to headings that are there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*\.md)?#([^)\s]+)\)/g)]
    const missing = links.filter(([, target, heading]) => {
      const linked = target === undefined ? page : join(dirname(page), target)
      return !headings(linked).includes(heading as string)
    })
    expect(missing.map(([link]) => link)).toEqual([])
  })

  it('docs/README.md links to every page', () => {
    const linked = new Set(
      [...read('docs/README.md').matchAll(/\]\((?!\.\.)([^)#\s]+)/g)].map(([, target]) => `docs/${target}`),
    )
    expect(markdown('docs').filter((page) => page !== 'docs/README.md' && !linked.has(page))).toEqual([])
  })

  it('README.md lists every subpath, in the order of the exports', () => {
    const listed = [...read('README.md').matchAll(/^\| `(spiffe-pki[^`]*)` \|/gm)].map(([, name]) => name)
    expect(listed).toEqual(subpaths)
  })

  it('docs/rules.md has every rule that is cited by number', () => {
    const cited = (text: string): string[] => text.match(/\b(?:ID|X|J|B|F|W)-[0-9]+\b/g) ?? []
    const listed = new Set(
      cited([...read('docs/rules.md').matchAll(/^\| (\S+) \|/gm)].map(([, rule]) => rule).join(' ')),
    )
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `src/${file}`)
    for (const file of [...allPages, ...sources])
      expect([file, cited(read(file)).filter((rule) => !listed.has(rule))]).toEqual([file, []])
  })

  it.each(allPages)('%s names codes that exist', (page) => {
    const named = [...read(page).matchAll(/\bERR_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…*])/g)].map(([code]) => code)
    expect(named.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([])
  })

  it('an example that is published imports what is published', () => {
    const published = manifest.files.filter((file) => file.startsWith('examples/'))
    const sources = published.flatMap((file) =>
      file.includes('*')
        ? readdirSync(join(root, 'examples'))
            .filter((name) => name.endsWith('.ts'))
            .map((name) => `examples/${name}`)
        : [file],
    )
    const imported = sources.flatMap((file) =>
      [...read(file).matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, target]) =>
        join(dirname(file), target as string),
      ),
    )
    expect(imported.filter((file) => !sources.includes(file))).toEqual([])
  })

  it('README.md links to what is published', () => {
    const targets = [...read('README.md').matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(
      ([, target]) => target as string,
    )
    const alwaysPublished = ['README.md', 'LICENSE', 'package.json']
    const published = (target: string): boolean =>
      [...manifest.files, ...alwaysPublished].some((file) =>
        new RegExp(`^${file.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}(/|$)`).test(target),
      )
    expect(targets.filter((target) => !published(target))).toEqual([])
  })
})

describe('an @example', () => {
  it.each(examples.map(({ name }) => name))('%s compiles', (name) => {
    expect(complaintsAbout(name)).toEqual([])
  })
})

describe('a docstring', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  it.each(files)('%s: @throws names codes that exist', (file) => {
    const named = [...read(`src/${file}`).matchAll(/@throws [^@]*?(?=\*\/|\n \* @)/g)].flatMap(
      ([text]) => text.match(/\bERR_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…*])/g) ?? [],
    )
    expect(named.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([])
  })
})

describe('a subpath', () => {
  it('has types that need nothing of the user but the peers of its adapter', () => {
    expect(complaints).toBe('')
  })

  it('takes undefined for every option but guards, also under exactOptionalPropertyTypes', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.includes('gen'),
    )
    // A guard refuses undefined, because its absence is more permissive than any value: its type refuses it
    // too.
    const guards = new Set(
      sources.flatMap((file) =>
        [...read(`src/${file}`).matchAll(/\b(\w+): 'guard'/g)].map(([, name]) => name),
      ),
    )
    const strict = sources.flatMap((file) =>
      [...read(`src/${file}`).matchAll(/^ {2}readonly (\w+)\?: (?!.*\| undefined$)(?!unknown$).*$/gm)]
        .filter(([, name]) => !guards.has(name))
        .map(([line]) => `${file}: ${line.trim()}`),
    )
    // What node:crypto and Web Cryptography hand over, and no caller.
    expect(
      strict.filter(
        (line) => !/^(keys\/webcrypto-bridge|adapters\/pkcs11\/cryptoki\/cryptoki)\.ts:/.test(line),
      ),
    ).toEqual([])
  })

  it.each(subpaths)('%s loads by itself, without the optional peers', async (name) => {
    user.write('load.mjs', `import * as face from '${name}'\nconsole.log(Object.keys(face).length)\n`)
    expect(Number(await user.run('load.mjs', { without: peers }))).toBeGreaterThan(0)
  })

  it.each([
    [
      '@grpc/grpc-js',
      'ERR_PEER_NOT_INSTALLED',
      `(await import('spiffe-pki/grpc')).createCertificateClient(` +
        `{ address: 'localhost:1', tls: () => ({ roots: '' }) })`,
    ],
    [
      '@grpc/grpc-js',
      'ERR_PEER_NOT_INSTALLED',
      `(await import('spiffe-pki/grpc')).createCertificateServer(` +
        `{ tls: { certificateChain: '', privateKey: '', clientRoots: '' }, ` +
        `issuance: {}, authenticator: {} })`,
    ],
    [
      'yaml',
      'ERR_PEER_NOT_INSTALLED',
      `(await import('spiffe-pki/policy-file')).openPolicyFile('package.json')`,
    ],
    ['pg', 'ERR_PEER_NOT_INSTALLED', `(await import('spiffe-pki/postgres')).createPostgresStorage({})`],
    [
      'pkcs11js',
      'ERR_PKCS11_MODULE_NOT_INSTALLED',
      `(await import('spiffe-pki/pkcs11')).Pkcs11KeyManager.open(` +
        `{ module: '/none.so', token: { label: 'x' }, pin: () => '' })`,
    ],
  ])('without %s says %s and what to install: %s', async (peer, code, call) => {
    user.write(
      'peer.mjs',
      `await ${call}.then(() => console.log('no error'),` +
        ` (error) => console.log(error.code, error.message))\n`,
    )
    const shown = await user.run('peer.mjs', { without: peers })
    expect(shown).toContain(code)
    expect(shown).toContain(`npm install ${peer}`)
  })
})

function complaintsAbout(name: string): string[] {
  return complaints
    .split('\n')
    .filter((line) => relative('', line).startsWith(`${name}.ts`) || line.includes(`/${name}.ts(`))
}

/** The pages of a folder and the folders in it, without those that are generated. */
function markdown(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.md') && !file.startsWith('docs/api/'))
}

/** The names under which links reach the headings of a page, by GitHub's rules. */
function headings(page: string): string[] {
  const text = read(page).replaceAll(/```[^]*?```/g, '')
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function fileName(page: string): string {
  return page.replace(/\.md$/, '').replaceAll('/', '-')
}

/** What a reader has who copies the TypeScript of a page, block after block. */
function program(page: string): string {
  return [...read(page).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code).join('\n')
}

/**
 * The examples of docstrings, each a module: the names of the package that it uses imported, the values that
 * it is given declared.
 */
function docstringExamples(): { readonly name: string; readonly code: string }[] {
  const owners = new Map<string, string>()
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (subpath === '.' || typeof target === 'string') continue
    const face = (target as { default: string }).default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
    for (const [, names] of read(face).matchAll(/^export (?!type)\{([^}]*)\}/gm)) {
      for (const name of (names as string).split(','))
        if (name.trim() !== '') owners.set(name.trim(), `spiffe-pki${subpath.slice(1)}`)
    }
  }
  const found: { name: string; code: string }[] = []
  for (const file of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((one) =>
    one.endsWith('.ts'),
  )) {
    for (const [, text] of read(`src/${file}`).matchAll(/^ *\* @example\n((?: *\*(?! @|\/).*\n)+)/gm)) {
      const body = (text as string).replace(/^ *\* ?/gm, '').replace(/^```(ts)?$/gm, '')
      const used = new Set(body.replace(/'[^']*'|\/\/.*$/gm, '').match(/[A-Za-z]\w*/g))
      const imports = [...used]
        .filter((name) => owners.has(name))
        .map((name) => `import { ${name} } from '${owners.get(name)}'\n`)
      const values = [...used].filter(
        (name) => Object.hasOwn(given, name) && !new RegExp(`(?:const|using) \\{? ?${name}\\b`).test(body),
      )
      found.push({
        name: `example-${file.replaceAll(/[/\\]/g, '-').replace(/\.ts$/, '')}-${found.length}`,
        code:
          imports.join('') +
          values.map((name) => `declare const ${name}: ${given[name]}\n`).join('') +
          `${body}\nexport {}\n`,
      })
    }
  }
  return found
}
