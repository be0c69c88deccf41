import path from 'node:path'
import type { App } from '../app.ts'
import { ConfigError } from '../core/errors.ts'
import { isRemote } from '../core/node.ts'
import type { RemoteNode } from '../core/node.ts'
import { renderSetup, sayNext } from '../core/render-setup.ts'
import { selectNode } from '../core/selection.ts'
import { isSetUp } from '../core/setup.ts'
import type { SetupSeen } from '../core/setup.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import type { Progress } from '../progress.ts'
import type { PlannedSetup } from '../setup.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { loginFor, loginOptions } from './login.ts'
import { withApp } from './session.ts'
import { writeJson } from './write-json.ts'

export const command: Command = {
  help: `certs nodes setup NODE — a login on a node that can do nothing but what certs needs

Prints what it takes: a user without a password, the node program and its settings as root's
files, an authorized_keys line with restrict and a forced command, and one line for sudo.
With --apply it logs in as configured today (root, or with sudo), shows what is missing, asks,
puts it there, and proves by the new login that it inspects and gets no shell and no forwarding.

That key can then inspect, audit, install and roll back below paths.root, with the test
and reload of the services configured now. Run it again after changing one of these, and after an update of
certs when certs plan says so: as somebody who may, with --login.

Options
  --key FILE           a public key to let in, may be repeated: these and no others
                       (default: the one of the configured identity)
  --user NAME          the user (default certs)
  --forward            allow what is reached through the node: endpoints via ssh, nodes behind it
  --apply              do it; without this nothing is changed and no node is asked
  --yes                do it without a question
  --login USER         who logs in to do it; others than root get sudo (default: as configured)
  --login-identity FILE  the private key for that, or agent (default: as configured)
  --script             print it as shell text, to be run on the node as root
${commonHelp}
Examples
  ssh-keygen -t ed25519 -f ~/.ssh/certs -N ''
  certs nodes setup sally --key ~/.ssh/certs.pub
  certs nodes setup sally --key ~/.ssh/certs.pub --apply
  certs nodes setup sally --apply --login root --login-identity agent
`,
  options: {
    key: { type: 'string', multiple: true },
    user: { type: 'string' },
    forward: { type: 'boolean' },
    apply: { type: 'boolean' },
    yes: { type: 'boolean' },
    ...loginOptions,
    script: { type: 'boolean' },
  },
  operands: ['NODE'],
  async run(invocation, io) {
    const [name = ''] = invocation.operands
    const user = chooseUser(invocation)
    const asks = invocation.flag('apply') && mustAsk(`certs nodes setup ${name} --apply`, invocation, io)
    return withApp(invocation, io, async (app, progress) => {
      const node = selectNode(app.settings.nodes, name)
      if (!isRemote(node)) {
        io.stdout.write(`Nothing to do: ${name} is this machine, and nobody logs in.\n`)
        return exitCode.done
      }
      const { planSetup } = await import('../setup.ts')
      const keyFiles = (invocation.values('key') ?? []).map((file) => path.resolve(io.cwd, file))
      const planned = await planSetup(app, { node, user, keyFiles, forward: invocation.flag('forward') })
      if (!invocation.flag('apply')) return print(planned, invocation, io)
      return apply(app, { node, planned, asks, progress }, invocation)
    })
  },
}

function chooseUser(invocation: Invocation): string {
  if (invocation.flag('apply') && invocation.flag('script'))
    throw new ConfigError('certs nodes setup: --apply and --script exclude each other')
  const user = invocation.value('user') ?? 'certs'
  if (/^[a-z_][a-z0-9_-]{0,30}$/.test(user) && user !== 'root') return user
  throw new ConfigError(`certs nodes setup: "${user}" is no name for a user of its own`, {
    hint: 'small letters, digits, dashes and underscores, as certs',
  })
}

async function print(planned: PlannedSetup, invocation: Invocation, io: Io): Promise<number> {
  const { setup, node } = planned
  if (invocation.flag('script')) {
    const { setupScript } = await import('../../deploy/setup.ts')
    io.stdout.write(setupScript(setup))
  } else if (invocation.flag('json')) {
    writeJson(io, { ...setup, outcome: 'printed' })
  } else {
    io.stdout.write(
      `${renderSetup(setup, undefined, choosePaint(io, io.stdout))}\n` +
        `Nothing was changed, and no node was asked. To do it: ${io.commandLine} --apply\n` +
        `By hand instead: ${io.commandLine} --script | ssh -p ${node.ssh.port} root@${node.ssh.address} sh\n`,
    )
  }
  return exitCode.done
}

interface Application {
  readonly node: RemoteNode
  readonly planned: PlannedSetup
  readonly asks: boolean
  readonly progress: Progress
}

async function apply(
  app: App,
  { node, planned, asks, progress }: Application,
  invocation: Invocation,
): Promise<number> {
  const { io } = app
  const { setup } = planned
  const { seeSetup, putSetup, tryLogin, isSameKey } = await import('../setup.ts')
  const as = loginFor(node, invocation, io)
  refuseItself(as, setup.user, io)
  await using _lock = await app.lock()
  const seen = await seeSetup(app, as, planned)
  const changes = !isSetUp(seen)
  progress.clear()
  if (changes) {
    if (!invocation.flag('json')) show(planned, seen, io)
    if (asks && !(await confirm('Do this?', io))) {
      io.stdout.write('Nothing was changed.\n')
      return exitCode.failed
    }
    await putSetup(app, as, planned)
  }
  const proved = await tryLogin(app, planned)
  const sameKey = await isSameKey(as, planned)
  progress.clear()
  const login = { user: setup.user, identity: planned.identity }
  const next = sayNext({ login, configured: node, as, sameKey })
  const outcome = changes ? 'changed' : 'unchanged'
  if (invocation.flag('json')) writeJson(io, { ...setup, seen, outcome, proved, next })
  else io.stdout.write(`${sayOutcome(planned, changes, proved)}\n${next.map((line) => `${line}\n`).join('')}`)
  return exitCode.done
}

function show(planned: PlannedSetup, seen: SetupSeen, io: Io): void {
  io.stdout.write(`${renderSetup(planned.setup, seen, choosePaint(io, io.stdout))}\n`)
}

/** What it sets up may not change itself. */
function refuseItself(as: RemoteNode, user: string, { commandLine }: Io): void {
  if (as.ssh.user !== user) return
  throw new ConfigError(`certs nodes setup: ${as.name} is logged in to as ${user}, who may not change this`, {
    hint: [
      'name somebody who may, and the key that lets them in:',
      `${commandLine} --login root --login-identity agent`,
    ],
  })
}

function sayOutcome({ node, setup, forwards }: PlannedSetup, changes: boolean, proved: boolean): string {
  const done = changes ? `${node.name}: done.` : `${node.name}: nothing to do, all is in place.`
  if (!proved) return `${done} Not proved: the private key of ${setup.user} is not here.`
  const but = forwards ? 'gets no shell' : 'gets neither a shell nor forwarding'
  return `${done} Proved by login: ${setup.user} inspects by the installed program, and ${but}.`
}
