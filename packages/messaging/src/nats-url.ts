/** What the client's `connect` takes instead of a url, or several separated by commas, that carries `user:password@`. */
export function parseUrl(url: string): { servers: string[]; user?: string; pass?: string } {
  const urls = url.split(',').map((part) => new URL(part.includes('://') ? part : `nats://${part}`))
  const [first] = urls
  const servers = urls.map((u) => u.host)
  if (!first?.username) return { servers }
  return { servers, user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
}
