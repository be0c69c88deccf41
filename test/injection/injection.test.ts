import { describe, expect, test, vi } from 'vitest'
import { programText, programs } from '../../deploy/node/program.ts'
import { sha256 } from '../../src/core/certificate.ts'
import { skipUnless } from '../lab/machine.ts'
import { runCaged } from './cage.ts'
import { hostileCorpus } from './corpus.ts'
import { type Field, fields, inputOf, isOneLine, live, sayField } from './fields.ts'

const whole = process.env['CERTS_FAULTS'] === 'all'
vi.setConfig({ testTimeout: whole ? 3_600_000 : 120_000 })

const seed = 20_261_123
/** In the whole run each text goes through each field, on one of the shells in turn. */
const count = whole ? 10_000 : 48
const shells = {
  dash: ['dash', '-s'],
  bash: ['bash', '--posix', '-s'],
  busybox: ['busybox', 'sh', '-s'],
  // The login shell, which gets the constant command alone.
  fish: ['fish', '--no-config', '-c', '/bin/sh -s'],
}

const canary = '/srv/canary'
const texts = hostileCorpus(count, { seed, canary })

/** A node whose live is at version 1, and an nginx that says how many words it was called with, and their sum. */
const prepare = `
set -e
mkdir -p /srv/root/live/${live} /srv/root/archive/${live} /srv/root/renewal; chmod 755 /srv /srv/root
for kind in privkey cert chain fullchain; do
  echo $kind >/srv/root/archive/${live}/\${kind}1.pem
  ln -s ../../archive/${live}/\${kind}1.pem /srv/root/live/${live}/$kind.pem
done
echo renew >/srv/root/renewal/${live}.conf
for name in nginx systemctl; do rm -f /usr/sbin/$name /usr/bin/$name; done
printf '#!/bin/sh\\n' >/usr/bin/systemctl
cat >/usr/sbin/nginx <<'END'
#!/bin/sh
printf 'heard %s %s\\n' "$#" "$(printf '%s\\0' "$@" | sha256sum)" >&2
END
chmod 755 /usr/sbin/nginx /usr/bin/systemctl
mkdir -p /run/systemd/system; echo 1 >/run/nginx.pid
`

test('each setting that the program knows has its entry', () => {
  const understood = programs.map(
    (program) => /^understand\(\) \{[^]*?^}/m.exec(programText(program))?.[0] ?? '',
  )
  const known = understood.flatMap((text) => [...text.matchAll(/'([a-z]+) '/g)])
  const settings = new Set(known.map(([, name]) => name))
  expect(settings.size).toBeGreaterThan(8)
  expect([...settings].filter((name) => !fields.some((field) => field.name === name))).toEqual([])
})

describe.skipIf(await skipUnless('hosts'))(`${count} hostile texts of seed ${seed}`, () => {
  test('do what they say where a shell is given them as code', async () => {
    const quoted = texts.map((text) => `(eval '${text.replaceAll("'", `'\\''`).replaceAll('\0', '')}')\n`)
    const { written } = await runCaged(shells.dash, prepare, quoted.join(''))
    expect(written.join('\n')).toContain(canary.slice(1))
  })

  test('arrive as they are where they are words of a command', async () => {
    const field = fields.find(({ name }) => name === 'test')!
    const mine = texts.filter((text) => text !== '' && isOneLine(text)).slice(0, 100)
    const { said } = await runCaged(shells.dash, prepare, inputOf([field], mine))
    const sum = sha256(mine.map((text) => `${text}\0`).join(''))
    expect(said).toContain(` said heard ${mine.length} ${sum} `)
  })

  const inTurn = whole ? test.concurrent : test
  inTurn.for(Object.entries(shells))(
    'are data in every field on %s',
    async ([name, shell], { expect: expected }) => {
      const turn = Object.keys(shells).indexOf(name)
      const mine = texts.filter((_, index) => index % 4 === turn)
      let answers = 0
      for (const some of Map.groupBy(fields, ({ program }) => program).values()) {
        const ran = await runCaged(shell, prepare, inputOf(some, mine))
        answers += ran.answers
        if (outside(ran.written).length > 0) await accuse(some, mine, shell)
      }
      // Some are refused with a word, and most by silence.
      expected(answers).toBeGreaterThan(mine.length / 2)
      if (whole) console.log(`${name}: ${mine.length} texts in ${fields.length} fields, ${answers} answers`)
    },
  )
})

/** The folders of a version are its own: that it was there shows in their times. */
function outside(written: readonly string[]): string[] {
  return written.filter((line) => !/^[<>] \.\/srv\/root\/(live|archive) d /.test(line))
}

/** Which field it was. */
async function accuse(
  some: readonly Field[],
  mine: readonly string[],
  shell: readonly string[],
): Promise<void> {
  for (const field of some) {
    const { written } = await runCaged(shell, prepare, inputOf([field], mine))
    expect([sayField(field), outside(written)]).toEqual([sayField(field), []])
  }
  throw new Error('only together do they write anything')
}
