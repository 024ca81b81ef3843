/** What is published stays as it is: the committed files, and freeze, which adds to them. */
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import t, { type Test } from 'tap'
import { CONTRACTS_FOLDER, disturbed, fixtures, freeze, publishedSchemas } from '../src/freeze.ts'

const TYPE = 'orders.created.v1'

t.test('nothing that is published was changed, and nothing is gone', async (t) => {
  const found = disturbed()
  for (const sentence of found) t.fail(sentence)
  t.equal(found.length, 0)
  t.ok(fixtures().length >= 22)
  t.ok(publishedSchemas().size >= 1)
  // In the form of sha256sum, so that anybody can check them.
  const sums = readFileSync(join(CONTRACTS_FOLDER, 'SHA256SUMS'), 'utf8')
  t.match(sums, /^([0-9a-f]{64} {2}(fixtures|published)\/\S+\.json\n)+$/)
})

/** A copy to do harm to. */
function copy(t: Test): { folder: string; path: (name: string) => string; release: string } {
  const { dataDir: folder, remove } = temporaryFolder()
  t.teardown(remove)
  for (const name of ['fixtures', 'published', 'schemas', 'SHA256SUMS']) {
    cpSync(join(CONTRACTS_FOLDER, name), join(folder, name), { recursive: true })
  }
  const [release = ''] = readdirSync(join(folder, 'published'))
  return { folder, path: (name) => join(folder, name), release }
}

t.test('what happens to them is noticed', async (t) => {
  const { folder, path, release } = copy(t)
  t.strictSame(disturbed(folder), [])
  rmSync(path(`fixtures/${TYPE}/2.json`))
  appendFileSync(path('fixtures/orders.paid.v1/1.json'), ' ')
  rmSync(path(`published/${release}/orders.failed.v1.json`))
  edit(path(`published/${release}/${TYPE}.json`), ({ properties: { data } }) => {
    data.properties.amount.maximum = 1
  })
  writeFileSync(path(`published/${release}/orders.lost.v1.json`), '{}')
  writeFileSync(path(`fixtures/${TYPE}/99.json`), '{}')
  const found = disturbed(folder).sort()
  t.match(found, [
    `fixtures/${TYPE}/2.json is gone`,
    'fixtures/orders.paid.v1/1.json was changed',
    `published/${release}/${TYPE}.json was changed`,
    `published/${release}/orders.failed.v1.json is gone`,
    `published/${release}/orders.lost.v1.json is not in SHA256SUMS`,
  ])
  t.equal(found.length, 5, 'a fixture more is welcome')
  rmSync(path('SHA256SUMS'))
  t.equal(disturbed(folder).length, readdirSync(path(`published/${release}`)).length, 'nor may the hashes go')
})

// biome-ignore lint/suspicious/noExplicitAny: a schema to do anything to
function edit(file: string, change: (schema: any) => void): void {
  const schema = JSON.parse(readFileSync(file, 'utf8'))
  change(schema)
  writeFileSync(file, JSON.stringify(schema))
}

t.test('a release is added, once', async (t) => {
  const { folder, path } = copy(t)
  const sums = () => readFileSync(path('SHA256SUMS'), 'utf8')
  const before = sums()
  const releases = publishedSchemas(folder).size
  const schema = path(`schemas/events/${TYPE}.json`)
  edit(schema, ({ properties: { data } }) => {
    data.properties.addedByTheTest = { type: 'string' }
  })
  cpSync(path(`fixtures/${TYPE}/1.json`), path(`fixtures/${TYPE}/98.json`))
  freeze('next', folder)
  t.strictSame(disturbed(folder), [])
  const data = publishedSchemas(folder).get('next')?.get(TYPE)?.properties?.data
  t.ok(data?.properties?.addedByTheTest, "today's schemas")
  t.match(sums(), `fixtures/${TYPE}/98.json`, 'and the new fixture')
  t.ok(
    before.split('\n').every((line) => sums().includes(line)),
    'and all that was there',
  )
  const after = sums()
  freeze('next', folder)
  t.equal(sums(), after, 'again: nothing')

  edit(schema, (one) => {
    one.description = 'Other words.'
  })
  t.throws(() => freeze('next', folder), /next is published, with other schemas: name the next release/)
  freeze('after-next', folder)
  t.equal(publishedSchemas(folder).size, releases + 2)
})

t.test('not while something would break, was disturbed or is missing', async (t) => {
  const { folder, path } = copy(t)
  const schema = path(`schemas/events/${TYPE}.json`)
  const text = readFileSync(schema, 'utf8')
  edit(schema, ({ properties: { data } }) => {
    data.properties.amount.maximum = 1
  })
  t.throws(() => freeze('next', folder), /data\.amount: limit narrowed \(maximum 1000000000000 → 1\)/)
  writeFileSync(schema, text)

  mkdirSync(path('fixtures/orders.paid.v2'))
  cpSync(path('schemas/events/orders.paid.v1.json'), path('schemas/events/orders.paid.v2.json'))
  t.throws(() => freeze('next', folder), /orders\.paid\.v2\/1\.json is missing/)
  rmSync(path('schemas/events/orders.paid.v2.json'))

  rmSync(path('fixtures/users.registered.v1/1.json'))
  t.throws(() => freeze('next', folder), /users\.registered\.v1\/1\.json is gone/)
  t.strictSame(readdirSync(path('published')).includes('next'), false, 'nothing was written')
})
