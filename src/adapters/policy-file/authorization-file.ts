// Istio's AuthorizationPolicy and PeerAuthentication from YAML: faults with line and column, reloaded when
// the file changes.

import { readOptions, requireIterable } from '../../internal/options.ts'
import { Authorizer } from '../../policy/index.ts'
import type { AuthorizationRequest } from '../../policy/internal.ts'
import { readYaml } from './read-yaml.ts'
import type { YamlDocument } from './read-yaml.ts'
import { ReloadedFile } from './reloaded-file.ts'
import type { ReloadOptions } from './reloaded-file.ts'

type AuthorizerOptions = ConstructorParameters<typeof Authorizer>[1]

/** Options of `openAuthorizationFile`: those of `Authorizer`, and how the file is read again. @inline */
export interface AuthorizationFileOptions extends Omit<AuthorizerOptions, 'fault'>, ReloadOptions {}

/** An `Authorizer` over a file. @inline */
export interface AuthorizationFile extends Pick<Authorizer, 'decide' | 'mutualTls'>, AsyncDisposable {
  /**
   * Reads the file again; if it is refused, the previous one remains in use. Returns whether it changed.
   *
   * @throws as `openAuthorizationFile`
   */
  reload(): Promise<boolean>
}

/**
 * Opens a file of Istio's YAML: documents of the kinds `AuthorizationPolicy` and `PeerAuthentication`,
 * separated by `---`, or a `List` of them as kubectl prints it. A changed file is used as a whole, or the
 * previous one remains in use.
 *
 * @throws ERR_POLICY_INVALID with `file:line:column`; ERR_POLICY_FAILED if the file cannot be read or is not
 * a regular file; ERR_LIMIT_EXCEEDED above 4 MiB; ERR_PEER_NOT_INSTALLED; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const workload = { namespace: 'shop', labels: { app: 'orders' } }
 * const options = { workload, trustDomain: 'example.org' }
 * const mesh = await openAuthorizationFile('/etc/mesh/policies.yaml', options)
 * ```
 */
export async function openAuthorizationFile(
  path: string,
  given: AuthorizationFileOptions,
): Promise<AuthorizationFile> {
  const { pollMs, clock, logger, aliases, ...others } = readOptions('openAuthorizationFile', given, {
    workload: 'required',
    trustDomain: 'required',
    aliases: 'optional',
    rootNamespace: 'optional',
    pathNormalization: 'optional',
    pollMs: 'optional',
    clock: 'optional',
    logger: 'optional',
  })
  // A copy: an iterator can be read once, and the file is read again.
  if (aliases !== undefined) requireIterable('openAuthorizationFile: aliases', aliases)
  const options = { ...others, aliases: [...(aliases ?? [])] }
  const parse = async (text: string): Promise<Authorizer> => parseAuthorization(text, path, options)
  const reloading = { pollMs, clock, logger }
  const file = await ReloadedFile.open('openAuthorizationFile', path, parse, reloading)
  return Object.freeze({
    decide: (request: AuthorizationRequest) => file.value.decide(request),
    mutualTls: (port?: number) => file.value.mutualTls(port),
    reload: () => file.reload(),
    [Symbol.asyncDispose]: async () => {
      file.close()
      return Promise.resolve()
    },
  })
}

/** @throws ERR_POLICY_INVALID with `file:line:column`, ERR_LIMIT_EXCEEDED, ERR_PEER_NOT_INSTALLED */
export async function parseAuthorization(
  text: string,
  file: string,
  options: Omit<AuthorizerOptions, 'fault'>,
): Promise<Authorizer> {
  const resources = (await readYaml(text, file)).flatMap(resourcesOf)
  return new Authorizer(
    resources.map(({ value }) => value),
    {
      ...options,
      fault: (index, path, message) => (resources[index] as YamlDocument).fault(path, message),
    },
  )
}

/** The document itself, the items of a `List`, or nothing if there is only a comment. */
function resourcesOf(document: YamlDocument): readonly YamlDocument[] {
  const { value, fault } = document
  if (value === null) return []
  const {
    apiVersion,
    kind,
    items,
    metadata: _,
    ...others
  } = Object(value) as Readonly<Record<string, unknown>>
  if (kind !== 'List') return [document]
  if (apiVersion !== 'v1') fault(['apiVersion'], 'expected v1')
  const [odd] = Object.keys(others)
  if (odd !== undefined) fault([odd], 'unknown; expected one of apiVersion, items, kind, metadata')
  if (!Array.isArray(items)) return fault(['items'], 'expected a list')
  return items.map((item: unknown, i) => ({
    value: item,
    fault: (path, message) => fault(['items', i, ...path], message),
  }))
}
