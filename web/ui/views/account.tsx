/** The account: its balance, and every movement with the balance after it. */
import type { LedgerEntry } from '@checkout/contracts/http.ts'
import { href } from '../model/route.ts'
import { BalanceCard } from './balance.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Empty, PagedList } from './states.tsx'
import { DateTime, Money } from './status.tsx'

export function AccountView() {
  const t = useText()
  const { account } = useShop()
  return (
    <Page heading={t('nav.account')}>
      <div class="account">
        <BalanceCard />
        <Card heading={t('account.entries')}>
          <PagedList
            of={account.entries}
            empty={
              <Empty icon="account" title={t('account.empty')}>
                {t('account.empty.hint')}
              </Empty>
            }
          >
            {(entries) => <Ledger entries={entries} currency={account.currency.value} />}
          </PagedList>
        </Card>
      </div>
    </Page>
  )
}

function Ledger({ entries, currency }: { entries: readonly LedgerEntry[]; currency: string }) {
  const t = useText()
  return (
    <table class="ledger">
      <thead>
        <tr>
          <th scope="col">{t('account.what')}</th>
          <th scope="col" class="end">
            {t('account.amount')}
          </th>
          <th scope="col" class="end">
            {t('account.after')}
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr key={entry.id}>
            <td>
              <div>
                {entry.orderId ? (
                  <a href={href({ name: 'order', id: entry.orderId })}>{t(`entry.${entry.kind}`)}</a>
                ) : (
                  t(`entry.${entry.kind}`)
                )}
              </div>
              <div class="soft small">
                <DateTime iso={entry.createdAt} />
              </div>
            </td>
            <td class={entry.kind === 'deposit' ? 'end plus' : 'end'}>
              <Money minor={entry.kind === 'deposit' ? entry.amount : -entry.amount} currency={currency} signed />
            </td>
            <td class="end soft">
              <Money minor={entry.balanceAfter} currency={currency} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
