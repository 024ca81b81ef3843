/** One order: its facts and its way through the services. */
import type { Order } from '@checkout/contracts/http.ts'
import { href } from '../model/route.ts'
import { Icon } from './icons.tsx'
import { JourneyCard } from './journey.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Loaded } from './states.tsx'
import { DateTime, Money, StatusBadge } from './status.tsx'

export function OrderView({ id }: { id: string }) {
  const t = useText()
  const { orders } = useShop()
  const order = orders.one(id).value
  const known = order.state === 'ready'
  const isGone = order.state === 'failed' && order.problem.status === 404
  return (
    <Page
      heading={known ? order.value.description : t('order.heading')}
      title={t('order.heading')}
      aside={
        <a class="back" href={href({ name: 'orders' })}>
          <Icon name="back" size={18} />
          {t('order.back')}
        </a>
      }
    >
      <Card class="facts-card">
        <Loaded from={order} retry={isGone ? undefined : () => void orders.refresh(id)} lines={2}>
          {(value) => <Facts order={value} />}
        </Loaded>
      </Card>
      {known && <JourneyCard orderId={id} />}
    </Page>
  )
}

function Facts({ order }: { order: Order }) {
  const t = useText()
  const { letters } = useShop()
  const letter = letters.list.items.value.find(({ orderId }) => orderId === order.id)
  return (
    <>
      <div class="facts-top">
        <p class="facts-sum">
          <Money minor={order.amount} currency={order.currency} />
        </p>
        <StatusBadge status={order.status} />
        {letter && (
          <a class="facts-letter" href={href({ name: 'letter', seq: letter.seq })}>
            <Icon name="letters" size={18} />
            {t('order.letter')}
          </a>
        )}
      </div>
      {order.failureReason && (
        <p class="facts-reason">
          {t(`reason.${order.failureReason}`)} <a href={href({ name: 'home' })}>{t('order.topUp')}</a>
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>{t('order.placed')}</dt>
          <dd>
            <DateTime iso={order.createdAt} />
          </dd>
        </div>
        {order.status !== 'pending' && (
          <div>
            <dt>{t('order.settled')}</dt>
            <dd>
              <DateTime iso={order.updatedAt} />
            </dd>
          </div>
        )}
        <div>
          <dt>{t('order.number')}</dt>
          <dd class="wrap">
            <code>{order.id}</code>
          </dd>
        </div>
      </dl>
    </>
  )
}
