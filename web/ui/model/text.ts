/** What the model says: problems, fields' errors, toasts, times. The views' labels stand in labels.ts. */

/** One text; with plural forms it is chosen by the value `n`. `{name}` stands for the value `name`. */
export type Entry = string | Plural
export interface Plural {
  one?: string
  few?: string
  many?: string
  other: string
}

export const en = {
  'time.just_now': 'just now',
  'time.ms': '{n} ms',
  'time.s': '{n} s',
  'time.min': '{n} min',

  'problem.offline': 'You are offline. This works again as soon as there is a network.',
  'problem.no_answer': 'The shop does not answer. Please try again in a moment.',
  'problem.answer_unreadable':
    'The answer cannot be read. Please try again; perhaps the network asks you to log in first.',
  'problem.attempt_pending': 'Your request before this one has no answer yet. Repeat it or discard it first.',
  'problem.attempt_expired':
    'This request is more than a day old and had no answer. It is not sent again: please look whether it has arrived.',
  'problem.nothing_pending': 'This request has been answered meanwhile.',
  'problem.currency_unknown': 'Your account is still being opened. Please try again in a moment.',
  'problem.no_user': 'Please register or choose a user first.',
  'problem.letter_not_found': 'There is no such letter.',
  'problem.validation_failed': 'Some values are not right. Please look at the marked fields.',
  'problem.body_too_large': 'This text is too long. Please shorten it.',
  'problem.rate_limited': 'That was too much at once. Please wait a little and try again.',
  'problem.request_timeout': 'The request took too long. Please try again.',
  'problem.idempotency_key_reused': 'This request was sent before with other values. Please start it anew.',
  'problem.user_id_required': 'Please register or choose a user first.',
  'problem.user_id_invalid': 'A user id has 1 to 64 letters, digits, “_” or “-”.',
  'problem.user_exists': 'This id is taken. Choose another one, or enter as this user.',
  'problem.user_not_found': 'This user is not registered.',
  'problem.account_exists': 'You have an account already.',
  'problem.account_not_found': 'Your account is not open yet. Please try again in a moment.',
  'problem.order_not_found': 'You have no such order.',
  'problem.insufficient_funds': 'There is not enough money on your account. Top it up, or choose a smaller amount.',
  'problem.balance_limit': 'Your account cannot hold that much. Please choose a smaller amount.',
  'problem.origin_forbidden': 'This page may not talk to the shop. Please open the shop at its own address.',
  'problem.route_not_found': 'The shop does not know this request. Please reload the page: it may be out of date.',
  'problem.internal_error': 'Something went wrong on our side. Please try again.',
  'problem.store_unavailable':
    'The shop cannot save anything right now. Nothing was changed; please try again shortly.',
  'problem.outcome_unknown':
    'The shop does not know yet whether this was saved. Please try again; nothing will happen twice.',
  'problem.upstream_unavailable': 'This part of the shop is not running right now. Please try again in a moment.',
  'problem.upstream_timeout': 'The shop answers too slowly right now. Please try again; nothing will happen twice.',

  'field.required': 'Please fill this in.',
  'field.at_least': 'At least {n}, please.',
  'field.at_most': 'At most {n}, please.',
  'field.min_length': { one: 'At least {n} character, please.', other: 'At least {n} characters, please.' },
  'field.max_length': { one: 'At most {n} character, please.', other: 'At most {n} characters, please.' },
  'field.decimals': {
    one: 'At most {n} digit after the decimal point, please.',
    other: 'At most {n} digits after the decimal point, please.',
  },
  'field.whole': 'A whole number, please: this currency has no fractions.',
  'field.amount': 'Please enter an amount such as {n}.',
  'field.email': 'Please enter an e-mail address such as ada@example.com.',
  'field.one_line': 'This must fit on one line.',
  'field.user_id': 'Only letters (a–z), digits, “_” and “-”; at most 64 of them.',
  'field.taken': 'This id is taken. Choose another one, or enter as this user.',
  'field.not_registered': 'Nobody is registered under this id.',

  'toast.order': '“{what}”, {amount}',
  'toast.order_paid': 'Order paid',
  'toast.order_paid.text': 'The letter has the details.',
  'toast.order_failed': 'Order not paid',
  'toast.order_failed.text': 'Nothing was taken from your account.',
  'toast.order_failed.insufficient_funds': 'There was not enough money on your account. Nothing was taken.',
  'toast.order_failed.account_not_found': 'You had no account yet. Nothing was taken.',
  'toast.message': 'New letter',
  'toast.refused.order': 'Your order “{what}” was not placed',
  'toast.refused.deposit': 'Your top-up of {what} did not work',
  'toast.refused.withdrawal': 'Your withdrawal of {what} did not work',
} satisfies Record<string, Entry>

