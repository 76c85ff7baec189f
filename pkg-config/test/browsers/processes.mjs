// Processes of browsers.

/** Ends a process that leads a group at once, with all of that. */
export function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
