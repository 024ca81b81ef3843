import { startPostgres } from '@checkout/testkit/postgres.ts'
import t from 'tap'
import { engineSuite } from './engine-suite.ts'
import { openMessagingStore } from './support/life.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
let schemas = 0

engineSuite((t) => {
  const store = openMessagingStore({ url: postgres.url, schema: `messaging_${++schemas}` })
  t.teardown(store.close)
  return store
})
