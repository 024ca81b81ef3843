/**
 * What may change in a published version of an event: fields may be added that need not be there, and texts. Everything
 * else is a new version, beside the old one.
 *
 * Why so strict? Services and their instances are upgraded one by one, so for a while yesterday's readers get today's
 * events; and what was published yesterday lies in outboxes, streams and dead letters, so today's readers get
 * yesterday's events. Readers check the whole event (messaging's decode.ts) and make a dead letter of what does not keep
 * its schema; they ignore fields that they do not know. So a schema that becomes narrower refuses old events, and one that
 * becomes wider lets out events that old readers refuse.
 */

/** A JSON Schema as data, of the kind that events.ts makes. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
}

/** Every change that breaks something, and what. docs/events.md shows this list. */
export const rules = {
  'version removed': 'events already published: nobody would read them',
  'field removed': 'readers not upgraded yet: they use it. A renamed field is a removed one',
  'field required': 'events already published: they do not have it',
  'field no longer required': 'readers not upgraded yet: they insist on it',
  'type changed': 'events already published, and readers not upgraded yet: neither has the other type',
  'values removed': 'events already published: they may have one of these values',
  'values added': 'readers not upgraded yet: they refuse values that they do not know',
  'limit narrowed': 'events already published: they may lie beyond the new limit',
  'limit widened': 'readers not upgraded yet: they refuse what lies beyond the old limit',
  'form changed':
    'events already published, which may not have the new form, or readers not upgraded yet, which insist on the old one',
  'unknown fields refused': 'later versions: no field could be added any more',
  'field added where unknown ones are refused': 'readers not upgraded yet: they refuse it',
} as const

export type Rule = keyof typeof rules

export interface Change {
  /** Dots between the names, such as data.amount; empty for the whole event. */
  readonly field: string
  readonly rule: Rule
  /** What it was and what it is. */
  readonly detail: string
}

/** What says something about values, but nothing about which ones are valid. */
const ANNOTATIONS = new Set(['$schema', '$id', '$comment', 'title', 'description', 'examples', 'default', 'deprecated'])
const LOWER_LIMITS = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties']
const UPPER_LIMITS = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties']
/** Compared one by one below; all other keywords, such as pattern, format and anyOf, must stay as they are. */
const COMPARED = new Set([
  ...['type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items'],
  ...LOWER_LIMITS,
  ...UPPER_LIMITS,
])

/** Every change from a published schema to today's that would break a reader or an event; none when it may be released. */
export function breakingChanges(published: JsonSchema, today: JsonSchema, field = ''): Change[] {
  if (meaning(published.type) !== meaning(today.type)) {
    return [{ field, rule: 'type changed', detail: `${shown(published.type)} → ${shown(today.type)}` }]
  }
  return [
    ...valueChanges(published, today, field),
    ...limitChanges(published, today, field),
    ...formChanges(published, today, field),
    ...fieldChanges(published, today, field),
    ...itemChanges(published, today, field),
  ]
}

function valueChanges(published: JsonSchema, today: JsonSchema, field: string): Change[] {
  const before = valuesOf(published)
  const now = valuesOf(today)
  const removed = now === undefined ? [] : (before?.filter((value) => !now.includes(value)) ?? ['any other'])
  const added = before === undefined ? [] : (now?.filter((value) => !before.includes(value)) ?? ['any other'])
  return [
    ...(removed.length > 0 ? [{ field, rule: 'values removed' as const, detail: removed.join(', ') }] : []),
    ...(added.length > 0 ? [{ field, rule: 'values added' as const, detail: added.join(', ') }] : []),
  ]
}

/** As JSON texts; undefined = any. */
function valuesOf({ enum: values, const: value }: JsonSchema): string[] | undefined {
  if (value !== undefined) return [shown(value)]
  return Array.isArray(values) ? values.map(shown) : undefined
}

