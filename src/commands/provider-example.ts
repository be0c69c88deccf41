import type { Setting } from '../../providers/provider.ts'

/** An entry of `dns` that loads as it is; what may be left out stands there as a comment. */
export function exampleOf(provider: string, settings: Readonly<Record<string, Setting>>): string {
  const lines = [`provider: ${literal(provider)},`, ...linesOf(settings, provider)]
  return `dns: {\n  ${key(provider)}: {\n${lines.map((line) => `    ${line}`).join('\n')}\n  },\n},\n`
}

function linesOf(settings: Readonly<Record<string, Setting>>, prefix: string): string[] {
  return Object.entries(settings).flatMap(([name, setting]) => {
    const lines = settingLines(name, setting, prefix)
    return setting.optional ? lines.map((line) => `// ${line}`) : lines
  })
}

function settingLines(name: string, setting: Setting, prefix: string): string[] {
  if (setting.type === 'group') {
    const inner = linesOf(setting.settings, `${prefix}_${name}`)
    return [`${key(name)}: {`, ...inner.map((line) => `  ${line}`), '},']
  }
  if (setting.type === 'secret') return [`${key(name)}: { env: ${literal(variable(`${prefix}_${name}`))} },`]
  return [`${key(name)}: ${literal(setting.example ?? setting.choices?.[0] ?? '…')},`]
}

function key(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : literal(name)
}

function literal(value: string | number | readonly string[]): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return `'${value.replaceAll(/['\\]/g, String.raw`\$&`)}'`
  return `[${value.map(literal).join(', ')}]`
}

/** `route53` and `secretAccessKey` give ROUTE53_SECRET_ACCESS_KEY. */
function variable(words: string): string {
  return words
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/\W/g, '_')
    .toUpperCase()
}
