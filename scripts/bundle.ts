/**
 * Bundles every service into one file, `<service>/build/server.js`, in a second or two. A service starts from it with a
 * third of the CPU time: Node resolves, reads and strips a thousand modules otherwise, at every start. Not minified, so
 * that stack traces name functions and can be read. `node <service>/src/server.ts` works as well.
 *
 *   node scripts/bundle.ts [service …]
 */
import { join, resolve } from 'node:path'
import { serviceNames } from '@checkout/contracts/services.ts'
import { rolldown } from 'rolldown'

const root = resolve(import.meta.dirname, '..')
/** Of each the folder. */
const services = [...serviceNames, 'gateway', 'web']
/** They read files that lie beside them: native code, a logo. */
const external = ['better-sqlite3', '@fastify/swagger-ui']

async function bundle(service: string): Promise<void> {
  const bundled = await rolldown({ input: join(root, service, 'src/server.ts'), platform: 'node', external })
  await bundled.write({ file: join(root, service, 'build/server.js'), format: 'esm', codeSplitting: false })
  await bundled.close()
}

const wanted = process.argv.slice(2)
for (const service of wanted.length > 0 ? wanted : services) await bundle(service)
