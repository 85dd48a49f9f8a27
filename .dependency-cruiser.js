// The architecture, lowest layer first: a folder imports itself and the folders on lines above it.
// The picture of it is in ARCHITECTURE.md; a new arrow is a change to that page first.
const layers = [
  ['errors'],
  ['der', 'internal'],
  ['runtime'],
  ['spiffe', 'x509'],
  ['keys', 'validation'],
  ['svid'],
  ['auth', 'ca', 'federation', 'audit'],
  ['policy'],
  ['issuance', 'secrets'],
  ['adapters', 'testing'],
  ['service'],
  ['cli'],
]

// The optional peers, and the one adapter that may import each.
const peers = {
  pkcs11: 'pkcs11js',
  grpc: '@grpc/grpc-js',
  sqlite: '@photostructure/sqlite',
  postgres: 'pg',
  tls: 'undici',
  'policy-file': 'yaml',
  prometheus: 'prom-client',
}

// What the package's root is made of may be entered by name: through the faces it would load the whole of
// each layer, and it is held to 60 ms.
const rootModules = [
  'auth/composite-authenticator',
  'auth/require-caller',
  'ca/lints/dns-name',
  'policy/caller-identity-policy',
  'svid/bundle-source',
  'svid/trust-bundle',
  'svid/x509-svid',
  'validation/budget',
  'validation/names/check-name-constraints',
  'validation/names/spiffe-id-of',
  'validation/path-validator',
  'validation/verdict/verdict',
]

const any = (names) => `(${names.flat().join('|')})`
const rule = (name, from, to) => ({ name, severity: 'error', from, to })

export default {
  forbidden: [
    ...layers.map((layer, i) =>
      rule(
        `layer: ${layer} may import only the layers below`,
        { path: `^src/${any(layer)}/` },
        { path: `^src/(${any(layers.slice(i))}/|index\\.ts)`, pathNot: '^src/$1/' },
      ),
    ),
    rule(
      'door: enter another folder by its index.ts, or by internal.ts: what its layer gives the layers ' +
        'above and not the public',
      { path: '^src/([^/]+)/' },
      {
        path: '^src/[^/]+/.+',
        pathNot: ['^src/$1/', '^src/internal/', '/(index|internal)\\.ts$', `^src/${any(rootModules)}\\.ts$`],
      },
    ),
    rule(
      'root: no adapter, so no optional peer',
      { path: '^src/index\\.ts$' },
      { path: '^src/(adapters|testing|service)/' },
    ),
    rule(
      'adapters do not import one another',
      { path: '^src/adapters/([^/]+)/' },
      { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
    ),
    ...Object.entries(peers).map(([adapter, peer]) =>
      rule(
        `peer: ${peer} only in adapters/${adapter}`,
        { path: '^src/', pathNot: `^src/adapters/${adapter}/` },
        { path: [`node_modules/${peer}/`, `^${peer}`] },
      ),
    ),
    rule(
      'every importing folder has a layer',
      { path: '^src/', pathNot: [`^src/${any(layers)}/`, '^src/index\\.ts$'] },
      {},
    ),
    rule(
      'every used folder has a layer',
      { path: '^src/' },
      { path: '^src/[^/]+/', pathNot: `^src/${any(layers)}/` },
    ),
    rule('no cycles', {}, { circular: true }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true, // type-only imports count
  },
}
