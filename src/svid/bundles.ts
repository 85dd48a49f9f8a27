// The second door of this folder: trust bundles without documents and JWTs, for the layers that the package's root is made of.

export { TrustBundleSet } from './bundle-source.ts'
export { TrustBundle } from './trust-bundle.ts'
