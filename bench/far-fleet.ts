import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { site, startIncident } from '../test/lab/incident.ts'
import type { Incident } from '../test/lab/incident.ts'
import { startDelayProxy } from '../test/support/delay-proxy.ts'
import { runLine } from './measure.ts'

const live = `/etc/letsencrypt/live/${site}`
const archive = `/etc/letsencrypt/archive/${site}`
const kinds = ['privkey', 'cert', 'chain', 'fullchain']

/** The four CDN nodes of the incident as they look from `rttMs` away, with an issued version in the store. */
export interface FarFleet extends AsyncDisposable {
  /** `certs rollout` in the program built, with this `rollout` setting; undefined is the default. */
  certs(args: readonly string[], rollout?: object): Promise<void>
  /** One OpenSSH command for each step of the incident, for one node; a fresh connection each. */
  readonly byHand: readonly (() => Promise<void>)[]
  /** `ssh node true` to the first node. */
  sshTrue(): Promise<void>
  /** Every node as it was that night: live at version 2, nothing newer in archive, and served so. */
  backToThatNight(): Promise<void>
}

export async function openFarFleet(program: string, rttMs: number): Promise<FarFleet> {
  await using stack = new AsyncDisposableStack()
  const incident = stack.use(await startIncident())
  const nodes = await Promise.all(
    incident.cdn.map(async ({ name, address }) => {
      const [ssh, tls] = await Promise.all(
        [22, 443].map(async (port) => stack.use(await startDelayProxy({ host: address, port }, { rttMs }))),
      )
      if (!ssh || !tls) throw new Error('no proxy')
      return { name, address, ssh, tls }
    }),
  )
  await trustProxies(incident, nodes)
  // Issued and stored near by; what is measured starts from here.
  const issued = await incident.certs(`rollout ${site}`)
  if (issued.exitCode !== 0) throw new Error(`the first rollout failed:\n${issued.stdout}${issued.stderr}`)

  const number = await newest(incident)
  const files = kinds.map((kind) => join(incident.state, 'archive', site, `${kind}${number}.pem`))
  const options = [
    '-F',
    'none',
    '-i',
    incident.lab.identity,
    '-o',
    `UserKnownHostsFile=${incident.lab.knownHosts}`,
  ]
  const login = [...options, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes']
  const ssh = (port: number, line: string) =>
    runLine(['ssh', ...login, '-p', `${port}`, 'root@127.0.0.1', line])
  const links = kinds.map((kind) => `ln -s ../../archive/${site}/${kind}${number}.pem ${kind}.pem`)
  const byHand = nodes.map((node) => async () => {
    await runLine([
      'scp',
      '-O',
      '-q',
      ...login,
      '-P',
      `${node.ssh.port}`,
      ...files,
      `root@127.0.0.1:${archive}/`,
    ])
    await ssh(
      node.ssh.port,
      `cd ${live} && rm -f ${kinds.map((kind) => `${kind}.pem`).join(' ')} && ${links.join(' && ')}`,
    )
    await ssh(node.ssh.port, 'nginx -t')
    await ssh(node.ssh.port, 'systemctl reload nginx')
  })

  const configs = new Map<string, string>()
  const configFor = async (rollout: object | undefined) => {
    const key = JSON.stringify(rollout ?? null)
    const known = configs.get(key)
    if (known) return known
    const { rollout: _near, ...near } = incident.config
    const far = nodes.map(({ name, ssh: { port }, tls }) => {
      const endpoints = [{ address: '127.0.0.1', port: tls.port }]
      return [name, { address: '127.0.0.1', port, groups: ['cdn'], endpoints }]
    })
    const config = { ...near, nodes: Object.fromEntries(far), ...(rollout ? { rollout } : {}) }
    const file = await incident.writeConfig(`far-${configs.size}.config.ts`, config)
    configs.set(key, file)
    return file
  }

  const [first] = nodes
  const started = stack.move()
  return {
    byHand,
    sshTrue: () => ssh(first?.ssh.port ?? 0, 'true'),
    async certs(args, rollout) {
      const env = {
        PATH: process.env['PATH'],
        HOME: incident.lab.folder,
        CERTS_CONFIG: await configFor(rollout),
      }
      await runLine([process.execPath, program, ...args], env)
    },
    async backToThatNight() {
      const relink = kinds.map((kind) => `ln -sfn ../../archive/${site}/${kind}2.pem ${live}/${kind}.pem`)
      const newer = `rm -f ${archive}/*[!12].pem`
      await Promise.all(
        incident.cdn.map((host) =>
          host.exec([newer, ...relink, 'systemctl reload nginx', 'sleep 0.2'].join('; ')),
        ),
      )
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Proxied {
  readonly address: string
  readonly ssh: { readonly port: number }
}

/** The proxies' ports have the host keys of the nodes behind them. */
async function trustProxies({ lab }: Incident, nodes: readonly Proxied[]): Promise<void> {
  const known = (await readFile(lab.knownHosts, 'utf8')).split('\n')
  for (const { address, ssh } of nodes) {
    const line = known.find((one) => one.startsWith(`${address},`))
    await appendFile(lab.knownHosts, `[127.0.0.1]:${ssh.port} ${line?.split(' ').slice(1).join(' ')}\n`)
  }
}

async function newest({ state }: Incident): Promise<number> {
  const { openFiles } = await import('../src/state/files.ts')
  await using store = await openFiles(state)
  return (await store.listVersions(site)).at(-1) ?? 0
}
