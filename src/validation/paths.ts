// The second door of this folder: paths without revocation, for the layers that the package's root is made of. Whoever checks revocations enters by
// `index.ts`; the root does not load them (it is held to 60 ms).

export { Budget } from './budget.ts'
export { checkNameConstraints } from './names/index.ts'
export { createPathValidator, verifyPath } from './path-validator.ts'