function limitChanges(published: JsonSchema, today: JsonSchema, field: string): Change[] {
  const compare = (keyword: string, sign: 1 | -1): Change[] => {
    const before = (published[keyword] as number | undefined) ?? -sign * Number.POSITIVE_INFINITY
    const now = (today[keyword] as number | undefined) ?? -sign * Number.POSITIVE_INFINITY
    if (before === now) return []
    const rule = sign * (now - before) > 0 ? 'limit narrowed' : 'limit widened'
    return [{ field, rule, detail: `${keyword} ${shown(published[keyword])} → ${shown(today[keyword])}` }]
  }
  return [
    ...LOWER_LIMITS.flatMap((keyword) => compare(keyword, 1)),
    ...UPPER_LIMITS.flatMap((keyword) => compare(keyword, -1)),
  ]
}

function formChanges(published: JsonSchema, today: JsonSchema, field: string): Change[] {
  const keywords = new Set([...Object.keys(published), ...Object.keys(today)])
  return [...keywords]
    .filter((keyword) => !ANNOTATIONS.has(keyword) && !COMPARED.has(keyword))
    .filter((keyword) => meaning(published[keyword]) !== meaning(today[keyword]))
    .map((keyword) => ({
      field,
      rule: 'form changed',
      detail: `${keyword} ${shown(published[keyword])} → ${shown(today[keyword])}`,
    }))
}

function fieldChanges(published: JsonSchema, today: JsonSchema, field: string): Change[] {
  const before = published.properties ?? {}
  const now = today.properties ?? {}
  const changes: Change[] = []
  const found = (name: string, rule: Rule, detail: string) =>
    changes.push({ field: field === '' ? name : `${field}.${name}`, rule, detail })

  for (const [name, schema] of Object.entries(before)) {
    const counterpart = now[name]
    const inside = field === '' ? name : `${field}.${name}`
    if (counterpart) changes.push(...breakingChanges(schema, counterpart, inside))
    else found(name, 'field removed', renamedTo(schema, before, now))
  }
  const wasRequired = new Set(published.required)
  const isRequired = new Set(today.required)
  for (const name of isRequired) {
    if (!wasRequired.has(name)) found(name, 'field required', before[name] ? 'was optional' : 'is new')
  }
  for (const name of wasRequired) {
    if (!isRequired.has(name) && now[name]) found(name, 'field no longer required', 'is optional now')
  }
  const closedBefore = published.additionalProperties === false
  for (const name of Object.keys(now)) {
    if (closedBefore && !before[name]) found(name, 'field added where unknown ones are refused', 'is new')
  }
  if (
    !closedBefore &&
    meaning(published.additionalProperties ?? true) !== meaning(today.additionalProperties ?? true)
  ) {
    const detail = `additionalProperties ${shown(published.additionalProperties)} → ${shown(today.additionalProperties)}`
    changes.push({ field, rule: 'unknown fields refused', detail })
  }
  return changes
}

function itemChanges({ items: before }: JsonSchema, { items: now }: JsonSchema, field: string): Change[] {
  if (before && now) return breakingChanges(before, now, `${field}[]`)
  if (!before && !now) return []
  return [{ field, rule: 'form changed', detail: `items ${shown(before)} → ${shown(now)}` }]
}

/** A guess that spares the reader of the message a riddle. */
function renamedTo(schema: JsonSchema, before: Record<string, JsonSchema>, now: Record<string, JsonSchema>): string {
  const name = Object.keys(now).find((one) => !before[one] && meaning(now[one]) === meaning(schema))
  return name === undefined ? 'is gone' : `renamed to ${name}?`
}

/** A schema's text without annotations: equal when the same values are valid. */
const meaning = (schema: unknown): string => JSON.stringify(schema, withoutAnnotations) ?? 'none'

/** A field may be called `description`: it has a schema, where the annotation has a text or a list. */
const withoutAnnotations = (key: string, value: unknown): unknown =>
  ANNOTATIONS.has(key) && (typeof value !== 'object' || Array.isArray(value)) ? undefined : value

const shown = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value))

/** The sentence that a red gate shows: the field, the rule, whom it breaks, and the way out. */
export function explain(type: string, { field, rule, detail }: Change): string {
  const next = type.replace(/\d+$/, (version) => String(Number(version) + 1))
  const wayOut =
    rule === 'version removed'
      ? `Keep ${type} in events.ts, and its handlers.`
      : `Leave ${type} as it is and publish ${next} beside it: docs/events.md, "A new version".`
  return `${field === '' ? type : `${type}, ${field}`}: ${rule} (${detail}). Breaks ${rules[rule]}. ${wayOut}`
}
