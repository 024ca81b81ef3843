/** The drawings are what their texts give, and ask nobody for anything. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { draw, drawings, stale } from '../../scripts/diagrams.ts'

const TEXT = '%% A title with <signs> & more\nflowchart LR\n  a[one] --> b[two]\n'

t.test('none is stale, missing or left over', (t) => {
  t.ok(drawings().size >= 20, `${drawings().size} drawings`)
  t.strictSame(stale(), [], 'draw them again: node scripts/diagrams.ts')
  t.end()
})

t.test('they are self-contained', (t) => {
  for (const [file, svg] of drawings()) {
    t.notMatch(svg.replace('http://www.w3.org/2000/svg', ''), /https?:|@import|url\([^#]|<script|<image|var\(/, file)
  }
  t.end()
})

t.test('every colour has a dark counterpart, and the title is there', (t) => {
  const svg = draw(TEXT)
  t.match(svg, '<title>A title with &lt;signs> &amp; more</title>')
  const [, dark = ''] = svg.split('prefers-color-scheme:dark')
  for (const [, color] of svg.matchAll(/ (?:fill|stroke)="(#\w+)"/g)) t.ok(dark.includes(`="${color}"]{`), `${color}`)
  t.equal(draw(TEXT), svg, 'the same each time')
  t.throws(() => draw(`${TEXT}  classDef odd fill:#123456\n  class a odd\n`), /no dark colour for #123456/)
  t.throws(() => draw(TEXT.replace(/^.*\n/, '')), /title/)
  t.end()
})

t.test('a text that was changed without drawing is named', (t) => {
  const [[file, svg] = ['', '']] = drawings()
  t.equal(readFileSync(file, 'utf8'), svg)
  const text = readFileSync(file.replace(/svg$/, 'mmd'), 'utf8')
  t.not(draw(text.replace('deposit', 'payIn')), svg, 'another text gives another drawing')
  t.end()
})
