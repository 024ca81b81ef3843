/** Folder 2, the routes of payments-service: accounts. */
import { answers, badBodies, badPages, eventually, pages, refuses, strangers } from './checks.ts'
import { type Call, endpoint } from './format.ts'

const postAccounts = endpoint('POST /accounts', 'Open an account, where it has not opened by itself.', {
  '201 opened': {
    as: 'walkIn',
    test: answers(
      201,
      `
      pm.test('with nothing on it', () => pm.expect(body.balance).to.eql(0))
      pm.test('of the asking user', () => pm.expect(body.userId).to.eql(pm.collectionVariables.get('walkIn')))
      pm.test('Location', () => pm.expect(pm.response.headers.get('Location')).to.eql('/accounts/me'))`,
    ),
  },
  '409 account_exists': { as: 'walkIn', body: {}, test: refuses('account_exists') },
  ...badBodies({ balance: 1_000_000 }, '/balance'),
  ...strangers,
})

const getAccount = endpoint('GET /accounts/me', 'The balance.', {
  '200 opened by itself': {
    as: 'shopper',
    description: 'Sent again until the account is there: it opens within moments of the registration.',
    test: eventually(
      'pm.response.code === 200',
      `
      pm.test('of the asking user', () => pm.expect(body.userId).to.eql(pm.collectionVariables.get('shopper')))
      pm.test('with nothing on it', () => pm.expect(body.balance).to.eql(0))`,
    ),
  },
  '404 account_not_found': { as: 'stranger', test: refuses('account_not_found') },
  ...strangers,
})

/** Money in and money out: the same but for the sign. */
const movement = (kind: string, amount: number, balanceAfter: number): Readonly<Record<string, Call>> => ({
  '201 moved': {
    as: 'shopper',
    headers: { 'Idempotency-Key': `${kind}-1` },
    body: { amount },
    test: answers(
      201,
      `
      pm.test('booked', () => {
        pm.expect(body).to.include({ kind: '${kind}', amount: ${amount}, balanceAfter: ${balanceAfter} })
      })
      pm.test('not a replay', () => pm.response.to.not.have.header('Idempotency-Replayed'))
      pm.collectionVariables.set('movement', body.id)`,
    ),
  },
  '201 replayed, with the same Idempotency-Key': {
    as: 'shopper',
    headers: { 'Idempotency-Key': `${kind}-1` },
    body: { amount },
    test: answers(
      201,
      `
      pm.test('the same entry: no money moved', () => {
        pm.expect(body).to.include({ id: pm.collectionVariables.get('movement'), balanceAfter: ${balanceAfter} })
      })
      pm.test('a replay', () => pm.expect(pm.response.headers.get('Idempotency-Replayed')).to.eql('true'))`,
    ),
  },
  '422 idempotency_key_reused': {
    as: 'shopper',
    headers: { 'Idempotency-Key': `${kind}-1` },
    body: { amount: amount + 1 },
    test: refuses('idempotency_key_reused'),
  },
  '400 idempotency_key_invalid': {
    as: 'shopper',
    headers: { 'Idempotency-Key': '{{text256}}' },
    body: { amount },
    test: refuses('idempotency_key_invalid'),
  },
  '404 account_not_found': { as: 'stranger', body: { amount }, test: refuses('account_not_found') },
  ...badBodies({ amount: 0 }, '/amount'),
  ...strangers,
})

const deposited = 500_000
const withdrawn = 20_000

const postDeposits = endpoint('POST /accounts/me/deposits', 'Put money on the account.', {
  ...movement('deposit', deposited, deposited),
})

const postWithdrawals = endpoint('POST /accounts/me/withdrawals', 'Take money off the account.', {
  ...movement('withdrawal', withdrawn, deposited - withdrawn),
  '409 insufficient_funds': { as: 'shopper', body: { amount: deposited }, test: refuses('insufficient_funds') },
})

const getTransactions = endpoint('GET /accounts/me/transactions', 'The ledger, newest first, one page at a time.', {
  ...pages(
    `{ kind: 'withdrawal', amount: ${withdrawn}, balanceAfter: ${deposited - withdrawn} }`,
    `{ kind: 'deposit', amount: ${deposited}, balanceAfter: ${deposited} }`,
  ),
  '404 account_not_found': { as: 'stranger', test: refuses('account_not_found') },
  ...badPages,
  ...strangers,
})

export const accountRoutes = [postAccounts, getAccount, postDeposits, postWithdrawals, getTransactions]
