/**
 * Queries in drizzle's words, at the price of prepared SQL: drizzle gives schema, types and text, once, when a statement
 * is prepared. Its own driver works out at every call again what never changes, such as which parameter goes where and
 * how each column is decoded; that was about a tenth of a service's time.
 */
import { Column, type DriverValueDecoder, is, Param, Placeholder, type Query, sql } from 'drizzle-orm'
import {
  BaseSQLiteDatabase,
  type SelectedFieldsOrdered,
  SQLiteAsyncDialect,
  SQLitePreparedQuery,
  SQLiteSession,
} from 'drizzle-orm/sqlite-core'
import type { Answering, RawRow, Session, Statement } from './engine.ts'

type Values = Record<string, unknown>
type Row = Record<string, unknown>
type Schemaless = Record<string, never>
type Changes = { readonly changes: number }

/**
 * To build statements on this session: every query ends in `.prepare()`, and is then called with the values of its
 * placeholders, and awaited: an engine may answer at once, which the types do not show. Joins are refused when they are
 * prepared: nothing here needs one.
 */
export const queries = (session: Session): BaseSQLiteDatabase<'async', Changes, Schemaless, Schemaless> =>
  new BaseSQLiteDatabase('async', dialect, new Queries(session), undefined)

/** The value of an id in an insert: ascending in the order of the commits, and never used twice. */
export const nextId = (table: string) => sql.placeholder(`${NEXT_ID}${table}`)
const NEXT_ID = 'next id of '

/** The key of an upsert: PostgreSQL takes no name of the table before it. */
export const conflictOn = <C extends Column>(column: C): C => sql.identifier(column.name) as unknown as C

/** Words that only one engine knows, such as a hint; the other one sees nothing of them. */
export const onlyOn = (engine: Session['engine'], session: Session, words: string) =>
  sql.raw(session.engine === engine ? words : '')

// Also for PostgreSQL: what is written here is SQL that both speak, down to the quotes; only `?` is not (see postgres.ts).
const dialect = new SQLiteAsyncDialect()

class Queries extends SQLiteSession<'async', Changes, Schemaless, Schemaless> {
  private readonly session: Session

  constructor(session: Session) {
    super(dialect)
    this.session = session
  }

  prepareQuery(query: Query, fields: SelectedFieldsOrdered | undefined, method: 'run' | 'all' | 'get') {
    return new Prepared(this.session, query, fields, method) as never
  }

  transaction(): never {
    throw new Error('transactions are the unit of work’s')
  }
}

class Prepared extends SQLitePreparedQuery<{
  type: 'async'
  run: Changes
  all: unknown
  get: unknown
  values: unknown
  execute: unknown
}> {
  private readonly statement: Statement
  private readonly bind: (values?: Values) => unknown[]
  private readonly read: (row: RawRow) => Row

  constructor(
    session: Session,
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    method: 'run' | 'all' | 'get',
  ) {
    super('async', method, query)
    this.statement = session.prepare(query.sql)
    this.bind = binder(query.params, session)
    this.read = reader(fields ?? [])
  }

  run(values?: Values): Promise<Changes> {
    return this.statement.run(this.bind(values)) as Promise<Changes>
  }

  get(values?: Values): Promise<Row | undefined> {
    return map(this.statement.get(this.bind(values)), (row) => (row === undefined ? undefined : this.read(row)))
  }

  all(values?: Values): Promise<Row[]> {
    return map(this.statement.all(this.bind(values)), (rows) => rows.map(this.read))
  }

  values(values?: Values): Promise<RawRow[]> {
    return this.statement.all(this.bind(values)) as Promise<RawRow[]>
  }
}

const map = <T, R>(answer: Answering<T>, to: (value: T) => R): Promise<R> =>
  answer instanceof Promise ? answer.then(to) : (to(answer) as unknown as Promise<R>)

/** @throws when a value is missing, so that a misspelt one is not stored as NULL */
function binder(parameters: readonly unknown[], session: Session): (values?: Values) => unknown[] {
  const sources = parameters.map((parameter) => source(parameter, session))
  return (values = {}) => {
    const bound = new Array<unknown>(sources.length)
    for (let i = 0; i < sources.length; i += 1) {
      const { name, encode, constant, made } = sources[i] as Source
      if (made) {
        bound[i] = made()
        continue
      }
      if (name === undefined) {
        bound[i] = constant
        continue
      }
      const value = values[name]
      if (value === undefined) throw new Error(`no value for the placeholder ${name}`)
      bound[i] = encode ? encode(value) : value
    }
    return bound
  }
}

interface Source {
  /** Of the placeholder; undefined when the value is part of the query. */
  name?: string
  encode?: (value: unknown) => unknown
  constant?: unknown
  /** Made anew at each call. */
  made?: () => unknown
}

function source(parameter: unknown, session: Session): Source {
  if (is(parameter, Placeholder)) return { name: parameter.name }
  if (!is(parameter, Param) || !is(parameter.value, Placeholder)) return { constant: parameter }
  const { encoder, value } = parameter
  if (value.name.startsWith(NEXT_ID)) {
    const table = value.name.slice(NEXT_ID.length)
    return { made: () => session.nextId(table) }
  }
  return { name: value.name, encode: (given) => encoder.mapToDriverValue(given) }
}

function reader(fields: SelectedFieldsOrdered): (row: unknown[]) => Row {
  const columns = fields.map(({ path, field }) => {
    const [name] = path
    if (name === undefined || path.length > 1) throw new Error(`joins are not supported: ${path.join('.')}`)
    return { name, decode: decoder(field) }
  })
  return (row) => {
    const read: Row = {}
    for (let i = 0; i < columns.length; i += 1) {
      const { name, decode } = columns[i] as (typeof columns)[number]
      const value = row[i]
      read[name] = value === null || !decode ? value : decode(value)
    }
    return read
  }
}

/** Undefined when the driver's value is what the column promises. */
function decoder(field: SelectedFieldsOrdered[number]['field']): ((value: unknown) => unknown) | undefined {
  // An expression's decoder is public by mapWith() only; drizzle's own drivers read it like this.
  type Expression = { decoder?: DriverValueDecoder<unknown, unknown>; sql?: Expression }
  const expression = field as unknown as Expression
  const found = is(field, Column) ? field : (expression.decoder ?? expression.sql?.decoder)
  if (!found) throw new Error('a selected field without a decoder')
  if (found.mapFromDriverValue === Column.prototype.mapFromDriverValue) return undefined
  return (value) => found.mapFromDriverValue(value)
}
