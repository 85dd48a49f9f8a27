// One-time values inside a transaction: adding one, which also removes expired ones, and taking it.

import { oneTimeColumns, oneTimeValueOf, oneTimeValuesFull } from '../../../ca/internal.ts'
import type { StoreOperations } from '../messages.ts'
import type { Database } from './database.ts'

type OneTimeOperations = Pick<StoreOperations, 'addOneTime' | 'takeOneTime'>

export function oneTimeOperations(database: Database, clockMs: () => number): OneTimeOperations {
  /**
   * The number of adds until the values are counted again. Values that are removed in between are not
   * subtracted.
   */
  let room = 0
  return {
    addOneTime(values, maximum) {
      const nowMs = clockMs()
      database.run(pruneSql, nowMs)
      if (room <= 0) room = maximum - (database.value(countSql, nowMs) as number)
      if (room <= 0) throw oneTimeValuesFull(maximum)
      room--
      return database.run(addSql, ...values, nowMs) === 1
    },
    takeOneTime(key) {
      const row = database.get(`SELECT value, expires_at_ms FROM one_time_values WHERE key = ?`, key)
      if (row === undefined) return null
      database.run('DELETE FROM one_time_values WHERE key = ?', key)
      return oneTimeValueOf(row, clockMs()) ?? null
    },
  }
}

const addSql =
  `INSERT INTO one_time_values (${oneTimeColumns.join(', ')}) VALUES (?, ?, ?) ` +
  'ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms ' +
  'WHERE one_time_values.expires_at_ms <= ?'
const countSql = 'SELECT count(*) FROM one_time_values WHERE expires_at_ms > ?'
/** Removes more expired values than one add creates, so that they do not accumulate. */
const pruneSql = `DELETE FROM one_time_values WHERE key IN
  (SELECT key FROM one_time_values WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT 16)`
