import type { ProviderDescription, Setting } from '../../providers/provider.ts'
import { ConfigError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { table } from '../core/paint.ts'
import { exitCode } from './command.ts'
import type { Command } from './command.ts'
import { exampleOf } from './provider-example.ts'

export const command: Command = {
  help: `certs providers [NAME] — the DNS providers there are, and what each takes

Without a name, all of them. With one, its settings and an entry to paste into the
configuration. Reads no configuration and asks nobody.

Options
  --json             the same as JSON
  -h, --help         this text

Examples
  certs providers
  certs providers route53
`,
  options: {},
  operands: ['[NAME]'],
  async run(invocation, io) {
    const { providers } = await import('../app.ts')
    const [name] = invocation.operands
    const text = invocation.flag('json')
      ? `${JSON.stringify(name === undefined ? listed(providers) : shown(name, find(name, providers)), null, 2)}\n`
      : name === undefined
        ? renderAll(providers)
        : renderOne(name, find(name, providers))
    io.stdout.write(text)
    return exitCode.done
  },
}

type Providers = Readonly<Record<string, ProviderDescription>>

function find(name: string, providers: Providers): ProviderDescription {
  const found = providers[name]
  if (found) return found
  const close = nearest(name, Object.keys(providers))
  throw new ConfigError(`no DNS provider is called "${name}"`, {
    hint: close ? `did you mean "certs providers ${close}"?` : 'certs providers lists them',
  })
}

function listed(providers: Providers) {
  return Object.entries(providers).map(([name, description]) => shown(name, description))
}

function shown(name: string, { about, settings }: ProviderDescription) {
  return { name, about, settings, example: exampleOf(name, settings) }
}

function renderAll(providers: Providers): string {
  const rows = Object.entries(providers).map(([name, { about }]) => [name, about])
  return `${table(rows).join('\n')}\n\ncerts providers NAME shows what one takes, and an entry to paste.\n`
}

function renderOne(name: string, { about, settings }: ProviderDescription): string {
  const rows = settingRows(settings, '')
  const secrets = rows.some(([, type]) => type?.startsWith('secret'))
    ? "A secret is { env: 'NAME' }, { file: 'PATH' } or { command: ['PROGRAM', 'ARGUMENT'] }.\n\n"
    : ''
  const lines = table(rows).map((line) => `  ${line}`)
  return `${name}: ${about}\n\n${lines.join('\n')}\n\n${secrets}${exampleOf(name, settings)}`
}

/** Name, type and purpose of each setting; those of a group stand below it. */
function settingRows(settings: Readonly<Record<string, Setting>>, prefix: string): string[][] {
  return Object.entries(settings).flatMap(([key, setting]) => {
    const row = [prefix + key, `${typeOf(setting)}${setting.optional ? ', optional' : ''}`, setting.about]
    return setting.type === 'group' ? [row, ...settingRows(setting.settings, `${prefix}${key}.`)] : [row]
  })
}

function typeOf(setting: Setting): string {
  if (setting.type === 'strings') return 'list of strings'
  return setting.type !== 'group' && setting.choices ? setting.choices.join(' | ') : setting.type
}
