/** How the services are. */
import type { ServiceStatus } from '@checkout/contracts/http.ts'
import { type Part, parts } from '@checkout/contracts/services.ts'
import { computed, type ReadonlySignal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import { loading, type Remote } from './failure.ts'
import type { Platform } from './platform.ts'

export interface PartStatus {
  part: Part
  /** Link to its documentation. */
  docs: string
  status: Remote<ServiceStatus>
}

export interface SystemModel {
  parts: ReadonlySignal<readonly PartStatus[]>
  /** Asks every 3 s while the page is visible; returns the way to stop. */
  watch(): () => void
}

const POLL_MS = 3_000

export interface SystemDeps {
  platform: Platform
  api: Api
  /** Who asks, if anybody. */
  userId(): string | undefined
}

export type OwnSystem = SystemModel & {
  /** Ends every watch. */
  stop(): void
}

export function createSystem({ platform, api, userId }: SystemDeps): OwnSystem {
  const statuses = parts.map((part) => ({ part, status: signal<Remote<ServiceStatus>>(loading) }))
  const watches = new Set<() => void>()
  let stopPolling: (() => void) | undefined

  function poll(): () => void {
    let over = false
    let timer: unknown
    let asking = false
    async function round() {
      platform.clearTimeout(timer)
      if (asking || over || !platform.visible.peek()) return
      asking = true
      await Promise.all(statuses.map(ask))
      asking = false
      if (!over && platform.visible.peek()) timer = platform.setTimeout(() => void round(), POLL_MS)
    }
    async function ask({ part, status }: (typeof statuses)[number]) {
      const answer = await api.get<ServiceStatus>(`/status/${part}`, { userId: userId() })
      // Unlike other reads it does not keep what it knew: that a service does not answer is the news.
      if (!over)
        status.value = answer.ok
          ? { state: 'ready', value: answer.value }
          : { state: 'failed', problem: answer.problem }
    }
    const unsubscribe = platform.visible.subscribe(() => void round())
    return () => {
      over = true
      unsubscribe()
      platform.clearTimeout(timer)
    }
  }

  return {
    parts: computed(() => statuses.map(({ part, status }) => ({ part, docs: `/docs/${part}/`, status: status.value }))),
    watch() {
      stopPolling ??= poll()
      const stop = () => {
        watches.delete(stop)
        if (watches.size > 0) return
        stopPolling?.()
        stopPolling = undefined
      }
      watches.add(stop)
      return stop
    },
    stop() {
      for (const stop of watches) stop()
    },
  }
}
