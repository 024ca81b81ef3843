/* global SwaggerUIBundle, SwaggerUIStandalonePreset */

/** The bar's logo is an SVG with a style element inside, which the Content-Security-Policy refuses. */
const withoutLogo = () => ({ components: { Logo: () => null } })

SwaggerUIBundle({
  dom_id: '#swagger-ui',
  urls: [
    { name: 'Orders', url: '/docs/orders/json' },
    { name: 'Payments', url: '/docs/payments/json' },
    { name: 'Notifications', url: '/docs/notifications/json' },
  ],
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset, withoutLogo],
  layout: 'StandaloneLayout',
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  // Otherwise the document would be sent to a validator on the internet.
  validatorUrl: null,
})
