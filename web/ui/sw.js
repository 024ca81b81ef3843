/**
 * The service worker: the app's shell without a network, and nothing else.
 *
 * The page itself is always asked from the network first, so that an update shows at the next load; its files have
 * their content's hash in the name, so a kept copy is never stale. Every other request (the API, /docs/) passes by
 * untouched. The build fills in the two constants.
 */
const VERSION = 'dev'
const SHELL = ['/']

const CACHE = `shell-${VERSION}`
/** How long the page may keep us waiting before the kept one is shown. */
const PAGE_WITHIN_MS = 4_000

self.addEventListener('install', (event) => {
  event.waitUntil(keepShell())
})

self.addEventListener('activate', (event) => {
  event.waitUntil(dropOldShells())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') {
    if (url.pathname === '/') event.respondWith(page(request))
  } else if (SHELL.includes(url.pathname) && url.pathname !== '/') {
    event.respondWith(file(request))
  }
})

async function keepShell() {
  const cache = await caches.open(CACHE)
  // The page past the HTTP cache: it must be of this version. The files' names tell theirs.
  await cache.addAll(SHELL.map((path) => (path === '/' ? new Request(path, { cache: 'reload' }) : path)))
  // Pages that are open have all their files already, so nothing of the old version is needed any more.
  await self.skipWaiting()
}

async function dropOldShells() {
  const names = await caches.keys()
  await Promise.all(
    names.filter((name) => name.startsWith('shell-') && name !== CACHE).map((name) => caches.delete(name)),
  )
  await self.clients.claim()
}

/** The page from the network; the kept one when there is no answer, none in time, or the server is in trouble. */
async function page(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PAGE_WITHIN_MS) })
    if (response.status < 500) return response
    return (await keptPage()) ?? response
  } catch (error) {
    const kept = await keptPage()
    if (kept) return kept
    throw error
  }
}

async function keptPage() {
  return (await caches.open(CACHE)).match('/')
}

async function file(request) {
  const kept = await (await caches.open(CACHE)).match(request, { ignoreVary: true })
  return kept ?? fetch(request)
}
