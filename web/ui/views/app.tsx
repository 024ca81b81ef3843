/** Which view a route shows. */
import type { Route } from '../model/route.ts'
import { AccountView } from './account.tsx'
import { HistoryView } from './history.tsx'
import { HomeView } from './home.tsx'
import { LetterView } from './letter.tsx'
import { LettersView } from './letters.tsx'
import { MissingView } from './missing.tsx'
import { OrderView } from './order.tsx'
import { OrdersView } from './orders.tsx'
import { Shell } from './shell.tsx'
import { useShop } from './shop.ts'
import { SystemView } from './system.tsx'
import { UsersView } from './users.tsx'

/** Views that say something to somebody who has not registered. */
const open: readonly Route['name'][] = ['system', 'users', 'missing']

export function App() {
  const { route, session } = useShop()
  const user = session.current.value
  const to = route.value
  const shown: Route = user || open.includes(to.name) ? to : { name: 'users' }
  return (
    <Shell>
      <View key={`${user?.id} ${shown.name}`} route={shown} />
    </Shell>
  )
}

function View({ route }: { route: Route }) {
  switch (route.name) {
    case 'home':
      return <HomeView />
    case 'orders':
      return <OrdersView />
    case 'order':
      return <OrderView key={route.id} id={route.id} />
    case 'account':
      return <AccountView />
    case 'letters':
      return <LettersView />
    case 'letter':
      return <LetterView key={route.seq} seq={route.seq} />
    case 'system':
      return <SystemView />
    case 'users':
      return <UsersView />
    case 'history':
      return <HistoryView />
    case 'missing':
      return <MissingView />
  }
}
