/** Small signs: status badges, service names, money, times. Each says in words what its colour says. */
import type { OrderStatus } from '@checkout/contracts/http.ts'
import { Icon, type IconName } from './icons.tsx'
import { useShop, useText } from './shop.ts'

const statusIcons = { pending: 'clock', paid: 'check', failed: 'cross' } as const

export function StatusBadge({ status }: { status: OrderStatus }) {
  const t = useText()
  return (
    <span class={`badge badge-${status}`}>
      <Icon name={statusIcons[status]} size={15} />
      {t(`status.${status}`)}
    </span>
  )
}

/** Which of the four lanes a service is, for its colour and its sign. */
export type Lane = 'orders' | 'payments' | 'notifications' | 'browser'
export const lanes: readonly Lane[] = ['orders', 'payments', 'notifications', 'browser']
export const laneIcons: Readonly<Record<Lane, IconName>> = {
  orders: 'orders',
  payments: 'payments',
  notifications: 'letters',
  browser: 'browser',
}
export const laneOf = (service: string): Lane => lanes.find((lane) => service.startsWith(lane)) ?? 'browser'

export function ServiceName({ lane }: { lane: Lane }) {
  const t = useText()
  return (
    <span class={`service lane-${lane}`}>
      <Icon name={laneIcons[lane]} size={16} />
      {t(`service.${lane}`)}
    </span>
  )
}

/** `signed` puts a + or − in front. */
export function Money({ minor, currency, signed = false }: { minor: number; currency: string; signed?: boolean }) {
  return <span class="money">{useShop().settings.money(minor, currency, signed)}</span>
}

/** How long ago, with the exact time as a tooltip. */
export function Ago({ iso }: { iso: string }) {
  const { settings } = useShop()
  return (
    <time dateTime={iso} title={settings.dateTime(iso)}>
      {settings.ago(iso)}
    </time>
  )
}

export function DateTime({ iso }: { iso: string }) {
  const { settings } = useShop()
  return <time dateTime={iso}>{settings.dateTime(iso)}</time>
}
