/** One letter. */
import type { Letter } from '@checkout/contracts/http.ts'
import { useEffect } from 'preact/hooks'
import { href } from '../model/route.ts'
import { Icon } from './icons.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Loaded } from './states.tsx'
import { DateTime } from './status.tsx'

export function LetterView({ seq }: { seq: number }) {
  const t = useText()
  const { letters } = useShop()
  const letter = letters.one(seq).value
  const known = letter.state === 'ready'
  // Whoever reads the newest one has seen the others on the way.
  const newest = known && letters.list.items.value.every((other) => other.seq <= seq)
  useEffect(() => {
    if (newest) letters.markRead()
  }, [newest, letters])
  return (
    <Page
      heading={known ? letter.value.subject : t('letter.heading', { n: seq })}
      title={t('letter.heading', { n: seq })}
      aside={
        <a class="back" href={href({ name: 'letters' })}>
          <Icon name="back" size={18} />
          {t('letter.back')}
        </a>
      }
    >
      <Card class="letter">
        <Loaded from={letter} retry={() => void letters.list.reload()} lines={5}>
          {(value) => <LetterText letter={value} />}
        </Loaded>
      </Card>
    </Page>
  )
}

function LetterText({ letter }: { letter: Letter }) {
  const t = useText()
  return (
    <>
      <dl class="facts">
        <div>
          <dt>{t('letter.date')}</dt>
          <dd>
            <DateTime iso={letter.createdAt} />
          </dd>
        </div>
        <div>
          <dt>{t('letter.to')}</dt>
          <dd class="wrap">{letter.to ?? t('letter.to.unknown')}</dd>
        </div>
        <div>
          <dt>{t('letter.mail')}</dt>
          <dd>
            {t(`mail.${letter.mail}`)}
            {letter.sentAt && (
              <>
                {', '}
                <DateTime iso={letter.sentAt} />
              </>
            )}
          </dd>
        </div>
      </dl>
      <p class="letter-body">{letter.body}</p>
      {letter.orderId && (
        <a class="button button-quiet" href={href({ name: 'order', id: letter.orderId })}>
          <Icon name="orders" size={18} />
          {t('letter.order')}
        </a>
      )}
    </>
  )
}
