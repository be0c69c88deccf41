import { newToken } from '../../deploy/node/frame.ts'
import { programPrefix, setupPrefix, type Program } from '../../deploy/node/program.ts'

/** One place in what a node is sent, to be filled with a hostile text. A new setting of an order needs an entry here. */
export interface Field {
  readonly name: string
  readonly program: Program | 'setup'
  readonly verb: string
  /** The setting's value, with the text in it; the text alone when left out. */
  readonly value?: (text: string) => string
  /** The setting may come many times in one order: that many texts go with one call. */
  readonly together?: number
  /** It takes the place of a line of the input itself, not of the order in it. */
  readonly line?: true
}

const looking = { program: 'inspect', verb: 'inspect' } as const
const changing = { program: 'rollout', verb: 'install' } as const
/** With a person's yes to a layout. */
const mending = { program: 'adopting', verb: 'install' } as const
const pruning = { program: 'housekeeping', verb: 'prune' } as const
const adopting = { program: 'housekeeping', verb: 'adopt' } as const

export const live = 'www.example.com'

export const fields: readonly Field[] = [
  { name: 'root', ...looking, value: (text) => `/${text}` },
  { name: 'certificate', ...looking },
  { name: 'certificate', ...changing },
  { name: 'service', ...changing },
  { name: 'number', ...changing },
  { name: 'force', ...changing },
  { name: 'limit', ...changing },
  { name: 'from', program: 'audit', verb: 'audit' },
  { name: 'sum', ...changing, value: (text) => `privkey ${text}` },
  { name: 'sum', ...changing, value: (text) => `combined ${text}` },
  { name: 'combined', ...changing },
  { name: 'test', ...looking, value: (text) => `nginx ${text}`, together: 100 },
  { name: 'reload', ...looking, value: (text) => `nginx ${text}`, together: 100 },
  { name: 'folder', program: 'audit', verb: 'audit', value: (text) => `/${text}`, together: 100 },
  { name: 'name', ...looking },
  { name: 'adopt', ...mending },
  { name: 'adopt', ...mending, value: (text) => `keep ${text}` },
  { name: 'adopt', ...mending, value: (text) => `mode archive/${live}/${text}` },
  { name: 'adopt', ...mending, value: (text) => `read privkey ${text} /${text}` },
  { name: 'adopt', ...mending, value: (text) => `back privkey .before-certs${text} /${text}` },
  { name: 'shelve', ...adopting, value: (text) => `${'0'.repeat(64)} ${text}` },
  { name: 'shelve', ...adopting, value: (text) => `${text} ${text}.conf` },
  { name: 'unshelve', ...adopting, value: (text) => `${'0'.repeat(64)} ${text}.conf.off` },
  { name: 'stop', ...adopting },
  { name: 'start', ...adopting, value: (text) => `${text}.timer` },
  { name: 'item', ...pruning, value: (text) => `1 path /${text}`, together: 100 },
  { name: 'item', ...pruning, value: (text) => `1 lineage ${text}` },
  { name: 'item', program: 'housekeeping', verb: 'weigh', value: (text) => `1 version ${text} 1` },
  { name: 'item', program: 'housekeeping', verb: 'weigh', value: (text) => text },
  { name: 'expect', ...pruning, value: (text) => `1 ${text}`, together: 100 },
  { name: 'backup', ...pruning },
  { name: 'backup', program: 'housekeeping', verb: 'restore' },
  { name: 'backup', program: 'housekeeping', verb: 'forget' },
  { name: 'nonsense', ...changing },
  { name: 'token', ...changing, line: true },
  { name: 'verb', ...changing, line: true },
  { name: 'privkey', ...changing, line: true },
  { name: 'user', program: 'setup', verb: 'look' },
]

/** `install certificate`. */
export function sayField({ name, verb, value }: Field): string {
  const shape = value ? ` as ${value('…').slice(-20)}` : ''
  return `${verb} ${name}${shape}`
}

/** What the other settings are: version 1, which is live there already. */
const settings: Readonly<Record<string, string>> = {
  root: '/srv/root',
  certificate: live,
  service: 'nginx',
  number: '1',
  force: 'no',
  limit: '5',
  combined: 'no',
  backup: 'one',
}

/** Functions of the program, then calls of it in a row, each in a shell of its own. All fields are of one program. */
export function inputOf(all: readonly Field[], texts: readonly string[]): string {
  const program = all[0]?.program ?? 'rollout'
  const prefix = program === 'setup' ? setupPrefix() : programPrefix(program)
  return [prefix, ...all.flatMap((field) => callsOf(field, texts))].join('\n')
}

/** One text that breaks its line makes a whole order void, so it goes alone. */
function callsOf(field: Field, texts: readonly string[]): string[] {
  const { together = 1 } = field
  const [alone, others] = [texts.filter((text) => !isOneLine(text)), texts.filter(isOneLine)]
  return [...groups(alone, 1), ...groups(others, together)].map((group) => call(field, group))
}

// oxlint-disable-next-line no-control-regex
export const isOneLine = (text: string): boolean => !/[\0\n\r]/.test(text)

function call(field: Field, texts: readonly string[]): string {
  const { name, verb, value = (text) => text } = field
  const token = newToken()
  const main = field.program === 'setup' ? 'set_up' : 'main'
  const values = texts.map((text) => `${name} ${value(text)}\n`).join('')
  const others = Object.entries(settings).filter(([other]) => other !== name)
  const argv = ['test nginx nginx', 'reload nginx systemctl', 'reload nginx reload']
  const order = [...others.map((words) => words.join(' ')), ...argv].join('\n')
  const lines: Record<string, string> = {
    token,
    verb,
    order: base64(`${order}\n${field.line ? '' : values}`),
  }
  if (field.program === 'setup') lines[name] = base64(texts[0] ?? '')
  // A text with a line of its own could end the here-document: base64 is what keeps it out, so here it is kept out as well.
  if (field.line) lines[name] = (texts[0] ?? '').replaceAll(/[\n\0]/g, ' ')
  const body = Object.entries({ ...lines, end: token }).map((words) => `${words.join(' ')}\n`)
  return `(${main} <<'END_${token}'\n${body.join('')}END_${token}\n) 2>/dev/null\n`
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function groups<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  )
}
