/**
 * The storage of a CA in one SQLite file. Node 22.13 and later have SQLite; Node 20 needs the optional
 * package `@photostructure/sqlite`.
 *
 * @module spiffe-pki/sqlite
 */
export { createSqliteStorage } from './sqlite-storage.ts'
export type { SqliteStorage } from './sqlite-storage.ts'
