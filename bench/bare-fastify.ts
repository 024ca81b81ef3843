/** One limit of the machine: a Fastify process whose POST validates an order's body and stores nothing. */
import { NewOrder } from '@checkout/contracts/http.ts'
import fastify from 'fastify'

const app = fastify({ logger: false })
app.post('/orders', { schema: { body: NewOrder } }, async (_request, reply) =>
  reply.code(201).send({ id: '019a2f4e-7c1b-7d3a-9b52-0d4f6c8e1a2b', status: 'pending' }),
)
await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
process.on('disconnect', () => process.exit())
