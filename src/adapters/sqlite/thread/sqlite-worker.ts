// The thread of a SQLite store, started by `createSqliteStorage`, so that waiting for the disk does not block
// the event loop of the CA.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { isPkiError } from '../../../errors/index.ts'
import { storeError } from './database.ts'
import { GroupCommit } from './group-commit.ts'
import type {
  CopyRequest,
  StoreFailure,
  StoreMessage,
  StoreReply,
  StoreRequest,
  StoreSetup,
} from '../messages.ts'
import { closeStore, openStore } from './open-store.ts'

const port = parentPort as MessagePort
const setup = workerData as StoreSetup

function say(reply: StoreReply): void {
  port.postMessage(reply)
}

function failureOf(error: unknown): StoreFailure {
  const { code, message } = isPkiError(error) ? error : storeError(error, setup.path)
  return { code, message }
}

function fail(error: unknown): void {
  say({ kind: 'failed', failure: failureOf(error) })
  port.close()
}

try {
  const database = openStore(setup)
  const commits = new GroupCommit(database)
  /** Copies in progress: the file stays open for them. */
  const copies = new Set<Promise<void>>()

  const copy = ({ id, copyTo }: CopyRequest): void => {
    const made: Promise<void> = database
      .copyTo(copyTo)
      .then(() => null, failureOf)
      .then((failure) => {
        copies.delete(made)
        say({ kind: 'answers', answers: [[id, failure, undefined]], unavailable: undefined })
      })
    copies.add(made)
  }

  port.on('message', (first: StoreMessage) => {
    let isLast = first === null
    const asked: CopyRequest[] = []
    const requestOf = (message: StoreMessage | undefined): StoreRequest | undefined => {
      if (message === null) isLast = true
      if (message === null || message === undefined || !('copyTo' in message)) return message ?? undefined
      asked.push(message)
      return requestOf(waiting())
    }
    const waiting = (): StoreMessage | undefined =>
      receiveMessageOnPort(port)?.message as StoreMessage | undefined
    try {
      const request = requestOf(first)
      if (request !== undefined) say(commits.perform(request, () => requestOf(waiting())))
      // Outside of a transaction.
      for (const one of asked) copy(one)
      if (isLast) void Promise.all(copies).then(close)
    } catch (error) {
      try {
        database.close()
      } catch {
        // The earlier failure is reported.
      }
      fail(error)
    }
  })

  const close = (): void => {
    try {
      closeStore(database)
      port.close()
    } catch (error) {
      fail(error)
    }
  }
  say({ kind: 'open' })
} catch (error) {
  fail(error)
}
