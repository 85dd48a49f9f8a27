/**
 * The storage of a CA in one SQLite file, with `node:sqlite` (Node 22.13 or later) or the optional peer
 * `@photostructure/sqlite` (Node 20).
 *
 * @module spiffe-pki/sqlite
 */
export { createSqliteStorage } from './sqlite-storage.ts'
export type { SqliteStorage } from './sqlite-storage.ts'
