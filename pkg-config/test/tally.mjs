// A reporter for Node's test runner that says how many tests there were, in the words of `cargo test`, by which
// `cargo xtask test` adds them up.

export default async function* tally(events) {
  const counts = { passed: 0, failed: 0, ignored: 0 }
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue
    if (type === 'test:fail') counts.failed++
    else if (data.skip !== undefined || data.todo !== undefined) counts.ignored++
    else counts.passed++
  }
  const { passed, failed, ignored } = counts
  yield `\ntest result: ${failed > 0 ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; ${ignored} ignored\n`
}
