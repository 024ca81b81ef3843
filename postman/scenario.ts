/** Folder 1: placing orders, from registration to the letters; each of the eight steps asserted. */
import { answers, eventually } from './checks.ts'
import { type Folder, request } from './format.ts'

const paidIn = 500_000
const hat = { amount: 149_900, description: 'Sun hat, straw' }
const left = paidIn - hat.amount
const boat = { amount: left + 1, description: 'Inflatable boat' }

/** Asks until the letter about the order is there, with its address; it must be of this kind. */
const letterAbout = (order: string, kind: string, words: string) =>
  eventually(
    `body.items.some(({ orderId, to }) => orderId === pm.collectionVariables.get('${order}') && to !== null)`,
    `
      const letters = body.items.filter((letter) => letter.orderId === pm.collectionVariables.get('${order}'))
      pm.test('the order has one letter', () => pm.expect(letters).to.have.lengthOf(1))
      pm.test('of kind ${kind}, to the address of the user', () => {
        pm.expect(letters[0]).to.include({ kind: '${kind}', to: pm.collectionVariables.get('buyer') + '@example.com' })
      })
      pm.test('it says: ${words}', () => pm.expect(letters[0].body).to.include('${words}'))`,
  )

const placed = (order: string, { amount }: { amount: number }) =>
  answers(
    201,
    `
    pm.test('the order is taken, its payment pending', () => {
      pm.expect(body).to.include({ amount: ${amount}, status: 'pending', failureReason: null })
      pm.expect(pm.response.headers.get('Location')).to.eql('/orders/' + body.id)
    })
    pm.collectionVariables.set('${order}', body.id)`,
  )

const settled = (status: string, failureReason: string | null) =>
  eventually(
    `body.status !== 'pending'`,
    `
    pm.test('the order is ${status}', () => {
      pm.expect(body).to.include(${JSON.stringify({ status, failureReason })})
    })`,
  )

const balanceIs = (balance: number, what: string) =>
  `pm.test('${what}: ${balance}', () => pm.expect(body.balance).to.eql(${balance}))`

export const scenario: Folder = {
  name: '1. Scenario: orders, payments, letters',
  description: `The eight steps. What happens by itself (the account, the payment, the letter) is asked for until it is
there, for at most 30 seconds. Money is in minor units: 149900 is 1,499.00.`,
  item: [
    request('1. Create a user', 'POST /users', {
      as: 'buyer',
      body: { name: 'Ada Lovelace', email: '{{buyer}}@example.com' },
      test: answers(
        201,
        `
        pm.test('the user is registered', () => {
          const id = pm.collectionVariables.get('buyer')
          pm.expect(body).to.include({ id, name: 'Ada Lovelace', email: id + '@example.com' })
        })`,
      ),
    }),
    request('1. The account in billing opens by itself', 'GET /accounts/me', {
      as: 'buyer',
      test: eventually('pm.response.code === 200', balanceIs(0, 'there is an account, with nothing on it')),
    }),
    request('2. Put money on the account', 'POST /accounts/me/deposits', {
      as: 'buyer',
      body: { amount: paidIn },
      test: answers(
        201,
        `
        pm.test('the deposit is booked', () => {
          pm.expect(body).to.include({ kind: 'deposit', amount: ${paidIn}, balanceAfter: ${paidIn}, orderId: null })
        })`,
      ),
    }),
    request('3. Place an order that the money is enough for', 'POST /orders', {
      as: 'buyer',
      body: hat,
      test: placed('paidOrder', hat),
    }),
    request('3. Its payment succeeds', 'GET /orders/{id}', {
      as: 'buyer',
      path: '/orders/{{paidOrder}}',
      test: settled('paid', null),
    }),
    request('4. The money was taken', 'GET /accounts/me', {
      as: 'buyer',
      test: answers(200, balanceIs(left, `the balance is ${paidIn} - ${hat.amount}`)),
    }),
    request('5. The letter of joy was sent', 'GET /notifications', {
      as: 'buyer',
      test: letterAbout('paidOrder', 'order_paid', 'Good news'),
    }),
    request('6. Place an order that the money is not enough for', 'POST /orders', {
      as: 'buyer',
      body: boat,
      test: placed('failedOrder', boat),
    }),
    request('6. Its payment fails', 'GET /orders/{id}', {
      as: 'buyer',
      path: '/orders/{{failedOrder}}',
      test: settled('failed', 'insufficient_funds'),
    }),
    request('7. The money was not taken', 'GET /accounts/me', {
      as: 'buyer',
      test: answers(200, balanceIs(left, 'the balance is unchanged')),
    }),
    request('8. The letter of sorrow was sent', 'GET /notifications', {
      as: 'buyer',
      test: letterAbout('failedOrder', 'order_failed', 'We are sorry'),
    }),
  ],
}
