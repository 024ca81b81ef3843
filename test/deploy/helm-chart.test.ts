/**
 * The Helm chart by Helm itself: lint, what it renders against the schemas of Kubernetes' objects, what it refuses; and
 * the manifests in deploy/k8s, which are made of it. Left out, with a visible line, where the programs are missing:
 * `make k8s-check` installs them.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { manifestArgs, NAMESPACE, RELEASE, renderChart, stale } from '../../scripts/k8s.ts'
import { findKubernetesTools, type KubernetesTools } from '../../scripts/k8s-tools.ts'
import { mayConnect } from './network.ts'
import { envOf, idOf, type KubernetesObject, type Pod, parseObjects, podsOf } from './objects.ts'

const root = resolve(import.meta.dirname, '../..')
const chart = resolve(root, 'deploy/helm/shop')
const found = findKubernetesTools()
const skip = found ? false : 'helm, kustomize, kubeconform or the schemas are missing: make k8s-check installs them'
// Behind `skip` nothing uses it.
const tools = found as KubernetesTools

const set = (...values: string[]) => values.flatMap((value) => ['--set', value])

/** Everything that a value can add, remove or change. */
const valueSets: Readonly<Record<string, readonly string[]>> = {
  default: [],
  'external NATS': set('natsUrl=nats://shop:secret@nats.example:4222\\,nats://nats-2.example:4222'),
  'external NATS, URLs in a Secret': set('natsUrlSecret=my-nats'),
  'no ingress, no policies': set('ingress.enabled=false', 'networkPolicy.enabled=false', 'serviceAccount.create=false'),
  'a registry': set('image.repository=registry.example/shop', 'image.tag=1.2.3', 'imagePullSecrets[0].name=registry'),
  everything: [
    ...set('mail.smtpUrl=smtp://mail.example:587', 'config.allowedOrigins={https://a.example,https://b.example}'),
    ...set('ingress.className=traefik', 'ingress.tls[0].secretName=tls', 'ingress.tls[0].hosts={arch.homework}'),
    ...set('networkPolicy.gatewayFrom[0].namespaceSelector.matchLabels.name=traefik', 'gateway.replicas=1'),
    ...set('networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring', 'nodeSelector.disk=ssd'),
    ...set('orders.persistence.storageClass=fast', 'nats.persistence.storageClass=fast', 'podLabels.team=shop'),
    ...set('podAnnotations.note=x', 'ingress.annotations.note=x', 'serviceAccount.annotations.note=x'),
    ...set('tolerations[0].key=shop', 'tolerations[0].operator=Exists', 'config.streamMaxBytes=3221225472'),
  ],
}

const kubeconform = (yaml: string) => {
  const args = ['-strict', '-summary', '-output', 'json', '-schema-location', tools.schemas]
  const { stdout, stderr } = spawnSync(tools.kubeconform, args, { input: yaml, encoding: 'utf8' })
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout) as { resources?: unknown[]; summary: Record<string, number> }
}

function validates(t: Test, yaml: string, message: string) {
  const count = parseObjects(yaml).length
  const { summary, resources } = kubeconform(yaml)
  t.ok(count > 0, `${message}: ${count} objects`)
  t.strictSame(summary, { valid: count, invalid: 0, errors: 0, skipped: 0 }, message, { resources })
}

const render = (...args: string[]) => renderChart(tools.helm, args)

t.test('lint, and every object valid', { skip }, async (t) => {
  for (const [name, args] of Object.entries(valueSets)) {
    const lint = spawnSync(tools.helm, ['lint', '--strict', chart, ...args], { encoding: 'utf8' })
    t.equal(lint.status, 0, `lint: ${name}`, { output: lint.stdout + lint.stderr })
    validates(t, render(...args), `helm template: ${name}`)
  }
})

t.test('the schemas see mistakes', { skip }, async (t) => {
  const yaml = render()
  for (const [right, wrong] of [
    ['containerPort: 3001', "containerPort: '3001'"],
    ['readOnlyRootFilesystem', 'readOnlyRootFileSystem'],
    ['pathType: Prefix', 'pathTyp: Prefix'],
    ['kind: NetworkPolicy', 'kind: NetworkPolice'],
  ] as const) {
    t.ok(yaml.includes(right), right)
    const { summary } = kubeconform(yaml.replace(right, wrong))
    t.equal((summary.invalid ?? 0) + (summary.errors ?? 0), 1, wrong)
  }
})

