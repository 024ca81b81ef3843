/**
 * Who imports whom in this workspace. `node test/architecture/imports.ts` draws it: one line per folder, with the folders that it
 * imports from, and the circles, of which there should be none.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export interface Import {
  /** Both relative to the repository, such as packages/http/src/app.ts. */
  readonly from: string
  readonly to: string
}

/** `import … from`, `export … from`, `import '…'`, `import('…')`, and the programs that `new URL` names. */
const specifiers = /(?:\bfrom\s|\bimport\s|\bimport\(\s*|\bnew URL\(\s*)'([^'\n$]+)'/g
const isCode = (file: string) => /\.(ts|tsx|mjs|js)$/.test(file)

/** Every import of a file of this workspace by another, also of a type only. */
export function readImports(): Import[] {
  const files = globSync('**/*.{ts,tsx,mjs,js}', {
    cwd: root,
    exclude: (name) => /(^|\/)(node_modules|build|dist|\.[^/]+)$/.test(name),
  })
  return files.toSorted().flatMap((from) => {
    const found = readFileSync(join(root, from), 'utf8').matchAll(specifiers)
    return [...found].flatMap(([, specifier = '']) => {
      const to = targetOf(from, specifier)
      return to && isCode(to) ? [{ from, to }] : []
    })
  })
}

/** undefined for what npm or Node brings. */
function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return join(dirname(from), specifier)
  const [, name, path] = /^@checkout\/([^/]+)\/(.+)$/.exec(specifier) ?? []
  return name && path && join('packages', name, exported(name), path)
}

/** The folder of a package that its importers see: src, or all of it. */
function exported(name: string): string {
  const { exports } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
  return dirname(exports['./*'])
}

/** By folder, the folders that its files import from, without itself. */
export function arrowsOf(imports: readonly Import[]): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>()
  for (const { from, to } of imports) {
    const [tail, head] = [dirname(from), dirname(to)]
    if (tail === head) continue
    const heads = arrows.get(tail) ?? new Set()
    arrows.set(tail, heads.add(head))
  }
  return arrows
}

/** Circles of arrows, such as `a → b → a`: one at least when there are any. */
export function circlesOf(arrows: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const circles: string[] = []
  const done = new Set<string>()
  const walk = (folder: string, path: readonly string[]) => {
    const at = path.indexOf(folder)
    if (at >= 0) circles.push([...path.slice(at), folder].join(' → '))
    if (at >= 0 || done.has(folder)) return
    for (const next of arrows.get(folder) ?? []) walk(next, [...path, folder])
    done.add(folder)
  }
  for (const folder of arrows.keys()) walk(folder, [])
  return circles
}

if (import.meta.main) {
  const arrows = arrowsOf(readImports())
  for (const [folder, heads] of arrows) console.log(`${folder} → ${[...heads].toSorted().join(', ')}`)
  const circles = circlesOf(arrows)
  console.log(circles.length === 0 ? 'no circle' : circles.map((circle) => `circle: ${circle}`).join('\n'))
}
