/** Relative links lead to files and headings that exist, and tests that are named as proof exist under that name. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const documents = globSync(
  ['docs/**/*.md', '*.md', '{packages/*,*-service,gateway,web,bench,deploy,postman}/**/*.md'],
  {
    cwd: root,
    exclude: (name) => /(^|\/)node_modules$/.test(String(name)),
  },
).filter((file) => !file.includes('node_modules'))

/** Without what only looks like links: code blocks; inline code keeps its place, so that link texts stay whole. */
const prose = (markdown: string) =>
  markdown.replace(/^( *)(```|~~~)[\s\S]*?^\1\2 *$/gm, '').replace(/`[^`\n]*`/g, (code) => 'x'.repeat(code.length))

/** Every target of a link or image that is not an address elsewhere. */
export function targetsOf(markdown: string): string[] {
  const text = prose(markdown)
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)]
  const references = [...text.matchAll(/^ {0,3}\[[^\]^]+\]:\s*<?(\S+?)>?(?:\s|$)/gm)]
  const html = [...text.matchAll(/<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)"/g)]
  return [...inline, ...references, ...html]
    .map(([, target]) => target as string)
    .filter((target) => !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(target))
}

/** The fragments of a document's headings, as GitHub makes them. */
export function fragmentsOf(markdown: string): Set<string> {
  const seen = new Map<string, number>()
  const fragments = new Set<string>()
  const text = markdown.replace(/^( *)(```|~~~)[\s\S]*?^\1\2 *$/gm, '')
  for (const [, heading = ''] of text.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]|(?<=\W|^)_|_(?=\W|$)/g, '')
    const slug = plain
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    fragments.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return fragments
}

/** What is wrong with a document's links, in sentences. */
function brokenLinks(file: string, markdown: string): string[] {
  return targetsOf(markdown).flatMap((target) => {
    const [path = '', fragment] = target.split('#', 2)
    const leadsTo = path === '' ? file : resolve(dirname(file), decodeURIComponent(path))
    if (leadsTo !== file && !existsSync(leadsTo)) return [`${target}: there is no such file`]
    if (fragment === undefined) return []
    const there = leadsTo === file ? markdown : readFileSync(leadsTo, 'utf8')
    return fragmentsOf(there).has(decodeURIComponent(fragment)) ? [] : [`${target}: there is no such heading`]
  })
}

/** The end of a title will do when it is long: titles may begin with a parameter. */
const TITLE_END = 30

/** Whether the file has a test of this title: not in a comment, and not skipped. */
const hasTest = (source: string, title: string): boolean =>
  source.split('\n').some((line) => {
    const quoted = ["'", '"', '`'].some((quote) =>
      line.includes((title.length < TITLE_END ? quote : '') + title + quote),
    )
    return quoted && !/^\s*(\/\/|\/?\*)|\b(skip|todo)\(|\bskip: true/.test(line)
  })

/** "[file](path): *title*" names a test as proof: the file must have a test of that title. */
function missingProofs(file: string, markdown: string): { named: number; missing: string[] } {
  const proofs = [...markdown.matchAll(/\]\(([^)\s]+\.ts)\): ((?:\*[^*\n]+\*(?:, | and )?)+)/g)].flatMap(
    ([, path = '', titles = '']) => [...titles.matchAll(/\*([^*]+)\*/g)].map(([, title = '']) => ({ path, title })),
  )
  const missing = proofs.filter(({ path, title }) => {
    const test = resolve(dirname(file), path)
    return !existsSync(test) || !hasTest(readFileSync(test, 'utf8'), title)
  })
  return { named: proofs.length, missing: missing.map(({ path, title }) => `${path} has no test "${title}"`) }
}

t.test('documents', (t) => {
  t.ok(documents.length > 10, `${documents.length} documents`)
  for (const document of documents) {
    const file = join(root, document)
    const markdown = readFileSync(file, 'utf8')
    t.strictSame(brokenLinks(file, markdown), [], relative(root, file))
    t.strictSame(missingProofs(file, markdown).missing, [], `${document}: proofs`)
  }
  const proved = join(root, 'docs/exactly-once.md')
  const { named } = missingProofs(proved, readFileSync(proved, 'utf8'))
  t.ok(named >= 25, `exactly-once.md names ${named} tests`)
  t.end()
})

t.test('what the check sees', (t) => {
  const file = join(root, 'docs/sample.md')
  const markdown = `# Über \`code\` & [links](x.md): part 1
## Same
## Same
[file](architecture.md) ![image](diagrams/none.svg) [far](https://example.com/none) [mail](mailto:a@example.com)
[heading](#same-1) [other](#same-2) [own](#über-code--links-part-1) <img src="none.png"> \`[code](none.md)\`

    [ref]: none-ref.md
[ref]: none-ref.md "title"
\`\`\`
[fenced](none.md)
\`\`\`
`
  t.strictSame([...fragmentsOf(markdown)], ['über-code--links-part-1', 'same', 'same-1'])
  t.strictSame(brokenLinks(file, markdown), [
    'x.md: there is no such file',
    'diagrams/none.svg: there is no such file',
    '#same-2: there is no such heading',
    'none-ref.md: there is no such file',
    'none.png: there is no such file',
  ])
  const part = ['what the', 'check'].join(' ')
  const absent = ['what it', 'does not see'].join(' ')
  const proof = `[links.test.ts](../test/docs/links.test.ts): *what the check sees*, *${part}*, *${absent}*`
  t.strictSame(missingProofs(file, proof), {
    named: 3,
    missing: [part, absent].map((title) => `../test/docs/links.test.ts has no test "${title}"`),
  })
  t.ok(hasTest("t.test('it works', async (t) => {", 'it works'))
  for (const line of ["// t.test('it works',", "t.test.skip('it works',", "t.test('it works', { skip: true },"]) {
    t.notOk(hasTest(line, 'it works'), line)
  }
  t.end()
})
