import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../src/core/errors.ts'
import type { Environment } from './command.ts'
import { createHook, type HookSettings } from './hook.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface AcmeShSettings extends HookSettings {
  /** Where acme.sh is installed: the folder with acme.sh and dnsapi/ in it. */
  readonly home: string
  /** A script of its dnsapi folder: `dns_inwx`. */
  readonly script: string
}

const bridge = fileURLToPath(new URL('./acme.sh-bridge.sh', import.meta.url))

/**
 * A dnsapi script of an acme.sh installation, called as acme.sh does: `dns_xx_add FULLDOMAIN VALUE`, later
 * `dns_xx_rm` (https://github.com/acmesh-official/acme.sh/wiki/DNS-API-Dev-Guide). Credentials come from the
 * variables named in `env`; what acme.sh would save of them in its own files is not saved.
 */
export function acmeSh(settings: AcmeShSettings, environment: Environment = process.env): Provider {
  const { home, script } = settings
  if (!isAbsolute(home)) throw new ConfigError(`home of acme.sh is no absolute path: ${home}`)
  if (!/^dns_\w+$/.test(script)) {
    throw new ConfigError(`script of acme.sh is no name of a dnsapi script: ${JSON.stringify(script)}`, {
      hint: `name one without its ending, as dns_inwx: ls ${home}/dnsapi`,
    })
  }
  const hook = createHook(settings, environment)

  async function call(verb: 'add' | 'rm', { name, value }: TxtRecord, signal: AbortSignal): Promise<void> {
    await mustExist(join(home, 'acme.sh'))
    await mustExist(join(home, 'dnsapi', `${script}.sh`))
    const folder = await mkdtemp(join(tmpdir(), 'certs-acme.sh-'))
    try {
      await hook.run(['bash', bridge, home, script, verb, name, value], {
        signal,
        variables: { TMPDIR: folder },
        title: `${script}_${verb} ${name}`,
        byHand: `TMPDIR=$(mktemp -d) bash ${bridge} ${home} ${script} ${verb} ${name} test`,
      })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  return {
    async holdsZone(zone) {
      await mustExist(join(home, 'dnsapi', `${script}.sh`))
      return hook.holdsZone(zone)
    },
    create: (record, signal) => call('add', record, signal),
    remove: (record, signal) => call('rm', record, signal),
  }
}

async function mustExist(file: string): Promise<void> {
  await access(file).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(`reading ${file} of acme.sh failed: ${cause.code}`, {
      hint: 'let home be the folder that acme.sh is installed in, as /root/.acme.sh',
    })
  })
}
