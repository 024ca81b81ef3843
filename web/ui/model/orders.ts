/** The user's orders: the list and single ones, one copy of each. */
import type { Order } from '@checkout/contracts/http.ts'
import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import { loading, type Remote } from './failure.ts'
import { createPaged, type Paged } from './paged.ts'
import { createRefresher } from './refresher.ts'
import { perVisit, type Visit, type Visits } from './visit.ts'

export type OrderFilter = 'all' | 'pending' | 'paid' | 'failed'

export interface OrdersModel {
  list: Paged<Order>
  /** Setting it loads the list anew. */
  filter: Signal<OrderFilter>
  /** Always the same signal for an id; the first call starts reading. */
  one(id: string): ReadonlySignal<Remote<Order>>
  refresh(id: string): Promise<void>
}

export interface OrdersDeps {
  api: Api
  visits: Visits
  /** Called with every order that is read. */
  onRead(order: Order): void
}

export type OwnOrders = OrdersModel & {
  /** The newest copy of an order that is known without asking. */
  known(id: string): Order | undefined
  /** An order has just been placed. */
  placed(order: Order): void
  /** An order's status has changed. */
  changed(id: string): void
  /** Reads again what may have been missed: the list's top, and single orders that are not at their end. */
  catchUp(): void
}

interface Single {
  order: Signal<Remote<Order>>
  refresh(): Promise<void>
}

export function createOrders({ api, visits, onRead }: OrdersDeps): OwnOrders {
  const filter = signal<OrderFilter>('all')
  const list = createPaged<Order>({
    api,
    visits,
    path: () => (filter.peek() === 'all' ? '/orders' : `/orders?status=${filter.peek()}`),
    belongs: (order) => filter.peek() === 'all' || order.status === filter.peek(),
    newer,
    onRead: (orders) => orders.forEach(share),
  })
  const singlesOf = perVisit(() => new Map<string, Single>())
  const views = new Map<string, ReadonlySignal<Remote<Order>>>()

  visits.each(() => void list.reload())
  let first = true
  filter.subscribe(() => {
    if (!first) void list.reload()
    first = false
  })

  function single(visit: Visit, id: string): Single {
    const singles = singlesOf(visit)
    const before = singles.get(id)
    if (before) return before
    const listed = list.items.peek().find((order) => order.id === id)
    const order = signal<Remote<Order>>(listed ? { state: 'ready', value: listed } : loading)
    const refresh = createRefresher(async () => {
      const { userId, signal } = visit
      const answer = await api.get<Order>(`/orders/${encodeURIComponent(id)}`, { userId, signal })
      if (answer.ok) take(answer.value, list.update)
      else if (order.peek().state !== 'ready') order.value = { state: 'failed', problem: answer.problem }
    })
    const made = { order, refresh }
    singles.set(id, made)
    return made
  }

  /** Whoever shows the order alone, or a toast about it, learns what the list was told. */
  function share(order: Order) {
    const visit = visits.current.peek()
    const shown = visit && singlesOf(visit).get(order.id)?.order
    if (shown) {
      const before = shown.peek()
      shown.value = { state: 'ready', value: before.state === 'ready' ? newer(before.value, order) : order }
    }
    onRead(order)
  }

  function take(order: Order, intoList: (order: Order) => void) {
    if (visits.current.peek()?.userId !== order.userId) return
    batch(() => {
      share(order)
      intoList(order)
    })
  }

  async function refresh(id: string) {
    const visit = visits.current.peek()
    if (visit) await single(visit, id).refresh()
  }

  function catchUp() {
    const visit = visits.current.peek()
    if (!visit) return
    void list.refresh()
    for (const { order, refresh } of singlesOf(visit).values()) {
      const shown = order.peek()
      if (shown.state !== 'ready' || shown.value.status === 'pending') void refresh()
    }
  }

  // Orders settle within moments, and a letter says so. One that is still pending here may only have missed the news.
  effect(() => {
    const visit = visits.current.value
    if (!visit || !list.items.value.some(isPending)) return
    let cancel = () => {}
    const wait = () => {
      cancel = visit.after(PENDING_CHECK_MS, () => {
        catchUp()
        wait()
      })
    }
    wait()
    return () => cancel()
  })

  return {
    list,
    filter,
    one(id) {
      const before = views.get(id)
      if (before) return before
      const view = computed<Remote<Order>>(() => {
        const visit = visits.current.value
        if (!visit) return loading
        const isNew = !singlesOf(visit).has(id)
        const { order, refresh } = single(visit, id)
        if (isNew) void refresh()
        return order.value
      })
      views.set(id, view)
      return view
    },
    refresh,
    known(id) {
      const visit = visits.current.peek()
      const shown = visit && singlesOf(visit).get(id)?.order.peek()
      return shown?.state === 'ready' ? shown.value : list.items.peek().find((order) => order.id === id)
    },
    placed: (order) => take(order, list.put),
    changed(id) {
      const visit = visits.current.peek()
      if (!visit) return
      const index = list.items.peek().findIndex((order) => order.id === id)
      // One page serves any number of changes near the top; only those it would not show are asked for singly.
      if (singlesOf(visit).has(id) || index >= FIRST_PAGE) void refresh(id)
      if (index < FIRST_PAGE) void list.refresh()
    },
    catchUp,
  }
}

const isPending = ({ status }: Order) => status === 'pending'
/** How soon a pending order is asked for again without any news of it. */
const PENDING_CHECK_MS = 5_000

/** How far down the list a refresh of its first page is sure to reach. */
const FIRST_PAGE = 10

/** A status never goes back: of two copies the settled one is newer, whichever was read last. */
const newer = (known: Order, read: Order): Order =>
  known.status !== 'pending' && read.status === 'pending' ? known : read
