import Database from 'better-sqlite3'
import { asc, eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import t from 'tap'
import { queries } from '../src/queries.ts'
import { sqliteSession } from '../src/sqlite.ts'

const things = sqliteTable('things', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  note: text('note'),
  done: integer('done', { mode: 'boolean' }).notNull(),
  at: integer('at', { mode: 'timestamp_ms' }),
})
const p = sql.placeholder

function statements(db: ReturnType<typeof queries>) {
  return {
    insert: db
      .insert(things)
      .values({ id: p('id'), name: p('name'), note: p('note'), done: p('done'), at: p('at') })
      .onConflictDoNothing()
      .prepare(),
    find: db
      .select()
      .from(things)
      .where(eq(things.id, p('id')))
      .prepare(),
    list: db
      .select({ name: things.name, next: sql<number>`${things.id} + ${p('by')}`.as('next'), done: things.done })
      .from(things)
      .where(eq(things.done, true))
      .orderBy(asc(things.id))
      .limit(p('limit'))
      .prepare(),
    decoded: db
      .select({ double: sql`${things.id} * 2`.mapWith(String) })
      .from(things)
      .where(eq(things.id, p('id')))
      .prepare(),
    rename: db
      .update(things)
      .set({ name: sql`${p('name')} || ${things.name}`, note: 'fixed' })
      .where(eq(things.id, p('id')))
      .returning({ was: things.done, name: things.name })
      .prepare(),
    remove: db
      .delete(things)
      .where(eq(things.id, p('id')))
      .prepare(),
  }
}

async function play(db: ReturnType<typeof queries>): Promise<unknown[]> {
  const { insert, find, list, decoded, rename, remove } = statements(db)
  const answers = [
    insert.run({ id: 1, name: 'a', note: null, done: true, at: new Date(5) }),
    insert.run({ id: 2, name: 'b', note: 'n', done: false, at: new Date(0) }),
    insert.run({ id: 2, name: 'again', note: 'n', done: false, at: new Date(0) }),
    insert.run({ id: 3, name: 'c', note: '', done: true, at: new Date(0) }),
    find.get({ id: 1 }),
    find.all({ id: 2 }),
    find.values({ id: 1 }),
    find.get({ id: 4 }),
    list.all({ by: 10, limit: 5 }),
    list.all({ limit: 1, by: 0 }),
    list.get({ by: 1, limit: 1 }),
    decoded.get({ id: 3 }),
    rename.get({ id: 3, name: 'x' }),
    rename.all({ id: 1, name: 'y' }),
    rename.get({ id: 9, name: 'z' }),
    remove.run({ id: 1 }),
    remove.run({ id: 1 }),
    find.all({ id: 3 }),
  ]
  // One after another: SQLite has answered already, in this order.
  return Promise.all(answers)
}

function table() {
  const db = new Database(':memory:')
  db.exec(
    'CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT, done INTEGER NOT NULL, at INTEGER)',
  )
  return db
}

t.test('the rows are the same as from drizzle’s own driver', async (t) => {
  const own = drizzle(table()) as unknown as ReturnType<typeof queries>
  const answers = await play(queries(sqliteSession(table())))
  t.strictSame(answers, await play(own))
  t.strictSame(answers[4], { id: 1, name: 'a', note: null, done: true, at: new Date(5) }, 'and are what they should be')
})

t.test('a forgotten or misspelt value is refused, and nothing is stored', async (t) => {
  const db = table()
  const { insert, find } = statements(queries(sqliteSession(db)))
  t.throws(
    () => insert.run({ id: 1, name: 'a', notes: null, done: true, at: new Date(0) }),
    /no value for the placeholder note/,
  )
  t.throws(() => find.get(), /no value for the placeholder id/)
  t.equal(db.prepare('SELECT count(*) FROM things').pluck().get(), 0)
})

t.test('what it does not support says so when it is prepared', async (t) => {
  const db = queries(sqliteSession(table()))
  const joined = db.select({ mine: { id: things.id } }).from(things)
  t.throws(() => joined.prepare(), /joins are not supported: mine\.id/)
  t.throws(() => db.transaction(async () => {}), /unit of work/)
})
