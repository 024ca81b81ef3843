/** What lists the services and is not TypeScript, so that no type checker misses a forgotten one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parts, services } from '@checkout/contracts/services.ts'
import t from 'tap'
import { root } from '../../scripts/system.ts'

const read = (file: string) => readFileSync(join(root, file), 'utf8')

for (const part of parts) {
  const { name, port } = services[part]
  const upper = part.toUpperCase()
  t.test(name, async (t) => {
    t.ok((JSON.parse(read('package.json')) as { workspaces: string[] }).workspaces.includes(name), 'package.json')
    t.match(read('compose.yaml'), new RegExp(`^  ${name}:$`, 'm'), 'compose.yaml has it')
    t.match(read('compose.yaml'), `${upper}_URLS: http://${name}:${port}`, 'and the gateway there knows it')
    t.match(read('deploy/docker/ready.sh'), `${name}) port=\${${upper}_PORT:-${port}} ;;`, 'ready.sh')
    t.match(read('deploy/helm/shop/values.yaml'), new RegExp(`^${part}:$`, 'm'), 'the chart')
    const password = `NATS_${upper}_PASSWORD`
    t.match(
      read('compose.yaml'),
      `      NATS_URL: nats://${name}:\${${password}`,
      'it has a password at the broker there',
    )
    t.match(read('compose.yaml'), `      ${password}: \${${password}`, 'which the broker knows')
    t.match(read('compose.yaml'), `['${part}:/data']`, 'and a volume for its file')
    t.match(
      read('deploy/helm/shop/templates/_helpers.tpl'),
      `${part}: { image: ${name}, port: ${port} }`,
      'and its image',
    )
    t.match(read('.dockerignore'), `\n!${name}\n`, '.dockerignore')
    t.match(read('Dockerfile'), `COPY ${name}/package.json ${name}/`, 'Dockerfile')
    t.match(read('deploy/nats/nats.conf'), `user: "${name}"`, 'nats.conf')
  })
}
