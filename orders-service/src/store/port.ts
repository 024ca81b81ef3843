/** The store's port of orders-service: what a transaction can do and what can be read, whatever the engine. */
import type { OrderStatus } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import type { DeploymentWrites, IdempotencyWrites, KeptAges, Store } from '@checkout/store/port.ts'

export type OrdersStore = Store<OrdersTx, OrdersReads>

export interface OrdersTx extends MessagingTx {
  readonly idempotency: IdempotencyWrites
  readonly deployment: DeploymentWrites
  readonly users: UserWrites
  readonly orders: OrderWrites
}

export interface OrdersReads extends MessagingReads {
  readonly idempotency: KeptAges
  readonly users: UserReads
  readonly orders: OrderReads
}

export interface UserRow {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly createdAt: number
}

export interface UserWrites {
  /** False when the id is registered already. */
  add(user: UserRow): Promise<boolean>
  exists(id: string): Promise<boolean>
}

export interface UserReads {
  find(id: string): Promise<UserRow | undefined>
}

export interface OrderRow {
  /** Ascending in the order in which they were placed. */
  readonly seq: number
  readonly id: string
  readonly userId: string
  readonly amount: number
  readonly currency: string
  readonly description: string
  readonly status: OrderStatus
  readonly failureReason: FailureReason | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly userRegistered: boolean
  /** Of the event that asked for its payment, also when it is sent again. */
  readonly createdEventId: string
  /** The event that settled it, as it arrived: id, place in the stream, delivery, time. Only for the journey. */
  readonly outcomeEventId: string | null
  readonly outcomeSeq: number | null
  readonly outcomeDeliveries: number | null
  readonly outcomeReceivedAt: number | null
  /** How often it was asked for again, and the store's age `schedule` at which it is the next time. */
  readonly sweeps: number
  readonly sweepAt: number
}

export interface NewOrderRow
  extends Pick<
    OrderRow,
    'id' | 'userId' | 'amount' | 'currency' | 'description' | 'createdAt' | 'userRegistered' | 'createdEventId'
  > {
  /** In how many ms it is to be swept, if it is pending then. */
  readonly sweepAfter: number
}

/** An outcome, and how it arrived. */
export interface Settlement {
  readonly id: string
  readonly status: Exclude<OrderStatus, 'pending'>
  readonly failureReason: FailureReason | null
  readonly updatedAt: number
  readonly outcomeEventId: string
  readonly outcomeSeq: number
  readonly outcomeDeliveries: number
  readonly outcomeReceivedAt: number
}

export interface OrderWrites {
  add(order: NewOrderRow): Promise<void>
  /** The order, when this changed it; undefined when it was settled before or does not exist. */
  settle(settlement: Settlement): Promise<Pick<OrderRow, 'userId' | 'amount' | 'currency' | 'description'> | undefined>
  find(id: string): Promise<OrderRow | undefined>
  /** Pending orders to be swept at this age of the store, longest waiting first. */
  due(now: number, limit: number): Promise<OrderRow[]>
  swept(id: string, sweepAt: number): Promise<void>
}

export interface OrderReads {
  /** The order if it is this user's. */
  find(id: string, userId: string): Promise<OrderRow | undefined>
  /** Newest first, before the sequence `before`. */
  list(userId: string, status: OrderStatus | undefined, before: number, limit: number): Promise<OrderRow[]>
  /** At which age of the store the first pending order is to be swept; undefined when none is pending. */
  nextSweepAt(): Promise<number | undefined>
}
