/**
 * The storage of a CA in PostgreSQL, for several processes (optional peer `pg`).
 *
 * @module spiffe-pki/postgres
 */
export { createPostgresStorage } from './postgres-storage.ts'
