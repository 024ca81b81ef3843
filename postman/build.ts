/**
 * The Postman collection and environment, written from the sources beside this file: `node postman/build.ts`. A test
 * fails when the committed files differ from what would be written now.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answersNotShown, codesNotShown } from './exceptions.ts'
import { type Folder, script } from './format.ts'
import { notificationRoutes } from './notifications.ts'
import { orderRoutes, userRoutes } from './orders.ts'
import { accountRoutes } from './payments.ts'
import { scenario } from './scenario.ts'
import { documentation, gateway, journeyRoutes, statusRoutes } from './system.ts'

/** What the assignment wants it to be; every run says where the system really is. */
const BASE_URL = 'http://arch.homework'

const description = `The checkout's API, through its gateway. Folder 1 is the story of two orders, folder 2 every endpoint with
every answer that it can be made to give.

Set \`baseUrl\` to where the system is: in Postman in the environment, with newman like this:

    newman run postman/shop.postman_collection.json --env-var baseUrl=http://localhost:8080

Run a folder as a whole and from its beginning: requests use what those before them have made. Users are new in every
run. Each request and its response are written to the console, which newman shows.`

const api: Folder = {
  name: '2. API: every endpoint, every error',
  description: `Not shown:

${[
  ...answersNotShown.map(({ what, reason }) => `- ${what}: ${reason}`),
  ...Object.entries(codesNotShown).map(([code, reason]) => `- \`${code}\`: ${reason}`),
].join('\n')}`,
  item: [
    ...userRoutes,
    ...accountRoutes,
    ...orderRoutes,
    ...notificationRoutes,
    ...journeyRoutes,
    ...statusRoutes,
    documentation,
    gateway,
  ],
}

const source = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8')

const collection = () => ({
  info: {
    // Fixed, so that a newer version replaces the one that was imported.
    _postman_id: '5e0c7d3a-3f0b-4f6e-9b1d-6a2f7c9d1e48',
    name: 'Checkout',
    description,
    schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json',
  },
  variable: [{ key: 'baseUrl', value: BASE_URL, type: 'string', description: 'Where the gateway is.' }],
  event: [script('prerequest', source('prerequest.js')), script('test', source('test.js'))],
  item: [scenario, api],
})

const environment = {
  id: '0d8f9f0e-7c55-4b39-8a51-2b6d94c3f7a1',
  name: 'Checkout',
  values: [{ key: 'baseUrl', value: BASE_URL, type: 'default', enabled: true }],
  _postman_variable_scope: 'environment',
}

export const POSTMAN_FOLDER = import.meta.dirname

/** The files: name → text. Deterministic. */
export function postmanFiles(): Map<string, string> {
  const text = (value: object) => `${JSON.stringify(value, null, 2)}\n`
  return new Map([
    ['shop.postman_collection.json', text(collection())],
    ['shop.postman_environment.json', text(environment)],
  ])
}

if (import.meta.main) {
  for (const [name, text] of postmanFiles()) writeFileSync(join(POSTMAN_FOLDER, name), text)
}
