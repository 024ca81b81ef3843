/** docs/events.md: its generated parts are what would be generated now, and its links lead somewhere. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { eventTypes } from '../src/events.ts'
import { withGeneratedParts } from '../src/events-markdown.ts'
import { EVENTS_MARKDOWN } from '../src/generate-schemas.ts'
import { subscriptions } from '../src/topology.ts'

const text = readFileSync(EVENTS_MARKDOWN, 'utf8')

t.test('the generated parts are not stale', async (t) => {
  t.equal(withGeneratedParts(text), text, 'run: npm run schemas -w @checkout/contracts')
  const stale = text.replace('| events already published: nobody would read them |', '| nothing |')
  t.not(stale, text)
  t.equal(withGeneratedParts(stale), text, 'a stale part is noticed')
  t.throws(() => withGeneratedParts(text.replace('<!-- /frames -->', '')), /no place for .*frames/)
})

t.test('every event has its section, with all its readers', async (t) => {
  for (const type of eventTypes) {
    const section = text.split(`\n### ${type}\n`)[1]?.split('\n### ')[0] ?? ''
    for (const { subject, service } of subscriptions) {
      if (subject === type) t.match(section, `**Read by** ${service}.`, type)
    }
    t.notMatch(section, 'undefined', type)
  }
})

t.test('links lead somewhere', async (t) => {
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link ?? '')
  t.ok(links.length > 10)
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  for (const link of links) {
    if (link.startsWith('#')) t.ok(anchors.includes(link.slice(1)), link)
    else if (!link.startsWith('https://')) t.ok(existsSync(join(dirname(EVENTS_MARKDOWN), link)), link)
  }
})
