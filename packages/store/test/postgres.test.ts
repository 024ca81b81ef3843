/** What is about PostgreSQL alone: how it is reached, what it must be, and a COMMIT whose answer is lost. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import { startPostgres } from '@checkout/testkit/postgres.ts'
import t, { type Test } from 'tap'
import { ageMigrations } from '../src/age.ts'
import { OutcomeUnknown } from '../src/engine.ts'
import { idempotencyMigrations, idempotencyWrites } from '../src/idempotency.ts'
import { DatabaseUnavailable, DatabaseUnfit, postgresText, systemIdIn, targets } from '../src/postgres.ts'
import { openStore } from '../src/store.ts'
import { StoreUnavailable } from '../src/unit-of-work.ts'
import { noteMigrations, noteReads, noteWrites } from './support/notes-store.ts'
import { rejection } from './support/unit.ts'

const machine = createPlatform()
t.setTimeout(120_000)
const postgres = await startPostgres()
t.teardown(() => postgres.stop())
let schemas = 0

function openNotes(
  t: Test,
  { url = postgres.url, schema = `notes_${++schemas}`, platform = machine, more = [] as never[] } = {},
) {
  const store = openStore({
    database: { url, schema },
    migrations: [...noteMigrations, ...ageMigrations, ...idempotencyMigrations, ...more],
    platform,
    writes: (writer) => ({ ...noteWrites(writer), idempotency: idempotencyWrites(writer, platform) }),
    reads: noteReads,
  })
  t.teardown(store.close)
  return { ...store, schema }
}

/** The server's URL with something else in it. */
const at = (changed: Partial<Pick<URL, 'port' | 'username' | 'password' | 'pathname'>>) =>
  Object.assign(new URL(postgres.url), changed).href

t.test('a database that cannot be used says why, and what to do', async (t) => {
  const refusal = async (url: string) => rejection(openNotes(t, { url }).opened())
  const unfit: [url: string, says: RegExp][] = [
    [at({ password: 'wrong' }), /password authentication failed.* Correct the user or the password in DATABASE_URL\./],
    [at({ username: 'nobody' }), /password authentication failed/],
    [at({ pathname: '/missing' }), /database "missing" does not exist\. Create it, or correct DATABASE_URL\./],
  ]
  for (const [url, says] of unfit) {
    const error = (await refusal(url)) as Error
    t.ok(error instanceof DatabaseUnfit)
    t.match(error.message, says)
    t.notMatch(error.message, /wrong|:test@/, 'without the password')
  }
  const away = (await refusal(at({ port: '1' }))) as Error
  t.ok(away instanceof DatabaseUnavailable, 'one that is not there may be there later')
  t.match(away.message, /ECONNREFUSED.* Start PostgreSQL there, or correct DATABASE_URL\./)
})

t.test('one that loses what was answered, or takes no writes, is refused', async (t) => {
  const settings: [setting: string, kind: typeof DatabaseUnfit | typeof DatabaseUnavailable, says: RegExp][] = [
    ['synchronous_commit = off', DatabaseUnfit, /runs with synchronous_commit = off, which loses what was answered/],
    ['default_transaction_read_only = on', DatabaseUnavailable, /it takes no writes/],
  ]
  for (const [setting, kind, says] of settings) {
    const name = `unfit_${++schemas}`
    await postgres.query(`CREATE DATABASE ${name}`)
    await postgres.query(`ALTER DATABASE ${name} SET ${setting}`)
    const error = (await rejection(openNotes(t, { url: at({ pathname: `/${name}` }) }).opened())) as Error
    t.ok(error instanceof kind, setting)
    t.match(error.message, says)
  }
  await postgres.query('ALTER SYSTEM SET fsync = off')
  await postgres.query('SELECT pg_reload_conf()')
  await eventually(async () => (await postgres.query('SHOW fsync'))[0]?.[0] === 'off', { what: 'fsync is off' })
  t.match(((await rejection(openNotes(t).opened())) as Error).message, /fsync = off/)
  await postgres.query('ALTER SYSTEM RESET fsync')
  await postgres.query('SELECT pg_reload_conf()')
  await eventually(async () => (await postgres.query('SHOW fsync'))[0]?.[0] === 'on', { what: 'fsync is on' })
})

t.test('of several hosts the one that takes writes is used', async (t) => {
  const { host } = new URL(postgres.url)
  const store = openNotes(t, { url: postgres.url.replace(host, `127.0.0.1:1,${host}`) })
  await store.opened()
  await store.write((tx) => tx.add('n1'))
  t.strictSame(await store.read.ids(), ['n1'])
  t.strictSame(targets('postgres://u:p@a:1,b:2/db?x=1'), ['postgres://u:p@a:1/db?x=1', 'postgres://u:p@b:2/db?x=1'])
})

t.test('a schema that a newer version has migrated is refused', async (t) => {
  const newer = { name: 'notes/9', sql: 'CREATE TABLE later (id TEXT);' } as never
  const store = openNotes(t, { more: [newer] })
  await store.opened()
  const error = (await rejection(openNotes(t, { schema: store.schema }).opened())) as Error
  t.ok(error instanceof DatabaseUnfit)
  t.match(error.message, /was written by a newer version \(migrations notes\/9\)/)
})

