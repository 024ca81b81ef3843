/**
 * The services: whatever lists them follows from here, or does not compile when one is forgotten. The key is the part of
 * an order's way that a service has: it stands in paths (`/status/orders`) and variables (`ORDERS_PORT`, `ORDERS_URLS`).
 */
export const services = {
  orders: { name: 'orders-service', port: 3001, file: 'orders.sqlite' },
  payments: { name: 'payments-service', port: 3002, file: 'payments.sqlite' },
  notifications: { name: 'notifications-service', port: 3003, file: 'notifications.sqlite' },
} as const

export type Part = keyof typeof services
export type ServiceName = (typeof services)[Part]['name']

export const parts = Object.keys(services) as readonly Part[]
/** Also the names of their folders, of their NATS users and of the senders of their events. */
export const serviceNames: readonly ServiceName[] = parts.map((part) => services[part].name)
