/** Orders as rows that lead to their pages. */
import type { Order } from '@checkout/contracts/http.ts'
import { href } from '../model/route.ts'
import { Ago, Money, StatusBadge } from './status.tsx'

export function OrderRows({ orders }: { orders: readonly Order[] }) {
  return (
    <ul class="rows">
      {orders.map((order) => (
        <li key={order.id}>
          <a class="row row-link order-row" href={href({ name: 'order', id: order.id })}>
            <span class="row-text">
              <strong class="clamp">{order.description}</strong>
              <span class="soft small">
                <Ago iso={order.createdAt} />
              </span>
            </span>
            <StatusBadge status={order.status} />
            <Money minor={order.amount} currency={order.currency} />
          </a>
        </li>
      ))}
    </ul>
  )
}
