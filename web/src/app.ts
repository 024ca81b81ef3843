/** The web service: pages for people. Two plain ones, without script. */
import type { App } from '@checkout/service/app.ts'
import { buildHttp } from '@checkout/service/http.ts'
import type { Logger } from '@checkout/service/logging.ts'
import type { Registry } from 'prom-client'

/** Nothing may be loaded but the style below, and nobody may frame the pages. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const STYLE = `body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
h1 { line-height: 1.2 }
code { font-size: 0.95em }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6 } a { color: #8ab4f8 } }
`

const HOME = page(
  'Checkout',
  `<p>The checkout of an online shop: register, open an account, top it up, place an order. The money is debited
exactly once, in the background, and a letter tells how it went.</p>
<p><a href="/docs/">API documentation</a>, where each call can be tried out.</p>`,
)

const DOCS = page(
  'API documentation',
  `<p>Each service documents its own part. Click <em>Authorize</em> there and enter any user id, such as <code>ada</code>: it is sent as the header <code>X-User-Id</code>.</p>
<ul>
<li><a href="/docs/orders/">Orders</a>: users and orders</li>
<li><a href="/docs/payments/">Payments</a>: accounts, deposits, withdrawals, the ledger</li>
<li><a href="/docs/notifications/">Notifications</a>: letters</li>
</ul>
<p><a href="/">Back</a></p>`,
)

/** Builds the service; does not listen. */
export async function buildApp(deps: { logger: Logger; metrics: Registry }): Promise<App> {
  const app = await buildHttp(deps)
  const quiet = { config: { quiet: true } }
  // It owns no data and needs no broker, so it is ready as soon as it answers.
  app.get('/health/live', quiet, async () => ({ status: 'ok' }))
  app.get('/health/ready', quiet, async () => ({ status: 'ok' }))

  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('content-security-policy', CONTENT_SECURITY_POLICY).header('x-content-type-options', 'nosniff')
    done(null, payload)
  })
  app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(HOME))
  app.get('/docs/', (_request, reply) => reply.type('text/html; charset=utf-8').send(DOCS))
  app.get('/style.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLE))
  return app
}

function page(title: string, content: string) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`
}
