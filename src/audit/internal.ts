// The second entry point of audit, for the layers above only: not part of the package's public API.
export { formatCheckpoint, readCheckpoint } from './checkpoint.ts'
export { consistencyProof, leafHash, parentHashes, rootHash } from './merkle-tree.ts'
export { noteKeyOf, signNote } from './signed-note.ts'
