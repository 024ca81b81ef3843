/**
 * Queries in drizzle's words, at the price of prepared SQL: drizzle gives schema, types and text, once, when a statement
 * is prepared. Its own driver works out at every call again what never changes, such as which parameter goes where and
 * how each column is decoded; that was about a tenth of a service's time.
 */
import type { RunResult, Statement } from 'better-sqlite3'
import { Column, type DriverValueDecoder, is, Param, Placeholder, type Query } from 'drizzle-orm'
import {
  BaseSQLiteDatabase,
  type SelectedFieldsOrdered,
  SQLitePreparedQuery,
  SQLiteSession,
  SQLiteSyncDialect,
} from 'drizzle-orm/sqlite-core'
import type { Connection } from './sqlite.ts'

type Values = Record<string, unknown>
type Row = Record<string, unknown>
type Schemaless = Record<string, never>

/**
 * To build statements on this connection: every query ends in `.prepare()`, and is then called with the values of its
 * placeholders. Joins are refused when they are prepared: nothing here needs one.
 */
export const queries = (connection: Connection): BaseSQLiteDatabase<'sync', RunResult, Schemaless, Schemaless> =>
  new BaseSQLiteDatabase('sync', dialect, new Session(connection), undefined)

const dialect = new SQLiteSyncDialect()

class Session extends SQLiteSession<'sync', RunResult, Schemaless, Schemaless> {
  private readonly connection: Connection

  constructor(connection: Connection) {
    super(dialect)
    this.connection = connection
  }

  prepareQuery(query: Query, fields: SelectedFieldsOrdered | undefined, method: 'run' | 'all' | 'get') {
    return new Prepared(this.connection.prepare(query.sql), query, fields, method)
  }

  transaction(): never {
    throw new Error('transactions are the unit of work’s')
  }
}

class Prepared extends SQLitePreparedQuery<{
  type: 'sync'
  run: RunResult
  all: unknown
  get: unknown
  values: unknown
  execute: unknown
}> {
  private readonly statement: Statement
  private readonly bind: (values?: Values) => unknown[]
  private readonly read: (row: unknown[]) => Row

  constructor(
    statement: Statement,
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    method: 'run' | 'all' | 'get',
  ) {
    super('sync', method, query)
    this.statement = fields ? statement.raw() : statement
    this.bind = binder(query.params)
    this.read = reader(fields ?? [])
  }

  run(values?: Values): RunResult {
    return this.statement.run(this.bind(values))
  }

  get(values?: Values): Row | undefined {
    const row = this.statement.get(this.bind(values))
    return row === undefined ? undefined : this.read(row as unknown[])
  }

  all(values?: Values): Row[] {
    return (this.statement.all(this.bind(values)) as unknown[][]).map(this.read)
  }

  values(values?: Values): unknown[][] {
    return this.statement.all(this.bind(values)) as unknown[][]
  }
}

/** @throws when a value is missing, so that a misspelt one is not stored as NULL */
function binder(parameters: readonly unknown[]): (values?: Values) => unknown[] {
  const sources = parameters.map(source)
  return (values = {}) => {
    const bound = new Array<unknown>(sources.length)
    for (let i = 0; i < sources.length; i += 1) {
      const { name, encode, constant } = sources[i] as Source
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
}

function source(parameter: unknown): Source {
  if (is(parameter, Placeholder)) return { name: parameter.name }
  if (!is(parameter, Param) || !is(parameter.value, Placeholder)) return { constant: parameter }
  const { encoder, value } = parameter
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
