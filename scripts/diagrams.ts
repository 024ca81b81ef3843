/**
 * Draws docs/diagrams: every Mermaid text (`.mmd`) becomes the SVG beside it. `--check` draws nothing and exits 1 naming
 * every SVG that is not what its text gives, is missing, or has no text.
 *
 * The drawings are files of their own: no script, no font and no style from elsewhere. Every colour is a plain attribute,
 * so that any viewer shows them; browsers that prefer dark get the dark colours by a media query. Both have a background of
 * their own, so that they are readable on any page.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { renderMermaidSVG } from 'beautiful-mermaid'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'docs/diagrams')
/** Widths are estimated for Inter; these are as wide or narrower, and every system has one of them. */
const FONT = "Inter, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
/** The renderer's smallest text has 11 px; this makes it readable beside a page's 16 px. */
const SCALE = 1.2

/** What the renderer calls a colour → light, dark. No two may share their light colour, or dark could not tell them apart. */
const colors: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  '--bg': ['#ffffff', '#0d1117'],
  '--_text': ['#1f2328', '#e6edf3'],
  '--_text-sec': ['#32383f', '#d1d7e0'],
  '--_text-muted': ['#3d444d', '#c9d1d9'],
  '--_text-faint': ['#59636e', '#9198a1'],
  '--_line': ['#6e7781', '#848d97'],
  '--_arrow': ['#24292f', '#e6edf2'],
  '--_node-fill': ['#ecf4fc', '#152233'],
  '--_node-stroke': ['#7d9dbf', '#4b6a8d'],
  '--_group-fill': ['#fbfcfd', '#10161d'],
  '--_group-hdr': ['#f0f3f6', '#1b222b'],
  '--_inner-stroke': ['#d0d7de', '#30363d'],
  '--_key-badge': ['#dde7f3', '#23364d'],
}
/** Colours that the texts themselves use, in classDef. */
const classColors: readonly (readonly [light: string, dark: string])[] = [
  ['#fdf1d7', '#2d2511'], // a file
  ['#c9a24a', '#7d6428'],
  ['#efe8fb', '#261d3a'], // the broker
  ['#9b83cf', '#5f4b8b'],
  ['#f3f4f6', '#1c2128'], // outside
  ['#9aa1a9', '#545d68'],
]

/** The drawing of a text. @throws when the text asks for a colour that has no dark counterpart, or has no title */
export function draw(text: string): string {
  const title = /^%% (.+)/.exec(text)?.[1]
  if (title === undefined) throw new Error('the first line must be the title: %% What this shows')
  const drawn = renderMermaidSVG(text.replaceAll(/^%%.*\n/gm, ''), { layerSpacing: 24 })
  const [, width = '', height = ''] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(drawn) ?? []
  const body = drawn
    .slice(drawn.indexOf('</style>') + '</style>'.length)
    .replaceAll(/var\((--[\w-]+)\)/g, (_, name: string) => {
      const pair = colors[name]
      if (!pair) throw new Error(`no colour for ${name}`)
      return pair[0]
    })
    .replaceAll(/-?\d+\.\d{3,}/g, (number) => String(Math.round(Number(number) * 100) / 100))
    .trim()
  const foreign = /url\((?!#)|@import|href=|<script|<style|\sstyle="/.exec(body)
  if (foreign) throw new Error(`the drawing has ${foreign[0]}, which this script does not know`)
  const size = [width, height].map((length) => Math.ceil(Number(length) * SCALE))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${size[0]}" height="${size[1]}" role="img">
<title>${title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</title>
<style>
${styles(body)}
</style>
<rect width="100%" height="100%" rx="6" fill="${colors['--bg']?.[0]}" />
${body}
`
}

function styles(body: string): string {
  const [light, dark] = colors['--bg'] as readonly [string, string]
  const pairs = [...Object.values(colors), ...classColors].filter(([used]) => used === light || body.includes(used))
  const used = new Set([...body.matchAll(/(?:fill|stroke)="(#\w+)"/g)].map(([, color]) => color as string))
  for (const color of used)
    if (!pairs.some(([known]) => known === color)) throw new Error(`no dark colour for ${color}`)
  const rules = pairs.map(([from, to]) => `  [fill="${from}"]{fill:${to}} [stroke="${from}"]{stroke:${to}}`)
  // Arrow labels cross lifelines and edges: a rim of background keeps them readable.
  return `text{font-family:${FONT}}
.message text{paint-order:stroke;stroke:${light};stroke-width:3px;stroke-linejoin:round}
@media (prefers-color-scheme:dark){
  .message text{stroke:${dark}}
${rules.join('\n')}
}`
}

/** Every text and what its drawing should be: path of the SVG → content. */
export function drawings(): Map<string, string> {
  const all = globSync('**/*.mmd', { cwd: folder }).toSorted()
  return new Map(
    all.map((file) => {
      try {
        return [join(folder, file.replace(/\.mmd$/, '.svg')), draw(readFileSync(join(folder, file), 'utf8'))]
      } catch (error) {
        throw new Error(`docs/diagrams/${file}: ${(error as Error).message}`)
      }
    }),
  )
}

/** Sentences about SVGs that are not what the texts give. */
export function stale(): string[] {
  const wanted = drawings()
  const there = globSync('**/*.svg', { cwd: folder }).map((file) => join(folder, file))
  const texts = new Map(there.map((file) => [file, readFileSync(file, 'utf8')]))
  return [
    ...[...wanted].flatMap(([file, svg]) => {
      const committed = texts.get(file)
      if (committed === svg) return []
      return [`${relative(root, file)} is ${committed === undefined ? 'missing' : 'not what its text gives'}`]
    }),
    ...there.filter((file) => !wanted.has(file)).map((file) => `${relative(root, file)} has no text beside it`),
  ]
}

if (import.meta.main) {
  if (process.argv[2] === '--check') {
    const wrong = stale()
    for (const sentence of wrong) console.error(sentence)
    if (wrong.length > 0) console.error('Draw them again: node scripts/diagrams.ts')
    process.exitCode = wrong.length > 0 ? 1 : 0
  } else {
    for (const [file, svg] of drawings()) writeFileSync(file, svg)
  }
}
