/** The vocabulary that events and HTTP bodies share, each value with its bounds. */
import { type TSchema, Type } from 'typebox'

/** The same values, with a description of what they are here. */
export const described = <T extends TSchema>(schema: T, description: string): T => ({ ...schema, description })

/** The most that one operation may move, in minor units. */
export const MAX_AMOUNT = 1_000_000_000_000

export const Amount = Type.Integer({
  minimum: 1,
  maximum: MAX_AMOUNT,
  description: 'Money in minor units (kopecks, cents): an integer from 1 to 1,000,000,000,000.',
  examples: [149_900],
})
export const Balance = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Money in minor units (kopecks, cents), never below zero.',
  examples: [350_100],
})
export const Currency = Type.String({
  pattern: '^[A-Z]{3}$',
  description: 'ISO 4217 code; one per deployment.',
  examples: ['RUB'],
})
export const Description = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'What is bought, 1–500 characters.',
  examples: ['Sun hat, straw'],
})
export const Email = Type.String({
  format: 'email',
  maxLength: 254,
  description: 'Where letters are mailed to, at most 254 characters. Not unique: users may share an address.',
  examples: ['ada@example.com'],
})
export const Name = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'How letters address the user, 1–100 characters.',
  examples: ['Ada Lovelace'],
})
export const USER_ID_PATTERN = '^[A-Za-z0-9_-]{1,64}$'
export const UserId = Type.String({
  pattern: USER_ID_PATTERN,
  description: 'Id of a user: 1–64 letters, digits, "_" or "-".',
  examples: ['ada'],
})
export const Uuid = Type.String({
  format: 'uuid',
  description: 'A UUID (version 7).',
  examples: ['01a202c0-f64b-7d3a-9b52-0d4f6c8e1a2b'],
})
export const Timestamp = Type.String({
  format: 'date-time',
  description: 'A time: RFC 3339, UTC, with milliseconds.',
  examples: ['2026-11-22T10:15:30.123Z'],
})

export const failureReasons = ['insufficient_funds', 'account_not_found'] as const
export type FailureReason = (typeof failureReasons)[number]
export const FailureReason = Type.Enum(failureReasons, { type: 'string', description: 'Why the payment was declined.' })
