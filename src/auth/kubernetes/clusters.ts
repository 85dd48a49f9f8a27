// Selects the cluster of a token by the header `clusterid`, which Istio's agents send, and never tries
// clusters in turn.

import { PkiError } from '../../errors/index.ts'
import type { AuthenticationRequest } from '../authenticator.ts'
import { singleHeader } from '../jwt/bearer-token.ts'
import { authenticationError } from '../require-caller.ts'

/** A cluster by its names. */
export interface NamedCluster {
  readonly name: string
  readonly aliases?: readonly string[] | undefined
}

/** Clusters by name and alias. @throws ERR_INVALID_ARGUMENT an empty list, or a name that occurs twice */
export function indexClusters<Cluster extends NamedCluster>(
  owner: string,
  clusters: readonly Cluster[],
): ReadonlyMap<string, Cluster> {
  const byName = new Map<string, Cluster>()
  for (const cluster of clusters)
    for (const name of [cluster.name, ...(cluster.aliases ?? [])]) {
      if (typeof name !== 'string' || !/^[\x21-\x7e]{1,253}$/.test(name))
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `${owner}: the name of a cluster must be 1 to 253 ASCII characters`,
        )
      if (byName.has(name))
        throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: the cluster ${name} is listed twice`)
      byName.set(name, cluster)
    }
  if (byName.size > 0) return byName
  throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: clusters is empty, so every token would be refused`)
}

/**
 * The cluster that the request names; undefined if it names none.
 *
 * @throws ERR_CREDENTIAL_INVALID several values, or a cluster that is not configured
 */
export function namedCluster<Cluster extends NamedCluster>(
  request: AuthenticationRequest,
  clusters: ReadonlyMap<string, Cluster>,
): Cluster | undefined {
  const name = singleHeader(request, 'clusterid', 253)
  if (name === undefined || name === '') return undefined
  const cluster = clusters.get(name)
  if (cluster !== undefined) return cluster
  throw authenticationError(
    `clusterid is ${JSON.stringify(name)}; expected one of ${[...clusters.keys()].join(', ')}`,
  )
}
