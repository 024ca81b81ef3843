// New users in every run, so that it can be repeated at will. Made when a run of either folder begins, because the
// Postman app keeps variables from run to run; and when there are none, because single requests can be sent too.
const beginnings = ['1. Create a user', '201 registered under the id sent']
if (beginnings.includes(pm.info.requestName) || !pm.collectionVariables.get('buyer')) {
  const run = pm.variables.replaceIn('{{$guid}}').slice(-12)
  for (const role of ['buyer', 'shopper', 'walkIn', 'stranger']) {
    pm.collectionVariables.set(role, `postman-${run}-${role}`)
  }
}

// For the requests that are too long: a body over 16 KiB, an Idempotency-Key of 256 characters.
pm.variables.set('text16KiB', 'x'.repeat(16 * 1024))
pm.variables.set('text256', 'x'.repeat(256))
