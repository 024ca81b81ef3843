/** All orders, filtered by how they ended. */
import { href } from '../model/route.ts'
import { OrderRows } from './order-rows.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Empty, PagedList } from './states.tsx'

const filters = ['all', 'pending', 'paid', 'failed'] as const

export function OrdersView() {
  const t = useText()
  const { orders } = useShop()
  const filter = orders.filter.value
  return (
    <Page heading={t('nav.orders')}>
      <fieldset class="filter">
        <legend class="sr-only">{t('orders.filter')}</legend>
        {filters.map((one) => (
          <label key={one}>
            <input
              type="radio"
              name="status"
              checked={one === filter}
              onChange={() => {
                orders.filter.value = one
              }}
            />
            <span>{t(`orders.filter.${one}`)}</span>
          </label>
        ))}
      </fieldset>
      <Card>
        <PagedList
          of={orders.list}
          empty={
            filter === 'all' ? (
              <Empty icon="orders" title={t('orders.empty')}>
                <a href={href({ name: 'home' })}>{t('orders.empty.place')}</a>
              </Empty>
            ) : (
              <Empty icon="orders" title={t('orders.emptyFiltered')} />
            )
          }
        >
          {(items) => <OrderRows orders={items} />}
        </PagedList>
      </Card>
    </Page>
  )
}
