/** Arrows between the folders point one way: whoever imports against the list is told the file, the import and the rule. */
import t from 'tap'
import { arrowsOf, circlesOf, type Import, readImports } from './imports.ts'

/**
 * A folder imports from itself and from the lines below its own: never from one above, nor from another on its line, so that no
 * service knows another. The one addition is for tests: they import the testkit wherever they stand.
 */
const lines = [
  'test/architecture test/browser test/contracts test/delivery test/deploy test/docs test/postman test/store test/system',
  'test/support',
  'bench',
  'orders-service payments-service notifications-service gateway web scripts postman deploy',
  'packages/service',
  'packages/messaging',
  'packages/http packages/store',
  'packages/kernel',
  'packages/testkit',
  'packages/processes',
  'packages/audit',
  'packages/contracts',
].map((line) => line.split(' '))

/** Whom a folder does not know although it stands below. */
const standOn = [
  'packages/contracts',
  'packages/kernel',
  'packages/http',
  'packages/processes',
  'packages/audit',
  'packages/testkit',
]
const strangers = new Map<string, (folder: string) => boolean>([
  ['packages/messaging', (folder) => folder === 'packages/http'],
  ['gateway', (folder) => !standOn.includes(folder)],
  ['web', (folder) => !standOn.includes(folder)],
])
/** What is in no image. */
const onlyForTools = ['packages/audit', 'packages/processes']
const isInImage = (file: string) =>
  /^(packages\/(contracts|kernel|store|http|messaging|service)|[a-z]+-service|gateway|web)\/src\//.test(file)

const folders = lines.flat()
const folderOf = (file: string) => folders.find((folder) => file.startsWith(`${folder}/`))
const lineOf = (folder: string) => lines.findIndex((line) => line.includes(folder))
const isTest = (file: string) => /(^|\/)test\/|^bench\/|^packages\/testkit\//.test(file)

/** The rule that an import breaks; undefined when it may be. */
function brokenRule({ from, to }: Import): string | undefined {
  const [tail, head] = [folderOf(from), folderOf(to)]
  if (!tail || !head) return `${tail ? to : from} is in no folder of the list: give it a line`
  if (isTest(to) && !isTest(from)) return 'nothing but tests and bench imports test code'
  if (isInImage(from) && onlyForTools.includes(head)) return `${head} is in no image`
  if (tail !== head && strangers.get(tail)?.(head)) return `${tail} does not know ${head}`
  if (tail === head || (head === 'packages/testkit' && isTest(from)) || lineOf(head) > lineOf(tail)) return undefined
  return lineOf(head) === lineOf(tail)
    ? `${tail} and ${head} stand on one line: neither knows the other`
    : `arrows point down, and ${head} stands above ${tail}`
}

const complaints = (imports: readonly Import[]) =>
  imports.flatMap((one) => {
    const rule = brokenRule(one)
    return rule ? [`${one.from} imports ${one.to}: ${rule}`] : []
  })

t.test('every import is allowed', async (t) => {
  const imports = readImports()
  t.ok(imports.length > 1_000, `${imports.length} imports were read`)
  t.strictSame(complaints(imports), [])
})

t.test('the folders are in no circle, those inside a part included', async (t) => {
  t.strictSame(circlesOf(arrowsOf(readImports())), [])
})

t.test('what is not allowed is said', async (t) => {
  const told = (from: string, to: string) => complaints([{ from, to }]).join()
  t.match(
    told('packages/messaging/src/a.ts', 'packages/service/src/b.ts'),
    /packages\/service stands above packages\/messaging/,
  )
  t.match(told('packages/contracts/test/a.ts', 'packages/service/src/b.ts'), /packages\/service stands above/)
  t.match(told('packages/http/src/a.ts', 'packages/store/src/b.ts'), /stand on one line: neither knows the other/)
  t.match(told('orders-service/src/a.ts', 'payments-service/src/b.ts'), /stand on one line: neither knows the other/)
  t.match(told('orders-service/test/a.ts', 'payments-service/test/b.ts'), /neither knows the other/)
  t.match(told('test/system/a.ts', 'test/browser/b.ts'), /neither knows the other/)
  t.match(told('scripts/a.ts', 'packages/testkit/b.ts'), /nothing but tests and bench imports test code/)
  t.match(told('gateway/src/a.ts', 'gateway/test/b.ts'), /nothing but tests and bench imports test code/)
  t.match(
    told('packages/testkit/a.ts', 'packages/service/test/b.ts'),
    /packages\/service stands above packages\/testkit/,
  )
  t.match(told('packages/new/src/a.ts', 'packages/contracts/src/b.ts'), /packages\/new\/src\/a.ts is in no folder/)
  t.equal(told('packages/contracts/test/a.ts', 'packages/testkit/b.ts'), '')
  t.equal(told('gateway/test/a.ts', 'packages/http/test/b.ts'), '')
  for (const stranger of ['store', 'messaging', 'service']) {
    for (const from of ['gateway/src/a.ts', 'web/src/a.ts', 'gateway/test/a.ts']) {
      t.match(told(from, `packages/${stranger}/src/b.ts`), `does not know packages/${stranger}`)
    }
  }
  t.match(told('packages/messaging/src/a.ts', 'packages/http/src/b.ts'), /packages\/messaging does not know/)
  for (const tool of ['audit', 'processes']) {
    t.match(told('orders-service/src/a.ts', `packages/${tool}/b.ts`), `packages/${tool} is in no image`)
    t.equal(told('orders-service/test/a.ts', `packages/${tool}/b.ts`), '')
  }
  t.strictSame(
    circlesOf(
      new Map([
        ['a', new Set(['b'])],
        ['b', new Set(['c'])],
        ['c', new Set(['b'])],
      ]),
    ),
    ['b → c → b'],
  )
})
