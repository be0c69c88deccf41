/** `npm run bench`: builds, measures, and prints Markdown on standard output; progress goes to standard error. */
import { join } from 'node:path'
import { hostsMissing } from '../test/lab/hosts.ts'
import { namedMissing } from '../test/lab/named.ts'
import { benchDueAtOnce } from './due-at-once.ts'
import { benchLargeFleet } from './large-fleet.ts'
import { machine, runLine } from './measure.ts'
import { benchNoneDue } from './none-due.ts'
import { benchRenew } from './renew.ts'
import { benchRollout } from './rollout.ts'
import { benchStartup } from './startup.ts'

const root = join(import.meta.dirname, '..')
const program = join(root, 'dist/certs.js')
const say = (line: string) => process.stderr.write(`bench: ${line}\n`)

say('building dist/')
await runLine([process.execPath, join(root, 'build.ts')])
const print = (part: string) => process.stdout.write(`${part}\n\n`)
print(`Measured by \`npm run bench\`: ${machine()}.`)

say('start-up, 40 rounds')
print(await benchStartup(program, 40))

say('ten thousand certificates of which none is due')
print(await benchRenew(program, { certificates: 10_000, rounds: 5 }))

say('five hundred scripted nodes of which a tenth fails, and OpenSSH beside; about three minutes')
for (const concurrency of [8, 50])
  print(await benchLargeFleet(program, { nodes: 500, concurrency, rounds: 3 }))

const noServers = await namedMissing()
if (noServers) {
  print(`Other clients were not measured: ${noServers}.`)
} else {
  say('lego and certbot, unpacked from Debian; two hundred certificates of which none is due')
  print(await benchNoneDue(program, { certificates: 200, rounds: 5 }))
  say('five hundred certificates due at once, and a few by lego and certbot; about three minutes')
  print(await benchDueAtOnce(program, { certificates: 500, theirs: 10 }))
}

const missing = await hostsMissing()
if (missing) {
  print(`The rollout was not measured: ${missing}.`)
} else {
  say('a fleet of real hosts, 80 ms away; about two minutes')
  print(await benchRollout(program, { rttMs: 80, rounds: 7 }))
}
