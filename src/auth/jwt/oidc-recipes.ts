// Recipes for common issuers, by their documented claims: the required claims and the resulting identity.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { OidcIssuer } from './oidc-authenticator.ts'

/** Common options of all recipes. */
interface RecipeOptions {
  /** Trust domain of the identities. */
  readonly trustDomain: string
  /** The name of this service, which tokens must have as audience. */
  readonly audience: string | readonly string[]
}

/**
 * Issuers for `OidcAuthenticator`. Each recipe requires the accepted accounts, because such an issuer serves
 * all its customers. It returns an `OidcIssuer` that can be restricted further: `{ ...recipe, requiredClaims:
 * { ...recipe.requiredClaims, ref: 'refs/heads/main' } }`.
 *
 * @example
 * ```ts
 * const issuer = oidcRecipes.gitHubActions({
 *   trustDomain: 'example.org',
 *   audience: 'spiffe-pki',
 *   owners: ['octo-org'],
 * })
 * ```
 * @throws ERR_INVALID_ARGUMENT if no accepted account is named
 */
export const oidcRecipes: {
  /** GitHub Actions: `/github/{owner}/{repository}` for workflows of these owners. */
  readonly gitHubActions: (options: RecipeOptions & { readonly owners: readonly string[] }) => OidcIssuer
  /**
   * GitLab CI: `/gitlab/project/{project_id}` for jobs in these namespaces (`namespace_path`); `url` for a
   * self-hosted instance.
   */
  readonly gitLabCi: (
    options: RecipeOptions & { readonly namespaces: readonly string[]; readonly url?: string },
  ) => OidcIssuer
  /**
   * Google Cloud: `/gcp/{project_id}/{instance_id}` for instances of these projects, by their identity tokens
   * with `format=full`.
   */
  readonly googleCloud: (options: RecipeOptions & { readonly projects: readonly string[] }) => OidcIssuer
  /**
   * AWS: `/aws/{account}/{role}` for roles of these accounts, by tokens of `sts:GetWebIdentityToken` of the
   * issuer of the account.
   */
  readonly awsSts: (
    options: RecipeOptions & { readonly issuer: string; readonly accounts: readonly string[] },
  ) => OidcIssuer
  /**
   * Azure: `/azure/{tenant}/{object id}` for applications and managed identities of a tenant, by Entra access
   * tokens of version 2.0.
   */
  readonly azure: (options: RecipeOptions & { readonly tenant: string }) => OidcIssuer
} = Object.freeze({
  gitHubActions: (options) => {
    const { trustDomain, audience, owners } = readOptions('oidcRecipes.gitHubActions', options, {
      ...common,
      owners: 'required',
    })
    return {
      issuer: 'https://token.actions.githubusercontent.com',
      audience,
      extract: { repository: '{owner}/{name}' },
      identity: `spiffe://${trustDomain}/github/{owner}/{name}`,
      requiredClaims: { repository_owner: named('gitHubActions', 'owners', owners) },
      algorithms: ['RS256'],
      maxTokenAgeSeconds: 3_600,
    }
  },
  gitLabCi: (options) => {
    const {
      trustDomain,
      audience,
      namespaces,
      url = 'https://gitlab.com',
    } = readOptions('oidcRecipes.gitLabCi', options, {
      ...common,
      namespaces: 'required',
      url: 'guard',
    })
    return {
      issuer: url,
      audience,
      // project_path has a segment for each group, and can be reassigned to another project.
      identity: `spiffe://${trustDomain}/gitlab/project/{project_id}`,
      requiredClaims: { namespace_path: named('gitLabCi', 'namespaces', namespaces) },
      algorithms: ['RS256'],
      // A token is valid for the maximum run time of its job.
      maxTokenAgeSeconds: 86_400,
    }
  },
  googleCloud: (options) => {
    const { trustDomain, audience, projects } = readOptions('oidcRecipes.googleCloud', options, {
      ...common,
      projects: 'required',
    })
    return {
      issuer: 'https://accounts.google.com',
      audience,
      identity:
        `spiffe://${trustDomain}/gcp/{/google/compute_engine/project_id}` +
        '/{/google/compute_engine/instance_id}',
      requiredClaims: { '/google/compute_engine/project_id': named('googleCloud', 'projects', projects) },
      algorithms: ['RS256'],
      maxTokenAgeSeconds: 3_600,
    }
  },
  awsSts: (options) => {
    const { trustDomain, audience, issuer, accounts } = readOptions('oidcRecipes.awsSts', options, {
      ...common,
      issuer: 'required',
      accounts: 'required',
    })
    return {
      issuer,
      audience,
      extract: { sub: 'arn:aws:iam::{account}:role/{role}' },
      identity: `spiffe://${trustDomain}/aws/{account}/{role}`,
      requiredClaims: { '/https:~1~1sts.amazonaws.com~1/aws_account': named('awsSts', 'accounts', accounts) },
      algorithms: ['ES384', 'RS256'],
      maxTokenAgeSeconds: 3_600,
    }
  },
  azure: (options) => {
    const { trustDomain, audience, tenant } = readOptions('oidcRecipes.azure', options, {
      ...common,
      tenant: 'required',
    })
    return {
      issuer: `https://login.microsoftonline.com/${named('azure', 'tenant', [tenant])[0] ?? ''}/v2.0`,
      audience,
      identity: `spiffe://${trustDomain}/azure/{tid}/{oid}`,
      // A token of a signed-in person has scopes and no `idtyp`.
      requiredClaims: { tid: tenant, idtyp: 'app' },
      algorithms: ['RS256'],
      maxTokenAgeSeconds: 86_400,
    }
  },
})

function named(recipe: string, option: string, names: readonly string[]): readonly string[] {
  const given: unknown = names
  const list: readonly unknown[] = Array.isArray(given) ? given : []
  if (list.length > 0 && list.every((name) => typeof name === 'string' && name !== ''))
    return [...(list as readonly string[])]
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `oidcRecipes.${recipe}: ${option} must list the accepted values as non-empty strings`,
  )
}

const common = { trustDomain: 'required', audience: 'required' } as const
