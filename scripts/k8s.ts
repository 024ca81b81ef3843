/**
 * Writes what is made of the chart `deploy/helm/shop`: the manifests in `deploy/k8s`, for people without Helm. And what the
 * chart is made of: its copy of `deploy/nats/nats.conf`, because a chart can read only its own files. `--check` writes
 * nothing and exits 1 naming each file that is not as it should be.
 *
 * Needs helm: see k8s-tools.ts.
 */

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parts } from '@checkout/contracts/services.ts'
import { type Document, isMap, parseAllDocuments } from 'yaml'
import { findProgram } from './k8s-tools.ts'

const root = resolve(import.meta.dirname, '..')
const chart = join(root, 'deploy/helm/shop')
const folder = join(root, 'deploy/k8s')

export const NAMESPACE = 'arch-homework'
export const RELEASE = 'shop'
/**
 * As in compose.yaml: manifests that are the same for everybody cannot hold a secret. Where the cluster's network enforces
 * NetworkPolicies, nobody but the services reaches the broker.
 */
const PASSWORD = 'known-to-everybody'
/** What the manifests are rendered with. */
export const manifestArgs: readonly string[] = [
  '--skip-tests',
  ...parts.flatMap((part) => ['--set', `nats.passwords.${part}=${PASSWORD}`]),
]

/** `helm template` of the release with these arguments. @throws with what Helm says when it refuses */
export function renderChart(helm: string, args: readonly string[] = []): string {
  const release = [RELEASE, chart, '--namespace', NAMESPACE]
  return execFileSync(helm, ['template', ...release, ...args], { encoding: 'utf8', stdio: 'pipe' })
}

const natsConf = { from: join(root, 'deploy/nats/nats.conf'), to: join(chart, 'files/nats.conf') }

/** The manifests' files, with the text that each should have. */
export function generate(helm: string): Map<string, string> {
  const files = new Map<string, string>()
  const manifests = new Map([['namespace.yaml', namespace]])
  const rendered = renderChart(helm, manifestArgs).replaceAll(/^# Source: .*\n/gm, '')
  for (const document of parseAllDocuments(rendered) as Document.Parsed[]) {
    if (document.contents === null) continue
    for (const error of document.errors) throw error
    const file = `${fileOf(document)}.yaml`
    manifests.set(file, [manifests.get(file), plain(document)].filter(Boolean).join('---\n'))
  }
  for (const [file, text] of manifests) files.set(join(folder, file), `${HEADER}\n\n${text}`)
  const resources = [...manifests.keys()].map((file) => `  - ${file}`).join('\n')
  files.set(join(folder, 'kustomization.yaml'), `${HEADER}\n\n${kustomization}resources:\n${resources}\n`)
  return files
}

const HEADER =
  '# Made of deploy/helm/shop by `make k8s`. Changes belong there, or into a kustomization of your own: docs/kubernetes.md.'

const namespace = `apiVersion: v1
kind: Namespace
metadata:
  name: ${NAMESPACE}
  labels:
    # All pods here keep to the strictest of the Pod Security Standards.
    pod-security.kubernetes.io/enforce: restricted
`

const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ${NAMESPACE}
`

/** Secrets stand apart, because they are what somebody may want to change; the rest by component. */
function fileOf(document: Document): string {
  const kind = document.get('kind') as string
  if (kind === 'Secret') return 'secrets'
  const component = document.getIn(['metadata', 'labels', 'app.kubernetes.io/component'])
  return (component as string | undefined) ?? kind.toLowerCase()
}

/** Without what is true only of objects that Helm manages, or of values that can be changed there. */
function plain(document: Document): string {
  for (const metadata of [['metadata'], ['spec', 'template', 'metadata']]) {
    const [labels, annotations] = ['labels', 'annotations'].map((name) => document.getIn([...metadata, name]))
    if (isMap(labels)) {
      labels.delete('helm.sh/chart')
      labels.set('app.kubernetes.io/managed-by', 'kustomize')
    }
    if (isMap(annotations)) {
      for (const name of ['checksum/config', 'checksum/secrets']) annotations.delete(name)
      if (annotations.items.length === 0) document.deleteIn([...metadata, 'annotations'])
    }
  }
  return document.toString({ lineWidth: 0, directives: false })
}

/** Files that differ, are missing, or are made of nothing any more; relative to the repository's root. */
export function stale(helm: string): string[] {
  const files = generate(helm)
  files.set(natsConf.to, readFileSync(natsConf.from, 'utf8'))
  const different = [...files].filter(([file, text]) => !existsSync(file) || readFileSync(file, 'utf8') !== text)
  return [...different.map(([file]) => file), ...orphans(files)].map((file) => relative(root, file))
}

/** Only what was made here: whoever puts a file of their own there keeps it. */
function orphans(files: ReadonlyMap<string, string>): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => !files.has(file) && readFileSync(file, 'utf8').startsWith(HEADER))
}

if (import.meta.main) {
  const helm = findProgram('helm')
  if (!helm) {
    console.error('helm is missing: node scripts/k8s-tools.ts installs it')
    process.exit(1)
  }
  if (process.argv.includes('--check')) {
    const found = stale(helm)
    for (const file of found) console.error(`${file} is not what \`make k8s\` makes of the chart`)
    process.exit(found.length > 0 ? 1 : 0)
  }
  copyFileSync(natsConf.from, natsConf.to) // before the chart, which has it in a ConfigMap, is rendered
  const files = generate(helm)
  mkdirSync(folder, { recursive: true })
  for (const file of orphans(files)) rmSync(file)
  for (const [file, text] of files) writeFileSync(file, text)
}
