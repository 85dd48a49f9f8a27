// The package checks itself: its subpaths, its peers, and what importing it costs its host.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { type LoadedModules, listImports } from '../support/list-imports.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, { types: string; default: string } | string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional?: boolean }>
  sideEffects: boolean
  allowScripts: Record<string, boolean>
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'))
// The face of a layer or adapter. `internal`, `der` and a folder inside a layer have no subpath.
const faces = sources.filter((file) =>
  /^(?:(?!(?:internal|der)\/)[^/]+\/|adapters\/(?:[^/]+|grpc\/(?:sds|workload-api))\/)?index\.ts$/.test(file),
)

describe('exports', () => {
  test('every index.ts under src is one subpath, and the reverse', () => {
    const expected = faces.map((file) => {
      const folder = file.replace(/\/?index\.ts$/, '').replace(/^adapters\//, '')
      return folder === '' ? '.' : `./${folder}`
    })
    const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json')
    expect(subpaths.toSorted()).toEqual(expected.toSorted())
  })

  test('types come before default, and both point at the file that is built from the index', () => {
    for (const [subpath, target] of Object.entries(manifest.exports)) {
      if (typeof target === 'string') continue
      expect(Object.keys(target), subpath).toEqual(['types', 'default'])
      const built = target.default.replace(/^\.\/dist\//, '').replace(/\.js$/, '')
      expect(target.types, subpath).toBe(`./dist/${built}.d.ts`)
      expect(existsSync(join(root, 'src', `${built}.ts`)), subpath).toBe(true)
    }
  })

  test('a face names what it exports, one by one', () => {
    for (const face of faces) {
      expect(readFileSync(join(root, 'src', face), 'utf8'), face).not.toMatch(/^export \*/m)
    }
  })

  test('is free of side effects', () => {
    expect(manifest.sideEffects).toBe(false)
  })
})

describe('peers', () => {
  const peers = Object.keys(manifest.peerDependencies)

  test.each(peers)('%s is optional and not a dependency', (peer) => {
    expect(manifest.peerDependenciesMeta[peer]?.optional).toBe(true)
    expect(manifest.dependencies[peer]).toBeUndefined()
  })

  test.each(peers)('%s is installed for our own tests', (peer) => {
    expect(manifest.devDependencies[peer]).toBeDefined()
  })

  test.each(peers)('%s is named by the code of one adapter at most', (peer) => {
    const quoted = new RegExp(`['"]${peer.replaceAll('/', '\\/')}(/[^'"]*)?['"]`)
    const folders = new Set(
      sources
        .filter((file) => quoted.test(withoutComments(readFileSync(join(root, 'src', file), 'utf8'))))
        .map((file) => file.split('/').slice(0, 2).join('/')),
    )
    for (const folder of folders) expect(folder).toMatch(/^adapters\//)
    expect(folders.size).toBeLessThanOrEqual(1)
  })

  // npm warns of each script about which nothing is said.
  test('only pkcs11js may run an install script; of every other one it is said that it may not', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean }>
    }
    const scripts = Object.entries(lock.packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''))
    expect(manifest.allowScripts).toEqual(
      Object.fromEntries(scripts.map((name) => [name, name === 'pkcs11js'])),
    )
  })
})

describe('the root', () => {
  let loaded: LoadedModules = { urls: [], native: [], globals: [] }
  beforeAll(() => {
    loaded = listImports('src/index.ts')
  })

  test('is loaded from our sources', () => {
    expect(loaded.urls.some((url) => url.includes('/src/index.ts'))).toBe(true)
  })

  test.each([...Object.keys(manifest.peerDependencies), 'reflect-metadata', '@peculiar/'])(
    'loads no %s',
    (name) => {
      expect(loaded.urls.filter((url) => url.includes(`/node_modules/${name}`))).toEqual([])
    },
  )

  test('loads no adapter and nothing of testing', () => {
    expect(loaded.urls.filter((url) => /\/src\/(adapters|testing|cli)\//.test(url))).toEqual([])
  })

  test('loads no native code', () => {
    expect(loaded.native).toEqual([])
  })

  test('adds no global and does not touch Reflect', () => {
    expect(loaded.globals).toEqual([])
  })
})

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