t.test('values that cannot work are refused', { skip }, async (t) => {
  const refusals: [value: string, why: RegExp][] = [
    ['orders.replicas=2', /orders.replicas.*share one SQLite file/s],
    ['payments.replicas=3', /payments.replicas.*share one SQLite file/s],
    ['notifications.replicas=2', /notifications.replicas.*share one SQLite file/s],
    ['order.replicas=1', /order/],
    ['config.currency=rubles', /currency/],
    ['config.logLevel=loud', /logLevel/],
    ['config.allowedOrigins={https://a.example/}', /allowedOrigins/],
    ['config.allowedHosts={https://a.example}', /allowedHosts/],
    ['config.streamUserFromQuery=maybe', /streamUserFromQuery/],
    ['natsUrl=localhost:4222', /natsUrl/],
    ['natsUrl=nats://a:4222,natsUrlSecret=b', /nats/],
    ['mail.smtpUrl=smtp://a:25,mail.smtpUrlSecret=b', /mail/],
    ['nats.passwords.orders=12345678', /passwords/],
    ['nats.passwords.orders=p@ssword', /passwords/],
    ['config.streamMaxBytes=4294967296', /streamMaxBytes/],
    ['networkPolicy.enabled=maybe', /networkPolicy/],
  ]
  for (const [value, why] of refusals) {
    const { status, stderr } = spawnSync(tools.helm, ['template', RELEASE, chart, '--set', value], { encoding: 'utf8' })
    t.not(status, 0, value)
    t.match(stderr, why, value)
  }
  const text = spawnSync(tools.helm, ['template', RELEASE, chart, '--set-string', 'orders.replicas=one'])
  t.not(text.status, 0, 'the reason in the enumeration is no value itself')
  t.ok(
    render(...set('config.streamMaxBytes=4294967296', 'natsUrl=nats://a:4222')),
    'a broker of your own has its own limits',
  )
})

t.test('the manifests in deploy/k8s', { skip }, async (t) => {
  t.strictSame(stale(tools.helm), [], 'are what `make k8s` makes of the chart')
  const built = execFileSync(tools.kustomize, ['build', 'deploy/k8s'], { encoding: 'utf8', cwd: root })
  validates(t, built, 'kustomize build')
  const [kustomized, rendered] = [built, render(...manifestArgs)].map(parseObjects)
  const own = (kustomized ?? []).filter(({ kind }) => kind !== 'Namespace')
  for (const { kind, metadata } of own) t.equal(metadata.namespace, NAMESPACE, `${kind}/${metadata.name}: namespace`)
  t.strictSame(
    kustomized?.filter(({ kind }) => kind === 'Namespace').map(idOf),
    [`Namespace/${NAMESPACE}`],
    'with the namespace itself',
  )
  t.strictSame(comparable(own), comparable(rendered ?? []), 'run what helm template runs')
})

/** By id; without what names the tool, and in an order of its own. */
function comparable(objects: readonly KubernetesObject[]) {
  const tool = ['helm.sh/chart', 'app.kubernetes.io/managed-by', 'checksum/config', 'checksum/secrets']
  const text = (object: KubernetesObject) => {
    const { metadata, ...rest } = object
    const { namespace, ...named } = metadata
    return JSON.parse(
      JSON.stringify({ ...rest, metadata: named }, (key, value) => {
        if (tool.includes(key)) return undefined
        return key === 'annotations' && Object.keys(value).every((name) => tool.includes(name)) ? undefined : value
      }),
    )
  }
  return Object.fromEntries(objects.map((object) => [idOf(object), text(object)]).toSorted())
}

t.test('passwords', { skip }, async (t) => {
  const first = parseObjects(render())
  const second = parseObjects(render())
  const made = (objects: KubernetesObject[]) =>
    objects.find((one) => idOf(one) === 'Secret/shop-nats')?.stringData ?? {}
  const words = Object.values(made(first))
  t.equal(new Set([...words, ...Object.values(made(second))]).size, 6, 'are made at random, one per service')
  for (const word of words) t.match(word, /^p[A-Za-z0-9]{31}$/)
  for (const service of ['orders', 'payments', 'notifications']) {
    const pod = podOf(first, service)
    const { username, password, host } = new URL(envOf(pod, first).NATS_URL ?? '')
    const variable = `NATS_${service.toUpperCase()}_PASSWORD`
    t.strictSame(
      { username, password, host },
      { username: `${service}-service`, password: made(first)[variable], host: 'shop-nats:4222' },
      `${service} connects with the one that the broker has`,
    )
  }
})

t.test('an external broker', { skip }, async (t) => {
  for (const value of ['natsUrl=nats://a:b@nats.example:4222', 'natsUrlSecret=my-nats']) {
    const objects = parseObjects(render(...set(value)))
    t.notOk(
      objects.some(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'nats'),
      `none inside: ${value}`,
    )
    const orders = podOf(objects, 'orders')
    t.ok(mayConnect(objects, orders, 'outside', 4222), 'and the way to it is open')
    t.notOk(mayConnect(objects, orders, 'outside', 443), 'no other')
    const { secretKeyRef } = orders.container.env.find(({ name }: { name: string }) => name === 'NATS_URL').valueFrom
    t.strictSame(secretKeyRef, { name: value.startsWith('natsUrlSecret') ? 'my-nats' : 'shop-nats-url', key: 'orders' })
  }
})