t.test('instances that start at the same moment make one schema, and one id of the system', async (t) => {
  const schema = `notes_${++schemas}`
  const stores = Array.from({ length: 6 }, () => openNotes(t, { schema }))
  await Promise.all(stores.map((store) => store.opened()))
  await Promise.all(stores.map((store) => store.write((tx) => tx.increment())))
  t.equal(await stores[0]?.read.counter(), 6)
  const ids = await Promise.all(['a', 'b', 'c', 'd'].map((id) => systemIdIn(postgres.url, id)))
  t.equal(new Set(ids).size, 1)
})

t.test('ids have no gaps, whoever was rolled back', async (t) => {
  const store = openNotes(t)
  await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) =>
      store.write(async (tx) => {
        await tx.add(`n${i}`)
        if (i % 3 === 1) throw new Error('rolled back')
        if (i % 3 === 2) await tx.add('n0', 'a') // breaks the key, unless it is the first
      }),
    ),
  )
  const seqs = await postgres.query(`SELECT seq FROM "${store.schema}".notes ORDER BY seq`)
  t.ok(seqs.length >= 17)
  t.strictSame(
    seqs.map(([seq]) => Number(seq)),
    seqs.map((_, i) => i + 1),
  )
})

/** Between the store and the server; `onCommit` may cut the connection before or after a COMMIT has arrived there. */
async function proxy(t: Test) {
  const sockets = new Set<Socket>()
  const state = { cut: undefined as 'before' | 'after' | undefined, closed: false, cuts: 0 }
  const server = createServer((client) => {
    if (state.closed) return void client.destroy()
    const upstream = connect(postgres.port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    let mute = false
    client.on('data', (bytes) => {
      if (state.cut && bytes.includes('COMMIT')) {
        const cut = state.cut
        state.cut = undefined
        state.cuts += 1
        if (cut === 'before') return void client.destroy()
        mute = true
        upstream.write(bytes)
        // The server has answered: it is stored.
        return void upstream.once('data', () => client.destroy())
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!mute) client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { state, url: at({ port: String(port) }) }
}

for (const cut of ['before', 'after'] as const) {
  t.test(`a connection that is lost ${cut} the COMMIT arrives: each write happens once, and says so`, async (t) => {
    const { state, url } = await proxy(t)
    const store = openNotes(t, { url })
    await store.write((tx) => tx.increment())
    state.cut = cut
    const results = await Promise.all(Array.from({ length: 5 }, () => store.write((tx) => tx.increment())))
    t.equal(state.cuts, 1)
    t.strictSame(results, [2, 3, 4, 5, 6])
    t.equal(await store.read.counter(), 6)
  })
}

t.test('an outcome that cannot be found out says so; the same key again has the effect once', async (t) => {
  for (const cut of ['before', 'after'] as const) {
    const { state, url } = await proxy(t)
    const platform = createTestPlatform({ asleep: 'spins', startMs: machine.now() })
    const store = openNotes(t, { url, platform })
    const place = () =>
      store.write((tx) =>
        tx.idempotency.once({ userId: 'ada', route: 'POST /orders', key: 'k', body: {} }, async () => ({
          status: 201,
          body: { n: await tx.increment() },
        })),
      )
    await store.write((tx) => tx.add('connected'))
    state.cut = cut
    state.closed = true
    let error: unknown
    place().catch((reason) => {
      error = reason
    })
    await eventually(() => state.cuts === 1, { what: 'the cut' })
    // Again and again: the search for the outcome begins some time after the cut.
    const givesUp = () => {
      platform.advance(1_000)
      return error
    }
    await eventually(givesUp, { what: 'it gives up' })
    t.ok(error instanceof OutcomeUnknown, `${cut}: ${error}`)
    state.closed = false
    t.match(await place(), { status: 201, body: { n: 1 }, ...(cut === 'after' && { replayed: true }) })
    t.equal(await store.read.counter(), 1)
  }
})

t.test('a server that crashes again and again: what was told is there, and nothing twice', async (t) => {
  const store = openNotes(t)
  await store.opened()
  let stored = 0
  let unknown = 0
  let stop = false
  const writing = (async () => {
    while (!stop) {
      const results = await Promise.allSettled(Array.from({ length: 10 }, () => store.write((tx) => tx.increment())))
      for (const result of results) {
        if (result.status === 'fulfilled') stored += 1
        else if (result.reason instanceof OutcomeUnknown) unknown += 1
        else if (!(result.reason instanceof StoreUnavailable)) throw result.reason
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  for (let round = 0; round < 3; round += 1) {
    const before = stored
    await eventually(() => stored > before + 100, { what: 'writes' })
    await postgres.kill()
    await postgres.start()
  }
  const before = stored
  await eventually(() => stored > before + 100, { what: 'writes again' })
  stop = true
  await writing
  const counter = await store.read.counter()
  t.ok(counter >= stored && counter <= stored + unknown, `${stored} told, ${unknown} unknown, ${counter} there`)
  t.equal(await store.usable(), true)
})

t.test('the same text for both engines', async (t) => {
  t.equal(
    postgresText('CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;'),
    'CREATE TABLE a (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);',
  )
})
