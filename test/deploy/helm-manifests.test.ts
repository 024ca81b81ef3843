/**
 * The manifests in deploy/k8s against the code that they run: every variable is one that the service reads and takes, every
 * name and port leads to a pod that listens there, every connection that is needed comes through the NetworkPolicies,
 * and no other. Needs no Helm and no cluster; helm-chart.test.ts compares the manifests with the chart.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { mayConnect } from './network.ts'
import { envOf, idOf, type KubernetesObject, type Pod, parseObjects, podsOf, selects } from './objects.ts'
import type { Start } from './record-start.ts'

const root = resolve(import.meta.dirname, '../..')
const text = (file: string) => readFileSync(join(root, file), 'utf8')
const folder = 'deploy/k8s'
const objects = readdirSync(join(root, folder))
  .filter((file) => file !== 'kustomization.yaml')
  .flatMap((file) => parseObjects(text(join(folder, file))))
const pods = podsOf(objects)

const services = ['orders', 'payments', 'notifications'] as const
type Component = (typeof services)[number] | 'web' | 'gateway' | 'nats'
const folders = {
  orders: 'orders-service',
  payments: 'payments-service',
  notifications: 'notifications-service',
  web: 'web',
  gateway: 'gateway',
} as const
const ours = Object.keys(folders) as (keyof typeof folders)[]

const component = (labels: Pod['labels']) => labels['app.kubernetes.io/component'] as Component
const pod = (name: Component): Pod => {
  const [found, ...more] = pods.filter(({ labels }) => component(labels) === name)
  if (!found || more.length > 0) throw new Error(`${name} has ${pods.length} pods`)
  return found
}
const find = (id: string): KubernetesObject => {
  const found = objects.find((one) => idOf(one) === id)
  if (!found) throw new Error(`there is no ${id}`)
  return found
}
/** The pod and its port that a URL in a variable leads to, through the Service of its host name. */
const behind = (url: string): { pod: Pod; port: number } => {
  const { hostname, port } = new URL(url)
  const service = find(`Service/${hostname}`)
  const [target] = pods.filter(({ labels }) => selects({ matchLabels: service.spec.selector }, labels))
  const entry = service.spec.ports.find((one: { port: number }) => one.port === Number(port || 80))
  const named = target?.container.ports.find((one: { name: string }) => one.name === entry?.targetPort)
  if (!target || !named) throw new Error(`${url} leads to no container's port`)
  return { pod: target, port: named.containerPort }
}

t.test('every pod starts its service as the service wants it', async (t) => {
  for (const name of ours) {
    const { container } = pod(name)
    const env = envOf(pod(name), objects)
    const dataDir = mkdtempSync(join(tmpdir(), 'k8s-start-'))
    t.teardown(() => rmSync(dataDir, { recursive: true }))
    const { PATH = '' } = process.env
    const start = startOf(folders[name], { ...env, PATH, ...(env.DATA_DIR && { DATA_DIR: dataDir }) })

    const unknown = Object.keys(env).filter((variable) => !start.read.includes(variable))
    t.strictSame(unknown, [], `${name}: every variable is one that the service reads`)
    t.strictSame(
      start.listen,
      { host: '0.0.0.0', port: container.ports[0].containerPort },
      `${name}: listens at the container's port, for everybody`,
    )
    if (env.DATA_DIR) {
      t.ok(readdirSync(dataDir).includes(`${name}.sqlite`), `${name}: its file is in DATA_DIR`)
      const mounts = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)
      t.ok(mounts.includes(env.DATA_DIR), `${name}: which is a volume`)
    }
    for (const host of start.hosts) t.ok(find(`Service/${host}`), `${name} looks up ${host}`)
  }
})

/** @throws with what the service printed when it refuses its configuration */
function startOf(service: string, env: NodeJS.ProcessEnv): Start {
  const preload = new URL('./record-start.ts', import.meta.url).href
  const args = ['--import', preload, join(root, service, 'src/server.ts')]
  const output = execFileSync(process.execPath, args, { env, encoding: 'utf8', cwd: root })
  return JSON.parse(output.trim().split('\n').at(-1) ?? '')
}

