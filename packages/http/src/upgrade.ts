/** Which requests may leave HTTP for a WebSocket. */
import type { IncomingMessage, Server } from 'node:http'

/**
 * Only WebSocket requests for `path` become 'upgrade' events of the server; all others are answered as if they had not
 * offered one, as RFC 9110, 7.8 allows. Clients may offer an upgrade anywhere: Java's sends `Upgrade: h2c` with each
 * request.
 */
export function upgradeOnly(server: Server, path: string): void {
  const shouldUpgradeCallback = ({ url = '', headers, method }: IncomingMessage): boolean => {
    const query = url.indexOf('?')
    const pathname = query === -1 ? url : url.slice(0, query)
    return method === 'GET' && pathname === path && headers.upgrade?.toLowerCase() === 'websocket'
  }
  Object.assign(server, { shouldUpgradeCallback })
}
