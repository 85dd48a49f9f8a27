// YAML 1.2 as plain data with the place of each value. The time grows with the length of the text, whatever
// it says: depth is checked before anything recurses, duplicate keys are found by sets, and aliases are
// refused.

import type * as Yaml from 'yaml'
import { PkiError } from '../../errors/index.ts'
import { maxPolicyBytes, tooLarge } from './read-text.ts'

/** Where a value stands: `['rules', 2, 'identity']`. */
type ValuePath = readonly (string | number)[]

/** One document of a text. */
export interface YamlDocument {
  /** Objects, arrays, text, numbers, booleans and null. */
  readonly value: unknown
  /**
   * Refuses the document with `file:line:column` of a value; of one that is missing, of what it is missing
   * in.
   */
  readonly fault: (path: ValuePath, message: string) => never
}

/** Open brackets and indentations, each inside the other. A policy has about ten. */
const maxDepth = 100

/** @throws ERR_POLICY_INVALID with `file:line:column`; ERR_LIMIT_EXCEEDED; ERR_PEER_NOT_INSTALLED */
export async function readYaml(text: string, file: string): Promise<readonly YamlDocument[]> {
  const octets = Buffer.byteLength(text)
  if (octets > maxPolicyBytes) throw tooLarge(file, octets)
  const yaml = await yamlModule()
  const lines = new yaml.LineCounter()
  const refuse = (offset: number | undefined, message: string): never => {
    const { line, col } = lines.linePos(offset ?? 0)
    throw new PkiError('ERR_POLICY_INVALID', `${file}:${line}:${col}: ${message}`)
  }
  // Version 1.2 has neither `yes` for true nor merges. The package looks for duplicate keys in quadratic
  // time.
  const composer = new yaml.Composer({ version: '1.2', uniqueKeys: false, strict: true, merge: false })
  const documents: YamlDocument[] = []
  for (const document of composer.compose(tokensOf(yaml, text, lines, refuse), true, text.length)) {
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) refuse(problem.pos[0], problem.message.split('\n', 1)[0] ?? problem.code)
    requirePlain(yaml, document, refuse)
    documents.push({
      value: document.toJS({ maxAliasCount: 0 }),
      fault: (path, message) => {
        const name = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
        const where = name.replace(/^\./, '')
        return refuse(offsetOf(yaml, document, path), where === '' ? message : `${where}: ${message}`)
      },
    })
  }
  return documents
}

type Refuse = (offset: number | undefined, message: string) => never

/** The tokens of the text; the stack of the parser is the depth. */
function* tokensOf(
  yaml: typeof Yaml,
  text: string,
  lines: Yaml.LineCounter,
  refuse: Refuse,
): Generator<Yaml.CST.Token> {
  const parser = new yaml.Parser(lines.addNewLine)
  lines.addNewLine(0)
  for (const lexeme of new yaml.Lexer().lex(text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > maxDepth) refuse(parser.offset, `more than ${maxDepth} levels`)
  }
  yield* parser.end()
}

/** Keys that are text, each once; no aliases: a few of them can stand for gigabytes. */
function requirePlain(yaml: typeof Yaml, document: Yaml.Document.Parsed, refuse: Refuse): void {
  yaml.visit(document, {
    Alias: (_, alias) => refuse(alias.range?.[0], 'aliases are not read; write the value itself'),
    Map: (_, map) => {
      const keys = new Set<unknown>()
      for (const { key } of map.items) {
        const offset = yaml.isNode(key) ? key.range?.[0] : map.range?.[0]
        const name = yaml.isScalar(key) ? key.value : undefined
        if (typeof name !== 'string') return refuse(offset, 'a key is not text; put it in quotes')
        if (keys.has(name))
          return refuse(offset, `Map keys must be unique: ${JSON.stringify(name.slice(0, 64))} stands twice`)
        keys.add(name)
      }
      return undefined
    },
  })
}

function offsetOf(yaml: typeof Yaml, document: Yaml.Document.Parsed, path: ValuePath): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (yaml.isNode(node)) return node.range?.[0]
  }
  return document.contents?.range[0]
}

/** The peer, loaded when it is needed. @throws ERR_PEER_NOT_INSTALLED */
async function yamlModule(): Promise<typeof Yaml> {
  try {
    return await import('yaml')
  } catch (cause) {
    throw new PkiError('ERR_PEER_NOT_INSTALLED', 'policy files need the package yaml: npm install yaml', {
      cause,
    })
  }
}
