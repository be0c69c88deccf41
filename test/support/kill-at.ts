import { subscribe } from 'node:diagnostics_channel'

/**
 * Loaded before the program by `node --import`: kills it, as nothing can be caught, at the moment it says the
 * event named in CERTS_TEST_KILL_AT: `order-created`, or `node-step:switched`.
 */
const [kind, step] = (process.env['CERTS_TEST_KILL_AT'] ?? '').split(':')

subscribe('certs:event', (message) => {
  const event = message as { kind: string; step?: string }
  if (event.kind === kind && (step === undefined || event.step === step)) process.kill(process.pid, 'SIGKILL')
})
