/** Folder 2, the routes of notifications-service: letters, and the WebSocket as far as plain HTTP sees it. */
import { answers, badBodies, badPages, eventually, pages, refuses, strangers } from './checks.ts'
import { endpoint } from './format.ts'

const message = { subject: 'About my order', body: 'Please wrap it as a gift.' }

const getNotifications = endpoint('GET /notifications', 'The letters to the user, newest first, one page at a time.', {
  '200 the letters about the orders': {
    as: 'shopper',
    description: 'Sent again until both are there: they are written within moments of the payments.',
    test: eventually(
      'body.items.length === 2 && body.items.every((letter) => letter.to !== null)',
      `
      pm.test('of joy and of sorrow', () => {
        pm.expect(body.items.map((letter) => letter.kind)).to.have.members(['order_paid', 'order_failed'])
      })`,
    ),
  },
  ...pages('{ seq: 2 }', '{ seq: 1 }'),
  ...badPages,
  ...strangers,
})

const postNotifications = endpoint('POST /notifications', 'Send the user a message, to the address registered.', {
  '201 sent': {
    as: 'shopper',
    body: message,
    test: answers(
      201,
      `
      pm.test('a letter to the user, the third', () => {
        const to = pm.collectionVariables.get('shopper') + '@example.com'
        pm.expect(body).to.include({ seq: 3, kind: 'message', orderId: null, to, subject: '${message.subject}' })
      })`,
    ),
  },
  ...badBodies({ ...message, subject: '' }, '/subject'),
  ...strangers,
})

const stream = endpoint(
  'GET /notifications/stream',
  `The WebSocket on which letters are pushed. Plain HTTP gets only its refusals. To connect: New, WebSocket,
ws://localhost:8080/notifications/stream?userId=ada&since=0`,
  {
    '426 upgrade_required': { as: 'shopper', test: refuses('upgrade_required') },
    '403 origin_forbidden': {
      as: 'shopper',
      headers: { Origin: 'https://elsewhere.example' },
      test: refuses('origin_forbidden'),
    },
    '400 user_id_invalid: two users': {
      as: 'shopper',
      query: 'userId={{stranger}}',
      test: refuses('user_id_invalid'),
    },
    '400 validation_failed': {
      as: 'shopper',
      query: 'since=-1',
      test: refuses('validation_failed', '/query/since'),
    },
    ...strangers,
  },
)

export const notificationRoutes = [getNotifications, postNotifications, stream]
