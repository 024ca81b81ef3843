/**
 * Keeps in node_modules, in the image, what the bundles leave outside and what that needs, and of it nothing that only
 * compilers, debuggers and other platforms read. Run by the Dockerfile: node slim.mts <package> …
 */
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Folders of packages, as Node finds them. */
const needed = new Set<string>()

function need(name: string, from: string): void {
  const folder = join(from, 'node_modules', name)
  if (!existsSync(folder)) {
    if (from !== '.') need(name, dirname(from))
    return // else: optional, and not installed
  }
  if (needed.has(folder)) return
  needed.add(folder)
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(dependencies)) need(dependency, folder)
}

for (const name of process.argv.slice(2)) need(name, '.')
for (const entry of readdirSync('node_modules')) {
  const folders = entry.startsWith('@') ? globSync(`node_modules/${entry}/*`) : [`node_modules/${entry}`]
  for (const folder of folders) if (!needed.has(folder)) rmSync(folder, { recursive: true })
}

for (const file of globSync('node_modules/**/*.{map,d.ts,d.mts,d.cts}')) rmSync(file)

// SQLite's source, and its binaries for every platform; the image is for one.
const sqlite = 'node_modules/better-sqlite3'
const binary = `${sqlite}/prebuilds/${process.platform}-${process.arch}.node`
for (const path of globSync(`${sqlite}/{deps,src,prebuilds/*}`)) if (path !== binary) rmSync(path, { recursive: true })
