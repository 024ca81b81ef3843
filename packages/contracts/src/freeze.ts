/**
 * What is published stays: `published/<release>/` holds the schemas of each release of the contracts, and
 * `fixtures/<type>/<n>.json` events as they lay in a stream. Neither is ever changed or deleted; SHA256SUMS has the
 * hash of every one of them (`sha256sum -c SHA256SUMS`), and a test looks.
 *
 * `npm run freeze -w @checkout/contracts -- 0.2.0`, before that release, adds today's schemas and what is new among the
 * fixtures.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { breakingChanges, explain, type JsonSchema } from './compatibility.ts'

export const CONTRACTS_FOLDER = join(import.meta.dirname, '..')
const SUMS = 'SHA256SUMS'

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const filesIn = (folder: string, pattern: string) => globSync(pattern, { cwd: folder }).sort()

/** Schemas of events by type, from a folder of such files. */
export type EventSchemas = ReadonlyMap<string, JsonSchema>

function readSchemas(folder: string): EventSchemas {
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as JsonSchema
  return new Map(filesIn(folder, '*.json').map((file) => [basename(file, '.json'), read(file)]))
}

/** Each release's schemas, by release. */
export const publishedSchemas = (folder = CONTRACTS_FOLDER): ReadonlyMap<string, EventSchemas> =>
  new Map(filesIn(join(folder, 'published'), '*').map((name) => [name, readSchemas(join(folder, 'published', name))]))

/** Today's, as they are committed. */
export const todaysSchemas = (folder = CONTRACTS_FOLDER): EventSchemas => readSchemas(join(folder, 'schemas/events'))

export interface Fixture {
  /** Below the folder, such as fixtures/orders.paid.v1/1.json. */
  readonly path: string
  readonly type: string
  /** As in the stream. */
  readonly data: Buffer
}

export const fixtures = (folder = CONTRACTS_FOLDER): Fixture[] =>
  filesIn(folder, 'fixtures/*/*.json').map((path) => ({
    path,
    type: basename(dirname(path)),
    data: readFileSync(join(folder, path)),
  }))

/** Whatever happened to published files that must not: a sentence each. Fixtures of the next release may come at any time. */
export function disturbed(folder = CONTRACTS_FOLDER): string[] {
  const stays = 'What is published stays for ever: restore it (git log --all -- <file> tells where it was).'
  const sums = readSums(folder)
  const touched = [...sums].flatMap(([path, sum]) => {
    if (!existsSync(join(folder, path))) return [`packages/contracts/${path} is gone. ${stays}`]
    if (sha256(join(folder, path)) !== sum) return [`packages/contracts/${path} was changed. ${stays}`]
    return []
  })
  const strangers = filesIn(folder, 'published/*/*.json')
    .filter((path) => !sums.has(path))
    .map((path) => `packages/contracts/${path} is not in ${SUMS}. Only freeze writes there; it adds the hash too.`)
  return [...touched, ...strangers]
}

/** Every change since any release that would break somebody: a sentence each. */
export function incompatible(today: EventSchemas, folder = CONTRACTS_FOLDER): string[] {
  const sentences = [...publishedSchemas(folder).values()].flatMap((schemas) =>
    [...schemas].flatMap(([type, published]) => {
      const schema = today.get(type)
      if (!schema) return [explain(type, { field: '', rule: 'version removed', detail: 'is gone' })]
      return breakingChanges(published, schema).map((change) => explain(type, change))
    }),
  )
  return [...new Set(sentences)]
}

/**
 * Adds today's schemas as a release, and the fixtures that are new. Doing it twice changes nothing.
 * @throws Error when something would break, was disturbed or is missing, or the release exists with other schemas
 */
export function freeze(release: string, folder = CONTRACTS_FOLDER): void {
  const types = [...todaysSchemas(folder).keys()]
  const withoutFixture = types.filter((type) => !existsSync(join(folder, 'fixtures', type, '1.json')))
  const obstacles = [
    ...incompatible(todaysSchemas(folder), folder),
    ...disturbed(folder),
    ...withoutFixture.map((type) => `fixtures/${type}/1.json is missing: put an event there as it lies in the stream.`),
  ]
  const target = join(folder, 'published', release)
  const text = (from: string, type: string) => readFileSync(join(from, `${type}.json`), 'utf8')
  const source = join(folder, 'schemas/events')
  if (existsSync(target)) {
    const same = types.every(
      (type) => existsSync(join(target, `${type}.json`)) && text(target, type) === text(source, type),
    )
    if (!same) obstacles.push(`${release} is published, with other schemas: name the next release.`)
  }
  if (obstacles.length > 0) throw new Error(obstacles.join('\n'))
  cpSync(source, target, { recursive: true })
  const lines = filesIn(folder, '{fixtures,published}/**/*.json').map(
    (path) => `${sha256(join(folder, path))}  ${path}\n`,
  )
  writeFileSync(join(folder, SUMS), lines.join(''))
}

/** Path → hash. */
function readSums(folder: string): Map<string, string> {
  const file = join(folder, SUMS)
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
}

if (import.meta.main) {
  const [release] = process.argv.slice(2)
  if (!release) throw new Error('Name the release: npm run freeze -w @checkout/contracts -- 0.2.0')
  freeze(release)
}
