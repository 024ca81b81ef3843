/** Kubernetes objects as far as the tests look at them, and how to read them from YAML. */
import { parseAllDocuments } from 'yaml'

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  // biome-ignore lint/suspicious/noExplicitAny: every kind has another one; kubeconform has looked at it
  readonly spec?: any
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
}

interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Labels
  readonly annotations?: Labels
}

export type Labels = Readonly<Record<string, string>>

export interface Pod {
  /** The object that makes it, such as StatefulSet/shop-orders. */
  readonly owner: string
  readonly labels: Labels
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly spec: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly container: any
}

/** The objects of a YAML stream. @throws on a syntax error */
export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    for (const error of document.errors) throw error
    return document.contents === null ? [] : [document.toJS() as KubernetesObject]
  })
}

export const idOf = ({ kind, metadata }: KubernetesObject): string => `${kind}/${metadata.name}`

/** Every pod that the objects describe; each has one container. */
export function podsOf(objects: readonly KubernetesObject[]): Pod[] {
  return objects.flatMap((object) => {
    const template = object.kind === 'Pod' ? object : object.spec?.template
    if (!template?.spec?.containers) return []
    const [container] = template.spec.containers
    return [{ owner: idOf(object), labels: template.metadata.labels, spec: template.spec, container }]
  })
}

export const selects = (selector: { matchLabels?: Labels }, labels: Labels): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([name, value]) => labels[name] === value)

/** The container's variables; those from a Secret with the value that the Secret has among the objects. */
export function envOf(pod: Pod, objects: readonly KubernetesObject[]): Record<string, string> {
  const entries = (pod.container.env ?? []).map((one: EnvVar) => [one.name, one.value ?? secretValue(one, objects)])
  return Object.fromEntries(entries)
}

interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } }
}

function secretValue({ name, valueFrom }: EnvVar, objects: readonly KubernetesObject[]): string {
  const ref = valueFrom?.secretKeyRef
  const secret = objects.find((one) => idOf(one) === `Secret/${ref?.name}`)
  const value = ref && secret?.stringData?.[ref.key]
  if (value === undefined) throw new Error(`${name} comes from ${JSON.stringify(valueFrom)}, which is not there`)
  return value
}
