import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { styleText } from 'node:util'
import { get } from './https-get.ts'
import { cli, site, startIncident, type Incident } from './incident.ts'
import { absentPackages, installingMissing, installPackages, labPrograms } from './packages.ts'

const url = `https://${site}/health.png`
const began = performance.now()
const interruption = new AbortController()

process.exitCode = await main()

async function main(): Promise<number> {
  const absent = await absentPackages(labPrograms)
  const missing = process.getuid?.() === 0 && absent.length === 0 ? undefined : await installingMissing()
  if (missing) {
    process.stderr.write(`certs demo: it boots real hosts on this machine, so it needs ${missing}\n`)
    return 1
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interruption.abort(signal))
  }
  try {
    await tell(absent)
    return 0
  } catch (error) {
    if (interruption.signal.aborted) say(`\nStopped by ${String(interruption.signal.reason)}.`)
    else process.stderr.write(`\ncerts demo: ${error instanceof Error ? error.message : String(error)}\n`)
    return interruption.signal.aborted ? 130 : 1
  } finally {
    say(dim(`The whole took ${seconds(began)}.`))
  }
}

async function tell(absent: readonly string[]): Promise<void> {
  heading('The stage')
  if (absent.length > 0) {
    await step(`install ${absent.join(', ')} (apt; services stay off)`, () => installPackages(absent))
  }
  const incident = await step(
    'boot five Debian hosts (systemd, sshd, nginx), a name server (bind9) and a CA (pebble)',
    () => startIncident(),
  )
  try {
    await theNight(incident)
    await theWayOut(incident)
    await theMorning(incident)
  } finally {
    say('')
    await step('take hosts, network, name server, CA and files away', async () =>
      incident[Symbol.asyncDispose](),
    )
  }
}

async function theNight({ cdn, core, expiredAt, oldRoot }: Incident): Promise<void> {
  const hours = Math.floor((Date.now() - expiredAt.getTime()) / 3_600_000)
  heading(`${expiredAt.toISOString().slice(0, 16).replace('T', ' ')} UTC: ${site} has expired, everywhere`)
  say(`${url}, as a user ${hours === 0 ? 'just now' : `${hours} h later`} sees it through each node:`)
  for (const { name, address } of cdn) {
    const reason = await get(url, { address, roots: oldRoot }).then(
      ({ status }) => `${status}`,
      (error: Error) => error.message,
    )
    if (!reason.includes('expired')) throw new Error(`${name} should serve an expired certificate: ${reason}`)
    say(`  ${red('✗')} ${name.padEnd(16)} ${address.padEnd(14)} ${reason}`)
  }
  say(dim(`  The image is well, on ${core.name} (${core.address}), behind all of them.`))
}

async function theWayOut(incident: Incident): Promise<void> {
  heading('What would certs do?')
  await certs(incident, 'plan')
  heading('Do it')
  await certs(incident, `rollout ${site}`)
}

async function theMorning(incident: Incident): Promise<void> {
  const { cdn, pebble, picture } = incident
  heading('The same user, the same image')
  for (const { name, address } of cdn) {
    const { status, type, body, serial } = await get(url, { address, roots: pebble.roots() })
    if (status !== 200 || !body.equals(picture)) throw new Error(`${name} answered ${status} ${type}`)
    const proof = `${status} ${type}, ${body.length} bytes, serial ${serial.slice(0, 8)}…`
    say(`  ${green('✓')} ${name.padEnd(16)} ${address.padEnd(14)} ${proof}`)
  }
  say(dim('  Checked as a browser does: name, dates and chain up to the CA’s root.'))
  heading('Once more: is there anything left to do?')
  await certs(incident, `rollout ${site}`)
  heading('What was changed, where, and why')
  await certs(incident, 'history')
}

/** Runs the real program on this terminal. */
async function certs({ configFile, lab }: Incident, line: string): Promise<void> {
  interruption.signal.throwIfAborted()
  say(bold(`$ certs ${line}`))
  const since = performance.now()
  const child = spawn(process.execPath, [cli, ...line.split(' ')], {
    stdio: 'inherit',
    cwd: lab.folder,
    env: { ...process.env, CERTS_CONFIG: configFile, CERTS_STATE: undefined },
  })
  // Ctrl-C in the terminal reaches it by itself; it ends in its own good order, and then we do.
  const pass = (): void => void (interruption.signal.reason !== 'SIGINT' && child.kill('SIGTERM'))
  interruption.signal.addEventListener('abort', pass)
  const [code] = (await once(child, 'exit')) as [number | null]
  interruption.signal.removeEventListener('abort', pass)
  interruption.signal.throwIfAborted()
  say(dim(`exit code ${code}, ${seconds(since)}`))
  if (code !== 0) throw new Error(`certs ${line} ended with exit code ${code}`)
}

/** A line that says what is being done, and then how long it took. */
async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const since = performance.now()
  if (process.stdout.isTTY) process.stdout.write(`  ${what} …`)
  try {
    const result = await work()
    const line = `  ${what}${dim(`, ${seconds(since)}`)}`
    process.stdout.write(process.stdout.isTTY ? `\r\u001B[K${line}\n` : `${line}\n`)
    return result
  } catch (error) {
    if (process.stdout.isTTY) process.stdout.write('\n')
    throw error
  }
}

function heading(text: string): void {
  say(`\n${bold(text)}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}

function bold(text: string): string {
  return styleText('bold', text)
}

function dim(text: string): string {
  return styleText('dim', text)
}

function red(text: string): string {
  return styleText('red', text)
}

function green(text: string): string {
  return styleText('green', text)
}
