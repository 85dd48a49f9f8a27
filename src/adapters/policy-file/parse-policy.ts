// A policy from YAML or JSON text: every fault is reported with its line and column.

import { createRulePolicy } from '../../policy/index.ts'
import type { IssuancePolicy, PolicyDocument } from '../../policy/index.ts'
import { readYaml } from './read-yaml.ts'

/** @throws ERR_POLICY_INVALID with `file:line:column`, ERR_LIMIT_EXCEEDED, ERR_PEER_NOT_INSTALLED */
export async function parsePolicy(text: string, file: string): Promise<IssuancePolicy> {
  const [document, second] = await readYaml(text, file)
  if (second !== undefined) second.fault([], 'found a second document; a policy is one document')
  const { value, fault } = document as NonNullable<typeof document>
  return createRulePolicy(value as PolicyDocument, { fault })
}
