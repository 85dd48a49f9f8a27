// What one connection and its calls hold of the places of their source.

import type { ServerHttp2Stream } from 'node:http2'
import { Metadata } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import {
  AdmittedCall,
  Source,
  admittedCallOf,
  noteCall,
} from '../../../../../src/adapters/grpc/server/connection.ts'
import { newConnection, newSource } from '../../../../support/listener.ts'

const stream = Object.create(null) as ServerHttp2Stream

describe('a call of a stranger', () => {
  it('holds its place until the stream is closed and the work has ended', () => {
    const connection = newConnection()
    const { source } = connection
    const call = new AdmittedCall(stream, connection)
    expect([source.strangerCalls, source.incomplete.size, connection.calls.size]).toEqual([1, 1, 1])
    call.begin()
    expect([source.strangerCalls, source.incomplete.size]).toEqual([1, 0])
    call.close() // the client has left
    expect([source.strangerCalls, connection.calls.size]).toEqual([1, 1])
    call.end()
    expect([source.strangerCalls, connection.calls.size]).toEqual([0, 0])
  })

  it('holds its place while the answer is sent', () => {
    const connection = newConnection()
    const call = new AdmittedCall(stream, connection)
    call.begin()
    call.end()
    expect(connection.calls.size).toBe(1)
    call.close()
    expect(connection.calls.size).toBe(0)
  })

  it('that no handler took ends with its stream', () => {
    const connection = newConnection()
    const call = new AdmittedCall(stream, connection)
    call.close()
    expect([
      connection.source.strangerCalls,
      connection.source.incomplete.size,
      connection.calls.size,
    ]).toEqual([0, 0, 0])
    expect(call.taken).toBe(false)
  })

  it.each(['begin', 'close'] as const)('stops its timer at %s', (step) => {
    const call = new AdmittedCall(stream, newConnection())
    let stopped = 0
    call.setTimer(() => stopped++)
    call[step]()
    expect(stopped).toBe(1)
  })

  it('gives its place back once', () => {
    const connection = newConnection()
    const [call] = [new AdmittedCall(stream, connection), new AdmittedCall(stream, connection)]
    for (let count = 0; count < 3; count++) {
      call.close()
      call.end()
    }
    expect(connection.source.strangerCalls).toBe(1)
  })

  it('leaves the strangers when another call of its connection is authenticated', () => {
    const connection = newConnection()
    const call = new AdmittedCall(stream, connection)
    connection.source.strangers.add(connection)
    let told = 0
    connection.onAuthenticated = () => told++
    connection.markAuthenticated()
    connection.markAuthenticated()
    expect(told).toBe(1)
    expect([connection.source.strangerCalls, connection.source.incomplete.size]).toEqual([0, 0])
    expect(connection.source.strangers.size).toBe(0)
    const later = new AdmittedCall(stream, connection)
    expect([connection.source.strangerCalls, connection.calls.size]).toEqual([0, 2])
    call.close()
    later.close()
    expect([connection.source.strangerCalls, connection.calls.size]).toEqual([0, 0])
  })
})

describe('Source', () => {
  it('is forgotten with its last call', () => {
    const forgotten: Source[] = []
    const source = new Source('192.0.2.1', (one) => forgotten.push(one))
    const connection = newConnection('192.0.2.1', source)
    source.connections.add(connection)
    const call = new AdmittedCall(stream, connection)
    source.connections.delete(connection)
    source.settle()
    expect(forgotten).toEqual([])
    call.close()
    expect(forgotten).toEqual([source])
  })

  it('ends an incomplete call of the same connection for a new one', () => {
    const source = newSource()
    const [one, other] = [newConnection('', source), newConnection('', source)]
    const calls = [
      new AdmittedCall(stream, other),
      new AdmittedCall(stream, one),
      new AdmittedCall(stream, one),
    ]
    expect(source.oldestIncompleteFor(one)).toBe(calls[1])
    calls[1]?.begin()
    expect(source.oldestIncompleteFor(one)).toBe(calls[2])
  })

  it('ends one of a connection that has several rather than an older single one', () => {
    const source = newSource()
    const [single, many, fresh] = [
      newConnection('', source),
      newConnection('', source),
      newConnection('', source),
    ]
    const only = new AdmittedCall(stream, single)
    const first = new AdmittedCall(stream, many)
    const second = new AdmittedCall(stream, many)
    expect(source.oldestIncompleteFor(fresh)).toBe(first)
    first.close()
    expect(source.oldestIncompleteFor(fresh)).toBe(only)
    only.begin()
    second.begin()
    expect(source.oldestIncompleteFor(fresh)).toBeUndefined()
  })
})

describe('a connection', () => {
  it('names a reason once: a peer must not fill the log', () => {
    const connection = newConnection()
    expect([connection.isFirst('a'), connection.isFirst('a'), connection.isFirst('b')]).toEqual([
      true,
      false,
      true,
    ])
  })

  it('has one timer', () => {
    const connection = newConnection()
    const stopped: string[] = []
    connection.setTimer(() => stopped.push('first'))
    connection.setTimer(() => stopped.push('second'))
    connection.setTimer(undefined)
    expect(stopped).toEqual(['first', 'second'])
  })
})

describe('admittedCallOf', () => {
  it('finds a call by its metadata, and none that was not admitted here', () => {
    const metadata = new Metadata()
    expect(admittedCallOf({ metadata })).toBeUndefined()
    const call = new AdmittedCall(stream, newConnection())
    noteCall(metadata, call)
    expect(admittedCallOf({ metadata })).toBe(call)
  })
})
