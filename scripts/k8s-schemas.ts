/** From Kubernetes' OpenAPI document to one JSON Schema per kind, in the file names that kubeconform looks for. */

export interface OpenApi {
  readonly definitions: Readonly<Record<string, Definition>>
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

interface Definition {
  readonly properties?: Readonly<Record<string, Definition>>
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
  readonly [key: string]: unknown
}

/** Only these say what a value may be; descriptions and extensions would make the files ten times larger. */
const KEYWORDS = ['type', 'required', 'properties', 'items', 'additionalProperties', 'enum', 'allOf', '$ref']

/** What the document calls a string and the API server takes as a number too. */
const unions: Readonly<Record<string, Json>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
}

/**
 * `deployment-apps-v1.json` and so on, each complete in itself. Stricter than the API server: fields that a kind does not
 * know are refused, and null is no value.
 */
export function* kindSchemas({ definitions }: OpenApi): Generator<[file: string, schema: Json]> {
  for (const [name, definition] of Object.entries(definitions)) {
    const kinds = definition['x-kubernetes-group-version-kind'] ?? []
    const [own] = kinds
    if (!own || kinds.length > 1 || !definition.properties?.metadata) continue
    const suffix = [own.group.split('.')[0], own.version].filter(Boolean).join('-')
    const used = Object.fromEntries(
      [...reachable(name, definitions)].map((one) => [one, convert(one, definitions[one])]),
    )
    const { group, version, kind } = own
    const identity = { apiVersion: { const: group ? `${group}/${version}` : version }, kind: { const: kind } }
    yield [
      `${kind.toLowerCase()}-${suffix}.json`,
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        allOf: [{ $ref: `#/definitions/${name}` }, { required: ['apiVersion', 'kind'], properties: identity }],
        definitions: used,
      },
    ]
  }
}

/** The definition and all that it refers to, directly or not. */
function reachable(name: string, definitions: OpenApi['definitions'], found = new Set<string>()): Set<string> {
  if (found.has(name)) return found
  found.add(name)
  const text = JSON.stringify(definitions[name])
  for (const [, next = ''] of text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) reachable(next, definitions, found)
  return found
}

function convert(name: string, definition: unknown): Json {
  return unions[name] ?? keep(definition as Definition)
}

function keep(definition: Definition): Json {
  const kept: Record<string, Json> = {}
  for (const keyword of KEYWORDS) {
    const value = definition[keyword] as Json | undefined
    if (value === undefined) continue
    if (keyword === 'properties') {
      kept.properties = Object.fromEntries(Object.entries(value as object).map(([key, one]) => [key, keep(one)]))
    } else if (keyword === 'items' || (keyword === 'additionalProperties' && typeof value === 'object')) {
      kept[keyword] = keep(value as Definition)
    } else kept[keyword] = value
  }
  if (kept.properties && kept.additionalProperties === undefined) kept.additionalProperties = false
  return kept
}
