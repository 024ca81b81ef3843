/** The soak: the heaviest load for many minutes, with a reading of every gauge each 30 s. What grows fails it. */
import { type Gauge, judge, readGauges } from './gauges.ts'
import type { Api } from './http.ts'
import { type Load, type LoadOptions, postOrders } from './load.ts'
import { backlog } from './readback.ts'

const SAMPLE_SECONDS = 30

export interface Soak {
  /** When each sample was taken, in minutes from the start. */
  sampleMinutes: number[]
  gauges: Gauge[]
  growing: string[]
  /** What the run was too short for, or what could not be read. */
  notJudged: string[]
}

export interface SoakOptions {
  api: Api
  root: string
  dataDir: string
  load: Omit<LoadOptions, 'progress'>
  progress(text: string): void
  print(text: string): void
}

/** Posts orders, sampling meanwhile. Returns the load, to be read back like a cell's, and what the gauges say. */
export async function soak({ api, root, dataDir, load, progress, print }: SoakOptions): Promise<[Load, Soak]> {
  const gauges = new Map<string, Gauge>()
  const sampleMinutes: number[] = []
  const started = performance.now()
  let accepted = 0
  let acceptedBefore = 0
  const sample = async () => {
    const at = (performance.now() - started) / 60_000
    const speed = (accepted - acceptedBefore) / ((at - (sampleMinutes.at(-1) ?? 0)) * 60 || 1)
    acceptedBefore = accepted
    for (const { value, ...gauge } of readGauges(root, dataDir)) {
      const known = gauges.get(gauge.name) ?? { ...gauge, values: sampleMinutes.map(() => null) }
      known.values.push(value)
      gauges.set(gauge.name, known)
    }
    sampleMinutes.push(at)
    for (const { values } of gauges.values()) if (values.length < sampleMinutes.length) values.push(null)
    const waiting = (await backlog(api)) ?? 'unknown'
    const headline = `${at.toFixed(1)} min: ${Math.round(speed)} accepted/s, outbox backlog ${waiting}`
    print([headline, ...sampleLines([...gauges.values()])].join('\n'))
  }
  await sample()
  const sampler = setInterval(() => void sample(), SAMPLE_SECONDS * 1_000)
  const posted = await postOrders({
    ...load,
    progress(count, seconds) {
      accepted = count
      progress(`soak: ${Math.round(seconds)} of ${load.seconds} s, ${count} accepted`)
    },
  })
  clearInterval(sampler)
  accepted = posted.accepted
  const sinceLast = performance.now() - started - (sampleMinutes.at(-1) ?? 0) * 60_000
  if (sinceLast > (SAMPLE_SECONDS * 1_000) / 2) await sample()
  const all = [...gauges.values()]
  const { growing, notJudged } = judge(all, sampleMinutes)
  const blind = all.length ? [] : ['memory and files (none of this checkout is to be seen)']
  return [posted, { sampleMinutes, gauges: all, growing, notJudged: [...notJudged, ...blind] }]
}

/** One line for what is measured in MiB, one for what is counted in rows, if anything is. */
const sampleLines = (gauges: readonly Gauge[]) =>
  (['MiB', 'rows'] as const)
    .map((unit) => gauges.filter((gauge) => gauge.unit === unit && typeof gauge.values.at(-1) === 'number'))
    .filter((those) => those.length > 0)
    .map(
      (those) =>
        `  ${those[0]?.unit}: ${those.map(({ name, values }) => `${name} ${values.at(-1)?.toFixed(0)}`).join(', ')}`,
    )
