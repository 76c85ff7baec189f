// What `cargo xtask test web` adds to the page: it waits for the jobs of the beginning, sends the form once, and tells what
// the page shows then. When it is loaded again, everything is there, and nothing is to be done.
const done = document.getElementById('done')

const until = (count) =>
  new Promise((resolve) => {
    const look = () => done.children.length >= count && resolve()
    new MutationObserver(look).observe(done, { childList: true })
    look()
  })

if (location.search !== '?again') {
  await until(6)
  document.getElementById('task').value = 'come <i>home</i>'
  document.getElementById('form').requestSubmit()
}
await until(7)
await fetch('/told', { method: 'POST', body: document.documentElement.outerHTML })
