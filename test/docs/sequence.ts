/** A Mermaid sequence diagram as data: only the lines that our diagrams have, and an error for any other. */

export interface Arrow {
  readonly kind: 'call' | 'reply' | 'event'
  readonly from: string
  readonly to: string
  /** The operation or the message; of a reply, the body. */
  readonly name: string
  /** Of a reply. */
  readonly status?: string
}

const kinds = { '->>': 'call', '-->>': 'reply', '-)': 'event' } as const

/** The arrows from top to bottom, with the participants' full names. @throws on a line that it does not know */
export function arrowsOf(text: string): Arrow[] {
  const names = new Map<string, string>()
  const [title, type, ...lines] = text.trimEnd().split('\n')
  if (!title?.startsWith('%% ') || type !== 'sequenceDiagram') throw new Error('not a sequence diagram with a title')
  return lines.flatMap((line) => {
    const participant = /^ {2}participant (\w+) as (\w+)$/.exec(line)
    if (participant) names.set(participant[1] as string, participant[2] as string)
    if (participant || /^ {2}Note over \w+: .+$/.test(line)) return []
    const arrow = /^ {2}(\w+)(->>|-->>|-\))(\w+): (?:(\d{3}) )?([\w.]+)(?: \([^)]+\))?$/.exec(line)
    const [, from = '', sign = '', to = '', status, name = ''] = arrow ?? []
    const kind = kinds[sign as keyof typeof kinds]
    if (!arrow || !names.has(from) || !names.has(to) || (kind === 'reply') !== (status !== undefined)) {
      throw new Error(`not understood: ${line}`)
    }
    const ends = { from: names.get(from) as string, to: names.get(to) as string }
    return [{ kind, ...ends, name, ...(status !== undefined && { status }) }]
  })
}