export const ru: Record<keyof typeof en, Entry> = {
  'time.just_now': 'только что',
  'time.ms': '{n} мс',
  'time.s': '{n} с',
  'time.min': '{n} мин',

  'problem.offline': 'Нет сети. Как только она появится, всё снова заработает.',
  'problem.no_answer': 'Магазин не отвечает. Попробуйте ещё раз чуть позже.',
  'problem.answer_unreadable': 'Не удалось прочитать ответ. Попробуйте ещё раз; возможно, сеть просит сначала войти.',
  'problem.attempt_pending': 'На ваш предыдущий запрос ещё нет ответа. Сначала повторите его или отмените.',
  'problem.attempt_expired':
    'Этому запросу больше суток, а ответа так и не было. Повторно он не отправлен: проверьте, не дошёл ли он.',
  'problem.nothing_pending': 'На этот запрос уже пришёл ответ.',
  'problem.currency_unknown': 'Ваш счёт ещё открывается. Попробуйте через мгновение.',
  'problem.no_user': 'Сначала зарегистрируйтесь или выберите пользователя.',
  'problem.letter_not_found': 'Такого письма нет.',
  'problem.validation_failed': 'Не всё заполнено верно. Посмотрите на отмеченные поля.',
  'problem.body_too_large': 'Текст слишком длинный. Сократите его, пожалуйста.',
  'problem.rate_limited': 'Слишком много запросов подряд. Подождите немного и попробуйте снова.',
  'problem.request_timeout': 'Запрос шёл слишком долго. Попробуйте ещё раз.',
  'problem.idempotency_key_reused': 'Этот запрос уже отправлялся с другими данными. Начните его заново.',
  'problem.user_id_required': 'Сначала зарегистрируйтесь или выберите пользователя.',
  'problem.user_id_invalid': 'В идентификаторе от 1 до 64 латинских букв, цифр, знаков «_» или «-».',
  'problem.user_exists': 'Этот идентификатор занят. Выберите другой или войдите под ним.',
  'problem.user_not_found': 'Такой пользователь не зарегистрирован.',
  'problem.account_exists': 'У вас уже есть счёт.',
  'problem.account_not_found': 'Ваш счёт ещё не открыт. Попробуйте через мгновение.',
  'problem.order_not_found': 'У вас нет такого заказа.',
  'problem.insufficient_funds': 'На счёте недостаточно денег. Пополните его или укажите меньшую сумму.',
  'problem.balance_limit': 'Столько на счёте не поместится. Укажите меньшую сумму.',
  'problem.origin_forbidden':
    'Этой странице нельзя обращаться к магазину. Откройте магазин по его собственному адресу.',
  'problem.route_not_found': 'Магазин не знает такого запроса. Обновите страницу: возможно, она устарела.',
  'problem.internal_error': 'У нас что-то сломалось. Попробуйте ещё раз.',
  'problem.store_unavailable': 'Магазин сейчас не может ничего сохранить. Ничего не изменилось; попробуйте чуть позже.',
  'problem.outcome_unknown':
    'Магазин пока не знает, сохранилось ли это. Попробуйте ещё раз: дважды ничего не случится.',
  'problem.upstream_unavailable': 'Эта часть магазина сейчас не работает. Попробуйте чуть позже.',
  'problem.upstream_timeout':
    'Магазин сейчас отвечает слишком медленно. Попробуйте ещё раз: дважды ничего не случится.',

  'field.required': 'Заполните это поле.',
  'field.at_least': 'Не меньше {n}.',
  'field.at_most': 'Не больше {n}.',
  'field.min_length': {
    one: 'Не меньше {n} символа.',
    few: 'Не меньше {n} символов.',
    many: 'Не меньше {n} символов.',
    other: 'Не меньше {n} символа.',
  },
  'field.max_length': {
    one: 'Не больше {n} символа.',
    few: 'Не больше {n} символов.',
    many: 'Не больше {n} символов.',
    other: 'Не больше {n} символа.',
  },
  'field.decimals': {
    one: 'Не больше {n} знака после запятой.',
    few: 'Не больше {n} знаков после запятой.',
    many: 'Не больше {n} знаков после запятой.',
    other: 'Не больше {n} знака после запятой.',
  },
  'field.whole': 'Введите целое число: у этой валюты нет дробной части.',
  'field.amount': 'Введите сумму, например {n}.',
  'field.email': 'Введите адрес почты, например ada@example.com.',
  'field.one_line': 'Здесь может быть только одна строка.',
  'field.user_id': 'Только латинские буквы, цифры, «_» и «-», не больше 64.',
  'field.taken': 'Этот идентификатор занят. Выберите другой или войдите под ним.',
  'field.not_registered': 'Под этим идентификатором никто не зарегистрирован.',

  'toast.order': '«{what}», {amount}',
  'toast.order_paid': 'Заказ оплачен',
  'toast.order_paid.text': 'Подробности в письме.',
  'toast.order_failed': 'Заказ не оплачен',
  'toast.order_failed.text': 'Деньги со счёта не списаны.',
  'toast.order_failed.insufficient_funds': 'На счёте не хватило денег. Ничего не списано.',
  'toast.order_failed.account_not_found': 'У вас ещё не было счёта. Ничего не списано.',
  'toast.message': 'Новое письмо',
  'toast.refused.order': 'Заказ «{what}» не оформлен',
  'toast.refused.deposit': 'Не удалось пополнить счёт на {what}',
  'toast.refused.withdrawal': 'Не удалось снять {what}',
}
