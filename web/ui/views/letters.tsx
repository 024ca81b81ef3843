/** The inbox: letters, new ones marked, and a form to write a message to oneself. */
import type { Letter } from '@checkout/contracts/http.ts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { href } from '../model/route.ts'
import { Field, FormProblem, SubmitButton, useForm } from './form.tsx'
import { Icon, type IconName } from './icons.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Empty, PagedList } from './states.tsx'
import { Ago } from './status.tsx'

export const letterIcons: Readonly<Record<Letter['kind'], IconName>> = {
  order_paid: 'check',
  order_failed: 'alert',
  message: 'letters',
}

export function LettersView() {
  const t = useText()
  const { letters } = useShop()
  const isNew = useNewLetters()
  return (
    <Page heading={t('nav.letters')}>
      <div class="columns columns-wide">
        <Card heading={t('letters.inbox')}>
          <PagedList
            of={letters.list}
            empty={
              <Empty icon="letters" title={t('letters.empty')}>
                {t('letters.empty.hint')}
              </Empty>
            }
          >
            {(items) => (
              <ul class="rows">
                {items.map((letter) => (
                  <LetterRow key={letter.id} letter={letter} unread={isNew(letter)} />
                ))}
              </ul>
            )}
          </PagedList>
        </Card>
        <MessageForm />
      </div>
    </Page>
  )
}

/** Opening the inbox counts as reading it; what was new then stays marked as long as one looks. */
function useNewLetters(): (letter: Letter) => boolean {
  const { letters } = useShop()
  const marked = useRef(new Set<string>())
  for (const letter of letters.list.items.value) if (letters.isUnread(letter)) marked.current.add(letter.id)
  const unread = letters.unread.value
  const loaded = letters.list.items.value.length > 0
  useEffect(() => {
    if (loaded && unread > 0) letters.markRead()
  }, [letters, loaded, unread])
  return ({ id }) => marked.current.has(id)
}

function LetterRow({ letter, unread }: { letter: Letter; unread: boolean }) {
  const t = useText()
  return (
    <li>
      <a
        class={unread ? 'row row-link letter-row unread' : 'row row-link letter-row'}
        href={href({ name: 'letter', seq: letter.seq })}
      >
        <span class={`letter-sign letter-${letter.kind}`}>
          <Icon name={letterIcons[letter.kind]} />
        </span>
        <span class="row-text">
          <span class="letter-subject">
            {letter.subject}
            {unread && <span class="badge badge-new">{t('letters.new')}</span>}
          </span>
          <span class="soft small clamp">{letter.body.replace(/\s+/g, ' ')}</span>
        </span>
        <span class="soft small">
          <Ago iso={letter.createdAt} />
        </span>
      </a>
    </li>
  )
}

function MessageForm() {
  const t = useText()
  const { letters } = useShop()
  const [sent, setSent] = useState(false)
  const form = useForm(
    ({ subject = '', body = '' }) => {
      setSent(false)
      return letters.send({ subject, body })
    },
    () => setSent(true),
  )
  return (
    <Card heading={t('message.heading')}>
      <form class="form" aria-label={t('message.heading')} {...form.bind}>
        <p class="soft small">{t('message.hint')}</p>
        <Field form={form} name="subject" label={t('message.subject')} autoComplete="off" />
        <Field form={form} name="body" label={t('message.body')} autoComplete="off" rows={4} />
        <FormProblem form={form} fields={['subject', 'body']} />
        <SubmitButton form={form} quiet icon="send" working={t('message.working')}>
          {t('message.submit')}
        </SubmitButton>
        <p class="form-done" role="status">
          {sent && (
            <>
              <Icon name="check" size={16} />
              {t('message.done')}
            </>
          )}
        </p>
      </form>
    </Card>
  )
}