t.test('mail', { skip }, async (t) => {
  const mailing = parseObjects(render(...set('mail.smtpUrl=smtp://u:p@mail.example:587')))
  const env = envOf(podOf(mailing, 'notifications'), mailing)
  t.equal(env.SMTP_URL, 'smtp://u:p@mail.example:587')
  t.ok(mayConnect(mailing, podOf(mailing, 'notifications'), 'outside', 587))
  t.notOk(mayConnect(mailing, podOf(mailing, 'orders'), 'outside', 587), 'only notifications-service mails')
  const quiet = parseObjects(render())
  t.notOk('SMTP_URL' in envOf(podOf(quiet, 'notifications'), quiet), 'none without a mail server')
})

t.test('a closed gateway still lets helm test in', { skip }, async (t) => {
  const closed = set('networkPolicy.gatewayFrom[0].namespaceSelector.matchLabels.name=traefik')
  const objects = parseObjects(render(...closed))
  t.ok(mayConnect(objects, podOf(objects, 'test'), podOf(objects, 'gateway'), 8080))
  t.notOk(mayConnect(objects, podOf(objects, 'web'), podOf(objects, 'gateway'), 8080))
  t.notOk(mayConnect(objects, podOf(objects, 'test'), podOf(objects, 'orders'), 3001))
})

t.test('numbers are not written as 2.147483648e+09', { skip }, async (t) => {
  const objects = parseObjects(render(...set('config.rateLimitPerMinute=12000000')))
  t.match(envOf(podOf(objects, 'orders'), objects), {
    STREAM_MAX_BYTES: '2147483648',
    RATE_LIMIT_PER_MINUTE: '12000000',
  })
})

t.test('who is asked, and who says who he is', { skip }, async (t) => {
  const notifications = (...values: string[]) => {
    const objects = parseObjects(render(...set(...values)))
    return envOf(podOf(objects, 'notifications'), objects)
  }
  const inside = ['shop-gateway', `shop-gateway.${NAMESPACE}`, `shop-gateway.${NAMESPACE}.svc`]
  const { ALLOWED_HOSTS = '', STREAM_USER_FROM_QUERY, PROXIES_IN_FRONT } = notifications()
  t.strictSame(ALLOWED_HOSTS.split(','), ['arch.homework', ...inside, `shop-gateway.${NAMESPACE}.svc.cluster.local`])
  t.strictSame({ STREAM_USER_FROM_QUERY, PROXIES_IN_FRONT }, { STREAM_USER_FROM_QUERY: 'false', PROXIES_IN_FRONT: '1' })
  const own = notifications(
    'ingress.host=a.example',
    'config.allowedHosts={b.example}',
    'config.streamUserFromQuery=true',
  )
  t.match(own.ALLOWED_HOSTS, /^a\.example,b\.example,shop-gateway,/)
  t.equal(own.STREAM_USER_FROM_QUERY, 'true')
  t.match(notifications('ingress.enabled=false').ALLOWED_HOSTS, /^shop-gateway,/)
})

t.test('another release name', { skip }, async (t) => {
  const args = ['template', `a.release-${'x'.repeat(53 - 10)}`, chart]
  const objects = parseObjects(execFileSync(tools.helm, args, { encoding: 'utf8' }))
  for (const object of objects) t.match(object.metadata.name, /^[a-z][a-z0-9-]{1,54}$/, 'a hash still fits behind it')
  t.equal(new Set(objects.map(idOf)).size, objects.length, 'no two objects of one name')
})

t.test('NOTES.txt', { skip }, async (t) => {
  // `helm template` does not print it, and `helm install --dry-run` wants a cluster: so an object shows it.
  const copy = t.testdir()
  cpSync(chart, copy, { recursive: true })
  const shown = 'kind: Notes\ntext: |\n{{ include (print $.Template.BasePath "/NOTES.txt") . | indent 2 }}\n'
  writeFileSync(join(copy, 'templates/notes.yaml'), shown)
  const notes = (...args: string[]) =>
    execFileSync(tools.helm, ['template', RELEASE, copy, '-n', NAMESPACE, '-s', 'templates/notes.yaml', ...args], {
      encoding: 'utf8',
    })
  t.match(notes(), 'http://arch.homework/docs/')
  t.match(notes(), `--namespace ${NAMESPACE} port-forward service/shop-gateway 8080:80`)
  t.match(notes(...set('ingress.tls[0].secretName=tls')), 'https://arch.homework/')
  t.notMatch(notes(...set('ingress.enabled=false')), 'arch.homework/')
})

const podOf = (objects: readonly KubernetesObject[], component: string): Pod => {
  const pod = podsOf(objects).find(({ labels }) => labels['app.kubernetes.io/component'] === component)
  if (!pod) throw new Error(`no pod of ${component}`)
  return pod
}
