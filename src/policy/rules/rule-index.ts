// An index of rules by identity: a tree over the segments of their patterns.

import type { SpiffeId } from '../../spiffe/index.ts'
import type { IdentityPattern } from './identity-pattern.ts'

interface Node<Rule> {
  readonly names: Map<string, Node<Rule>>
  placeholder: Node<Rule> | undefined
  /** Rules whose pattern ends here, and rules whose pattern ends with `**` here. */
  readonly ends: Rule[]
  readonly open: Rule[]
}

/** Rules by the path of an identity. */
export class RuleIndex<Rule extends { readonly pattern: IdentityPattern; readonly place: number }> {
  readonly #root: Node<Rule> = newNode()

  constructor(rules: Iterable<Rule>) {
    for (const rule of rules) {
      let node = this.#root
      for (const segment of rule.pattern.segments) node = childOf(node, segment)
      ;(rule.pattern.open ? node.open : node.ends).push(rule)
    }
  }

  /** The rules for this identity, in the order of the policy. */
  find(identity: SpiffeId): Rule[] {
    if (!identity.hasPath) return []
    const found: Rule[] = []
    collect(this.#root, identity.path.slice(1).split('/'), 0, found)
    return found.sort((a, b) => a.place - b.place)
  }
}

function collect<Rule>(node: Node<Rule>, segments: readonly string[], at: number, found: Rule[]): void {
  if (at === segments.length) {
    found.push(...node.ends)
    return
  }
  found.push(...node.open)
  const named = node.names.get(segments[at] as string)
  if (named !== undefined) collect(named, segments, at + 1, found)
  if (node.placeholder !== undefined) collect(node.placeholder, segments, at + 1, found)
}

function childOf<Rule>(node: Node<Rule>, segment: string | undefined): Node<Rule> {
  if (segment === undefined) return (node.placeholder ??= newNode())
  const known = node.names.get(segment)
  if (known !== undefined) return known
  const made = newNode<Rule>()
  node.names.set(segment, made)
  return made
}

function newNode<Rule>(): Node<Rule> {
  return { names: new Map(), placeholder: undefined, ends: [], open: [] }
}
