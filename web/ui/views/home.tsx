/** The counter: what is on the account, a new order, the latest ones. */
import { useEffect } from 'preact/hooks'
import { href } from '../model/route.ts'
import { BalanceCard } from './balance.tsx'
import { OrderForm } from './order-form.tsx'
import { OrderRows } from './order-rows.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Empty, PagedList } from './states.tsx'

const RECENT = 5

export function HomeView() {
  const t = useText()
  const { session, orders } = useShop()
  // The list may still show what was chosen on the orders' page.
  useEffect(() => {
    orders.filter.value = 'all'
  }, [orders])
  return (
    <Page heading={t('home.heading', { name: session.current.value?.name ?? '' })} title={t('nav.home')}>
      <div class="home">
        <BalanceCard />
        <Card heading={t('place.heading')} class="place">
          <OrderForm />
        </Card>
        <Card
          heading={t('home.recent')}
          class="recent"
          aside={<a href={href({ name: 'orders' })}>{t('home.allOrders')}</a>}
        >
          <PagedList
            of={orders.list}
            empty={
              <Empty icon="orders" title={t('orders.empty')}>
                {t('orders.empty.hint')}
              </Empty>
            }
            button={false}
          >
            {(items) => <OrderRows orders={items.slice(0, RECENT)} />}
          </PagedList>
        </Card>
      </div>
    </Page>
  )
}
