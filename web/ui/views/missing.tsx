/** A hash that leads nowhere. */
import { href } from '../model/route.ts'
import { Page } from './page.tsx'
import { useText } from './shop.ts'
import { Empty } from './states.tsx'

export function MissingView() {
  const t = useText()
  return (
    <Page heading={t('missing.heading')}>
      <Empty icon="info" title={t('missing.title')}>
        <a href={href({ name: 'home' })}>{t('missing.home')}</a>
      </Empty>
    </Page>
  )
}
