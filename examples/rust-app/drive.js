// What `cargo xtask test web` adds to the page: it waits for the jobs of the beginning, and sends the form once.
const done = document.getElementById('done')

const until = (count) =>
  new Promise((resolve) => {
    const look = () => done.children.length >= count && resolve()
    new MutationObserver(look).observe(done, { childList: true })
    look()
  })

await until(6)
document.getElementById('task').value = 'come <i>home</i>'
document.getElementById('form').requestSubmit()
await until(7)
document.body.dataset.driven = 'yes'
