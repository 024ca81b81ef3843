/** Language and theme, as the browser's own select boxes behind a compact face. */
import type { ComponentChildren, TargetedEvent } from 'preact'
import { Icon, type IconName } from './icons.tsx'
import { useShop, useText } from './shop.ts'

export function Preferences() {
  const t = useText()
  const { language, theme } = useShop().settings
  return (
    <div class="preferences">
      <Choice
        icon="globe"
        label={t('preferences.language')}
        value={language.value}
        shown={language.value.toUpperCase()}
        set={(value) => {
          language.value = value === 'ru' ? 'ru' : 'en'
        }}
      >
        <option value="en" lang="en">
          English
        </option>
        <option value="ru" lang="ru">
          Русский
        </option>
      </Choice>
      <Choice
        icon="theme"
        label={t('preferences.theme')}
        value={theme.value}
        set={(value) => {
          theme.value = value === 'light' || value === 'dark' ? value : 'system'
        }}
      >
        <option value="system">{t('theme.system')}</option>
        <option value="light">{t('theme.light')}</option>
        <option value="dark">{t('theme.dark')}</option>
      </Choice>
    </div>
  )
}

function Choice(props: {
  icon: IconName
  label: string
  value: string
  shown?: string
  set(value: string): void
  children: ComponentChildren
}) {
  return (
    <span class="choice" title={props.label}>
      <Icon name={props.icon} />
      {props.shown && <span aria-hidden="true">{props.shown}</span>}
      <select
        aria-label={props.label}
        value={props.value}
        onChange={(event: TargetedEvent<HTMLSelectElement>) => props.set(event.currentTarget.value)}
      >
        {props.children}
      </select>
    </span>
  )
}
