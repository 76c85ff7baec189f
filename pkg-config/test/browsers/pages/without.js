// Takes away what the address says that the browser does not have, before anything else is loaded.

/** Something global, or of something global. */
function lookUp(name) {
  return name.split('.').reduce((value, part) => value?.[part], globalThis)
}

for (const name of new URLSearchParams(location.search).get('without')?.split(',') ?? []) {
  const parts = name.split('.')
  const last = parts.pop()
  for (let owner = lookUp(parts.join('.') || 'globalThis'); owner; owner = Object.getPrototypeOf(owner)) delete owner[last]
}
