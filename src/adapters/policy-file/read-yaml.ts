// YAML 1.2 as plain data with the position of each value, in time linear in the length of the text.

import type * as Yaml from 'yaml'
import { PkiError } from '../../errors/index.ts'
import { maxPolicyBytes, tooLarge } from './read-text.ts'

/** The path of a value: `['rules', 2, 'identity']`. */
type ValuePath = readonly (string | number)[]

/** One document of a text. */
export interface YamlDocument {
  /** Objects, arrays, text, numbers, booleans and null. */
  readonly value: unknown
  /**
   * Refuses the document with `file:line:column` of a value; for a missing value, that of its parent.
   */
  readonly fault: (path: ValuePath, message: string) => never
}

/** The maximum depth of nested brackets and indentations. A policy has about ten. */
const maxDepth = 100

/** @throws ERR_POLICY_INVALID with `file:line:column`; ERR_LIMIT_EXCEEDED; ERR_PEER_NOT_INSTALLED */
export async function readYaml(text: string, file: string): Promise<readonly YamlDocument[]> {
  const octets = Buffer.byteLength(text)
  if (octets > maxPolicyBytes) throw tooLarge(file, octets)
  // Linear time: depth is checked before any recursion, duplicate keys are found with sets, aliases are
  // refused.
  const yaml = await yamlModule()
  const lines = new yaml.LineCounter()
  const refuse = (offset: number | undefined, message: string): never => {
    const { line, col } = lines.linePos(offset ?? 0)
    throw new PkiError('ERR_POLICY_INVALID', `${file}:${line}:${col}: ${message}`)
  }
  // YAML 1.2 has neither `yes` for true nor merge keys. `uniqueKeys` of the package takes quadratic time.
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

/** The tokens of the text. The size of the parser's stack is the depth. */
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
    if (parser.stack.length > maxDepth)
      refuse(parser.offset, `nested deeper than ${maxDepth} levels, the maximum`)
  }
  yield* parser.end()
}

/** Requires unique text keys and refuses aliases, because a few aliases can expand to gigabytes. */
function requirePlain(yaml: typeof Yaml, document: Yaml.Document.Parsed, refuse: Refuse): void {
  yaml.visit(document, {
    Alias: (_, alias) => refuse(alias.range?.[0], 'aliases are not accepted; write the value itself'),
    Map: (_, map) => {
      const keys = new Set<unknown>()
      for (const { key } of map.items) {
        const offset = yaml.isNode(key) ? key.range?.[0] : map.range?.[0]
        const name = yaml.isScalar(key) ? key.value : undefined
        if (typeof name !== 'string') return refuse(offset, 'a key is not a string; put it in quotes')
        if (keys.has(name))
          return refuse(offset, `Map keys must be unique: ${JSON.stringify(name.slice(0, 64))} is used twice`)
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

/** The optional package, loaded on first use. @throws ERR_PEER_NOT_INSTALLED */
async function yamlModule(): Promise<typeof Yaml> {
  try {
    return await import('yaml')
  } catch (cause) {
    throw new PkiError('ERR_PEER_NOT_INSTALLED', 'policy files need the package yaml: npm install yaml', {
      cause,
    })
  }
}
