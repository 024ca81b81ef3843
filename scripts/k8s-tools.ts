/**
 * The programs that check the Helm chart, and the schemas of Kubernetes' objects.
 *
 *   node scripts/k8s-tools.ts    installs what is missing into `.tools/kubernetes`; a visible line where it cannot
 *
 * A program is the pinned one in `.tools/kubernetes`, else the one on PATH, else the pinned one is built with `go
 * install`. The schemas are made of the OpenAPI document in Kubernetes' own Go module. The go command checks both
 * against the Go checksum database.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { kindSchemas, type OpenApi } from './k8s-schemas.ts'

const run = promisify(execFile)

const modules = {
  helm: 'helm.sh/helm/v3/cmd/helm@v3.22.0',
  kustomize: 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.2',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
} as const
const KUBERNETES = 'k8s.io/kubernetes@v1.37.2'

const folder = resolve(import.meta.dirname, '../.tools/kubernetes')
const schemas = join(folder, `schemas-${versionOf(KUBERNETES)}`)
/** Helm is large: minutes on two cores. */
const BUILD_TIMEOUT_MS = 1_800_000

/** What Helm's own Makefile sets as well: without it `helm template` and `helm lint` render for Kubernetes 1.20. */
function ldflags(): string {
  const [major, minor] = versionOf(KUBERNETES).split('.')
  const variables = ['chartutil', 'lint/rules'].flatMap((folder) => [
    `helm.sh/helm/v3/pkg/${folder}.k8sVersionMajor=${major}`,
    `helm.sh/helm/v3/pkg/${folder}.k8sVersionMinor=${minor}`,
  ])
  return ['-s', '-w', ...variables.map((variable) => `-X ${variable}`)].join(' ')
}

export interface KubernetesTools {
  readonly helm: string
  readonly kustomize: string
  readonly kubeconform: string
  /** kubeconform's -schema-location */
  readonly schemas: string
}

/** What is there already; undefined when something is missing. Installs nothing. */
export function findKubernetesTools(): KubernetesTools | undefined {
  const helm = findProgram('helm')
  const kustomize = findProgram('kustomize')
  const kubeconform = findProgram('kubeconform')
  if (!helm || !kustomize || !kubeconform || !existsSync(schemas)) return undefined
  return { helm, kustomize, kubeconform, schemas: join(schemas, '{{ .ResourceKind }}{{ .KindSuffix }}.json') }
}

export function findProgram(name: keyof typeof modules): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return [pinned(name), ...onPath.map((path) => join(path, name))].find((program) => existsSync(program))
}

function versionOf(module: string): string {
  return module.slice(module.indexOf('@v') + 2)
}

function pinned(name: keyof typeof modules): string {
  return join(folder, `${name}-${versionOf(modules[name])}`)
}

/** @throws when something is missing and cannot be had: no Go, or its module proxy is out of reach */
async function install(log: (line: string) => void): Promise<void> {
  await mkdir(folder, { recursive: true })
  const missing = (Object.keys(modules) as (keyof typeof modules)[]).filter((name) => !findProgram(name))
  if (missing.length > 0 || !existsSync(schemas)) {
    await run('go', ['version']).catch(() => {
      throw new Error(`${[...missing, ...(existsSync(schemas) ? [] : ['schemas'])].join(', ')} missing, and no Go here`)
    })
  }
  for (const name of missing) {
    log(`go install ${modules[name]} (may take minutes)`)
    await inFolder(async (own) => {
      const env = { ...process.env, GOBIN: own, CGO_ENABLED: '0' }
      const args = ['install', ...(name === 'helm' ? ['-ldflags', ldflags()] : []), modules[name]]
      await run('go', args, { env, cwd: own, timeout: BUILD_TIMEOUT_MS })
      await rename(join(own, name), pinned(name))
    })
  }
  if (existsSync(schemas)) return
  log(`schemas of ${KUBERNETES}`)
  await inFolder(async (own) => {
    const { stdout } = await run('go', ['mod', 'download', '-json', KUBERNETES], {
      cwd: own,
      timeout: BUILD_TIMEOUT_MS,
    })
    const { Dir } = JSON.parse(stdout) as { Dir: string }
    const openApi = JSON.parse(await readFile(join(Dir, 'api/openapi-spec/swagger.json'), 'utf8')) as OpenApi
    const made = join(own, 'schemas')
    await mkdir(made)
    for (const [file, schema] of kindSchemas(openApi)) await writeFile(join(made, file), JSON.stringify(schema))
    await rename(made, schemas)
  })
}

/** A temporary folder beside the target, so that what is finished can be moved there in one step. */
async function inFolder(make: (own: string) => Promise<void>) {
  const own = await mkdtemp(join(folder, 'install-'))
  try {
    await make(own)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  try {
    await install((line) => console.log(`Kubernetes tools: ${line}`))
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string }
    console.log(`THE HELM CHART IS NOT CHECKED: ${(stderr?.trim() || message).split('\n').at(-1)}`)
  }
}
