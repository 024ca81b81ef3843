// Shows each request and its response: in the Postman console, and in the output of newman without any flag.
const headersToShow = [
  ...['X-User-Id', 'Content-Type', 'Idempotency-Key', 'If-None-Match', 'Origin'],
  ...['Location', 'ETag', 'Idempotency-Replayed', 'Retry-After'],
]
const shownHeaders = (headers) =>
  Object.fromEntries(headersToShow.filter((name) => headers.has(name)).map((name) => [name, headers.get(name)]))
const shownBody = (text = '') => {
  try {
    if (text.length <= 3000) return JSON.parse(text)
  } catch {}
  return text.length <= 200 ? text : `${text.slice(0, 200)} … (${text.length} characters)`
}
console.log('request', {
  [pm.request.method]: pm.request.url.toString(),
  headers: shownHeaders(pm.request.headers),
  ...(pm.request.body && { body: shownBody(pm.request.body.raw) }),
})
if (pm.response.code) {
  console.log('response', {
    [pm.response.code]: pm.response.reason(),
    headers: shownHeaders(pm.response.headers),
    ...(pm.response.text() && { body: shownBody(pm.response.text()) }),
  })
}

// What is true of every answer; each request tests what is its own. An ingress controller's 404 is not the system's: only
// requests for what it does not publish take it.
const fromIngress = pm.response.code === 404 && !/json/.test(pm.response.headers.get('Content-Type') || '')
if (!fromIngress) pm.test('it names the request', () => pm.response.to.have.header('X-Request-Id'))
if (pm.response.code >= 400 && !fromIngress) {
  pm.test('it is a problem document (RFC 9457)', () => {
    pm.expect(pm.response.headers.get('Content-Type')).to.eql('application/problem+json')
    const problem = pm.response.json()
    pm.expect(problem).to.include.all.keys('type', 'title', 'detail', 'code')
    const requestId = pm.response.headers.get('X-Request-Id')
    pm.expect(problem).to.include({ status: pm.response.code, requestId })
  })
}