t.test('every name leads to the right pod', async (t) => {
  const gateway = envOf(pod('gateway'), objects)
  for (const name of [...services, 'web'] as const) {
    t.equal(component(behind(gateway[`${name.toUpperCase()}_URLS`] ?? '').pod.labels), name, `the gateway's ${name}`)
  }
  for (const name of services) {
    const { NATS_URL = '' } = envOf(pod(name), objects)
    t.equal(component(behind(NATS_URL).pod.labels), 'nats', `the broker of ${name}`)
  }
  const [rule] = find('Ingress/shop').spec.rules
  t.equal(rule.host, 'arch.homework')
  const [{ backend }] = rule.http.paths
  t.strictSame(behind(`http://${backend.service.name}`), { pod: pod('gateway'), port: 8080 }, 'the Ingress')
})

t.test('the Ingress publishes the API and the web UI, not what operators need', async (t) => {
  const paths: { path: string; pathType: string }[] = find('Ingress/shop').spec.rules[0].http.paths
  const published = (path: string) =>
    paths.some((one) => path === one.path || (one.pathType === 'Prefix' && path.startsWith(`${one.path}/`)))
  const routed = [...text('gateway/src/app.ts').matchAll(/forward(?:Docs)?\([`']\/(\w+)/g)].map(
    ([, first]) => `/${first}`,
  )
  t.ok(routed.length >= 6)
  const files = readdirSync(join(root, 'web/ui/public')).map((file) => `/${file}`)
  for (const path of [...routed, ...files, '/', '/index.html', '/sw.js', '/assets/main.js', '/docs/events/']) {
    t.ok(published(path), path)
  }
  for (const path of ['/metrics', '/health', '/health/live', '/health/ready', '/admin', '/admin/dead-letters']) {
    t.notOk(published(path), path)
  }
})

t.test('the broker knows the services by what they connect with', async (t) => {
  const users = [...text('deploy/nats/nats.conf').matchAll(/user: "?([\w-]+)"?\s+password: \$(\w+)/g)]
  const variables = envOf(pod('nats'), objects)
  t.equal(users.length, services.length)
  for (const [, user = '', variable = ''] of users) {
    const name = user.replace(/-service$/, '') as (typeof services)[number]
    const { username, password } = new URL(envOf(pod(name), objects).NATS_URL ?? '')
    t.strictSame({ username, password }, { username: user, password: variables[variable] }, user)
  }
  t.equal(find('ConfigMap/shop-nats').data?.['nats.conf'], text('deploy/nats/nats.conf'), 'the same text as in compose')
  t.equal(text('deploy/helm/shop/files/nats.conf'), text('deploy/nats/nats.conf'), 'in the chart too: make k8s')
})

t.test('what is needed comes through the network, and nothing else', async (t) => {
  const edges = new Set<string>()
  const need = (from: Component, url: string) => {
    const target = behind(url)
    edges.add(`${from} → ${component(target.pod.labels)}`)
    t.ok(mayConnect(objects, pod(from), target.pod, target.port), `${from} → ${url.replace(/\/\/.*@/, '//')}`)
  }
  const gateway = envOf(pod('gateway'), objects)
  for (const name of [...services, 'web']) need('gateway', gateway[`${name.toUpperCase()}_URLS`] ?? '')
  for (const name of services) need(name, envOf(pod(name), objects).NATS_URL ?? '')
  t.ok(mayConnect(objects, 'outside', pod('gateway'), 8080), 'from outside to the gateway')

  const all = [...ours, 'nats'] as const
  for (const to of all) {
    const ports = pod(to).container.ports.map(({ containerPort }: { containerPort: number }) => containerPort)
    for (const port of [...ports, 8222]) {
      for (const from of all) {
        if (from === to || (ports.includes(port) && edges.has(`${from} → ${to}`))) continue
        // The gateway is for everybody, but none of ours has to do with it.
        t.notOk(mayConnect(objects, pod(from), pod(to), port), `not from ${from} to ${to}:${port}`)
      }
      if (to !== 'gateway') t.notOk(mayConnect(objects, 'outside', pod(to), port), `not from outside to ${to}:${port}`)
    }
    t.notOk(mayConnect(objects, pod(to), 'outside', 443), `not from ${to} to the world`)
  }
})

t.test('every pod keeps to the restricted Pod Security Standard, on a read-only root', async (t) => {
  t.equal(find('Namespace/arch-homework').metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted')
  t.equal(pods.length, 6)
  for (const { owner, spec, container } of pods) {
    t.match(spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }, owner)
    t.ok(spec.securityContext.runAsUser > 0, `${owner} is not root`)
    t.strictSame(
      container.securityContext,
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      owner,
    )
    t.equal(spec.automountServiceAccountToken, false, `${owner} has no token`)
    t.notOk(spec.hostNetwork || spec.hostPID || spec.hostIPC || spec.initContainers, owner)
    for (const { persistentVolumeClaim, configMap, emptyDir, secret } of spec.volumes ?? []) {
      t.ok(persistentVolumeClaim ?? configMap ?? emptyDir ?? secret, `${owner}: no volume of the host`)
    }
  }
})

t.test('every pod has its probes, its limits, and time to stop', async (t) => {
  for (const { owner, spec, container } of pods) {
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const { httpGet, exec } = container[probe] ?? {}
      t.ok(exec ?? /^\/health\/(live|ready)$/.test(httpGet?.path), `${owner}: ${probe}`)
    }
    // A full disk or a locked file is nothing that a restart would heal.
    const alive = container.livenessProbe.httpGet?.path ?? '/health/live'
    t.equal(alive, '/health/live', `${owner}: it is killed only when it does not answer at all`)
    t.ok(container.resources.requests.cpu && container.resources.requests.memory, `${owner}: requests`)
    t.ok(container.resources.limits.memory, `${owner}: memory limit`)
    const sleep = container.lifecycle?.preStop.sleep.seconds ?? 0
    t.ok(spec.terminationGracePeriodSeconds - sleep > 8, `${owner}: more than the 8 s in which it stops`)
  }
  const live = pod('gateway').container.readinessProbe.httpGet.path
  t.equal(live, '/health/live', 'a service that restarts does not take the gateway out with it')
})

t.test('what has a file may write it, and nobody else has it', async (t) => {
  for (const name of [...services, 'nats'] as const) {
    const { spec, container } = pod(name)
    const [claim, ...more] = find(`StatefulSet/shop-${name}`).spec.volumeClaimTemplates
    t.strictSame(more, [], name)
    t.strictSame(claim.spec.accessModes, ['ReadWriteOnce'], `${name}: a disk, of one node`)
    const { fsGroup, runAsGroup } = spec.securityContext
    t.ok(fsGroup > 0 && fsGroup === runAsGroup, `${name}: a new volume belongs to root; its group is the pod's`)
    const mounts: { name: string; mountPath: string; readOnly?: boolean }[] = container.volumeMounts
    t.strictSame(
      mounts.find((mount) => mount.name === claim.metadata.name),
      { name: 'data', mountPath: '/data' },
      name,
    )
  }
  for (const { owner, spec } of pods) {
    t.equal(spec.enableServiceLinks, false, `${owner}: no variables by the names of Services, such as ORDERS_PORT`)
  }
})

t.test('one pod per file', async (t) => {
  for (const name of services) {
    const { kind, spec } = find(`StatefulSet/shop-${name}`)
    t.strictSame({ kind, replicas: spec.replicas }, { kind: 'StatefulSet', replicas: 1 }, name)
    t.equal(spec.volumeClaimTemplates[0].metadata.name, 'data')
    t.ok(find(`Service/${spec.serviceName}`), `${name}: its governing Service is there`)
  }
})

t.test('versions', async (t) => {
  const { version, appVersion } = parse(text('deploy/helm/shop/Chart.yaml'))
  t.equal(appVersion, packageJson.version, 'the chart installs this release')
  t.match(version, /^\d+\.\d+\.\d+$/)
  for (const name of ours) t.equal(pod(name).container.image, `shop/${folders[name]}:${packageJson.version}`)
  const compose = parse(text('compose.yaml')) as { services: { nats: { image: string } } }
  t.equal(pod('nats').container.image, compose.services.nats.image, 'the same broker as in compose')
})
