import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encode, newToken } from '../../deploy/node/frame.ts'
import { programPrefix, sealedProgram } from '../../deploy/node/program.ts'
import { createConnect } from '../../deploy/ssh.ts'
import { rewriteKnownHosts } from '../support/known-hosts-file.ts'
import { pinnedLines } from '../support/sealed-shell.ts'
import { startSlowLink } from '../support/slow-link.ts'
import { noSshd, startSshd } from '../support/sshd.ts'
import { nginxAlone } from '../support/nginx-alone.ts'
import { serviceSettings } from '../../deploy/node/service-settings.ts'

const { signal } = new AbortController()
// Long, so that what a busy machine adds stays below one.
const rttMs = 400

test.skipIf(noSshd)(
  'a login that takes orders only costs as many round trips as one with a shell',
  async () => {
    await import('ssh2')
    const [shell, sealed] = [await countTrips(false), await countTrips(true)]
    expect(sealed).toEqual(shell)
    expect(sealed.at(-1)).toBe(1)
  },
)

/** Of the login, its first run, and a run that was prepared. */
async function countTrips(sealed: boolean): Promise<number[]> {
  await using sshd = await startSshd()
  const target = { root: sshd.folder, services: nginxAlone({ test: ['true'], reload: ['true'] }) }
  if (sealed) {
    const [program, pinned] = [join(sshd.folder, 'sealed'), join(sshd.folder, 'pinned')]
    await writeFile(program, sealedProgram(pinned), { mode: 0o755 })
    await writeFile(pinned, pinnedLines(target))
    const key = await readFile(`${sshd.identity}.pub`, 'utf8')
    await writeFile(join(sshd.folder, 'authorized_keys'), `restrict,command="${program}" ${key}`)
  }
  await using link = await startSlowLink(sshd.port, { rttMs })
  const knownHosts = await rewriteKnownHosts(sshd, link.port)
  const order = () =>
    encode(
      { verb: 'inspect', settings: { root: target.root, ...serviceSettings(target.services) } },
      newToken(),
    )

  const times = [performance.now()]
  await using shell = await createConnect()(sshd.node({}, { port: link.port, knownHosts }), signal)
  times.push(performance.now())
  shell.prepare(programPrefix('inspect'))
  for (let run = 0; run < 2; run++) {
    const { stdout } = await shell.run(order())
    times.push(performance.now())
    expect(stdout).toMatch(/ end ok\n$/)
    expect(/ program [0-9a-f]{64}\n/.test(stdout)).toBe(sealed)
  }
  return times.slice(1).map((time, index) => Math.floor((time - times[index]!) / rttMs))
}
