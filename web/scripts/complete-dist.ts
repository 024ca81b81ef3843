/**
 * The last step of the build, after Vite's: adds the documentation pages to web/dist, and puts a Brotli and a gzip copy
 * beside each text, so that the service compresses nothing while it runs.
 */
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { asyncApiDocument } from '@checkout/contracts/asyncapi.ts'
import { type AsyncApi, eventsPage } from './events-page.ts'

const web = join(import.meta.dirname, '..')
const swaggerUi = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')))
const SWAGGER_UI_FILES = ['swagger-ui-bundle.js', 'swagger-ui-standalone-preset.js', 'swagger-ui.css', 'LICENSE']

/** Below this the headers outweigh what is saved. */
const COMPRESSED_BYTES_MIN = 1_024
/** The best Brotli level takes seconds for a megabyte, and gains a few per cent. */
const BROTLI_BEST_BYTES_MAX = 500_000

/** `dist` is web/dist, or a test's folder. Running it twice changes nothing. */
export function completeDist(dist: string): void {
  const docs = join(dist, 'docs')
  mkdirSync(docs, { recursive: true })
  cpSync(join(web, 'docs'), docs, { recursive: true })
  for (const file of SWAGGER_UI_FILES) cpSync(join(swaggerUi, file), join(docs, file))
  const asyncApi = asyncApiDocument()
  writeFileSync(join(docs, 'events/index.html'), eventsPage(asyncApi as unknown as AsyncApi))
  writeFileSync(join(docs, 'events/asyncapi.json'), `${JSON.stringify(asyncApi, null, 2)}\n`)

  for (const name of globSync('**/*.{html,js,css,svg,json,webmanifest}', { cwd: dist })) {
    const file = join(dist, name)
    const content = readFileSync(file)
    if (content.length < COMPRESSED_BYTES_MIN) continue
    const quality = content.length > BROTLI_BEST_BYTES_MAX ? 9 : constants.BROTLI_MAX_QUALITY
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }))
    writeFileSync(`${file}.gz`, gzipSync(content, { level: constants.Z_BEST_COMPRESSION }))
  }
}

if (import.meta.main) completeDist(join(web, 'dist'))
