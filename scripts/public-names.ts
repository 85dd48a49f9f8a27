// The public names of each subpath and the first sentence of their docstrings, read from the sources without
// type checking.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))

/** One export. */
export interface PublicName {
  readonly name: string
  readonly kind: 'class' | 'function' | 'constant' | 'type'
  /** First sentence of its docstring; empty where it has none. */
  readonly summary: string
}

/** Every subpath in the order of package.json, with its exports in alphabetical order. */
export function publicNames(): ReadonlyMap<string, readonly PublicName[]> {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  }
  const subpaths = new Map<string, readonly PublicName[]>()
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') continue
    const file = join(root, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))
    const names = exportsOf(file).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    subpaths.set(`spiffe-pki${subpath.slice(1)}`, names)
  }
  return subpaths
}

/** `docs/api.md` as it should be. */
export function apiPage(): string {
  const subpaths = publicNames()
  const total = new Set([...subpaths.values()].flat().map(({ name }) => name)).size
  const lines = [
    '# API',
    '',
    `Every public name with the first sentence of its docstring: ` +
      `${total} names. \`npx tsx scripts/api-page.ts\` writes this`,
    'page from the sources; `npm run docs` writes the full reference. Types of options have no name of ' +
      'their own here:',
    '`Parameters<typeof createCrlChecker>[0]` names one.',
  ]
  for (const [subpath, names] of subpaths) {
    lines.push('', `## ${subpath}`, '', '| name | kind | what it is |', '|---|---|---|')
    for (const { name, kind, summary } of names)
      lines.push(`| \`${name}\` | ${kind} | ${summary.replaceAll('|', '\\|')} |`)
  }
  return `${lines.join('\n')}\n`
}

/** The exports of a face: `export { a } from './b.ts'`, followed to where `a` is declared. */
function exportsOf(file: string): PublicName[] {
  return parse(file).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) return []
    if (!ts.isNamedExports(statement.exportClause)) return []
    const from = target(file, statement)
    return statement.exportClause.elements.map((element) => {
      const declared = find(from ?? file, (element.propertyName ?? element.name).text)
      return { ...declared, name: element.name.text }
    })
  })
}

/** The declaration of a name in a file, or in the file that it is re-exported or imported from. */
function find(file: string, name: string): Omit<PublicName, 'name'> {
  const source = parse(file)
  for (const statement of source.statements) {
    const kind = declares(statement, name)
    if (kind !== undefined) return { kind, summary: summaryOf(statement) }
  }
  for (const statement of source.statements) {
    if (!ts.isExportDeclaration(statement) && !ts.isImportDeclaration(statement)) continue
    const bindings = ts.isExportDeclaration(statement)
      ? statement.exportClause
      : statement.importClause?.namedBindings
    if (bindings === undefined || ts.isNamespaceImport(bindings) || ts.isNamespaceExport(bindings)) continue
    const element = bindings.elements.find((one) => one.name.text === name)
    const from = target(file, statement)
    if (element !== undefined && from !== undefined)
      return find(from, (element.propertyName ?? element.name).text)
  }
  throw new Error(`${file}: no declaration of ${name}`)
}

function declares(statement: ts.Statement, name: string): PublicName['kind'] | undefined {
  if (ts.isVariableStatement(statement)) {
    const { declarations } = statement.declarationList
    return declarations.some((one) => one.name.getText() === name) ? 'constant' : undefined
  }
  if (ts.isClassDeclaration(statement)) return statement.name?.text === name ? 'class' : undefined
  if (ts.isFunctionDeclaration(statement)) return statement.name?.text === name ? 'function' : undefined
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    return statement.name.text === name ? 'type' : undefined
  return undefined
}

/** The first sentence; links become code, lines one line. */
function summaryOf(statement: ts.Statement): string {
  const [doc] = ts.getJSDocCommentsAndTags(statement).filter(ts.isJSDoc)
  const generated = doc?.tags?.find(({ tagName }) => tagName.text === 'generated')?.comment
  const origin = generated === undefined ? '' : `Generated ${ts.getTextOfJSDocComment(generated) ?? ''}.`
  const text = (ts.getTextOfJSDocComment(doc?.comment) ?? origin)
    .replace(/\{@link (?:code )?([^}|]+)[^}]*\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim()
  return /^.*?\.(?= [A-Z`]|$)/.exec(text)?.[0] ?? text
}

function target(file: string, statement: ts.ExportDeclaration | ts.ImportDeclaration): string | undefined {
  const { moduleSpecifier } = statement
  return moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier)
    ? join(dirname(file), moduleSpecifier.text)
    : undefined
}

const parsed = new Map<string, ts.SourceFile>()

function parse(file: string): ts.SourceFile {
  let source = parsed.get(file)
  if (source === undefined) {
    source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true)
    parsed.set(file, source)
  }
  return source
}
