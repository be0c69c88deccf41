import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { sealedProgram, setupPrefix } from '../../deploy/node/program.ts'
import { lookAtSetup, setUp, setupScript } from '../../deploy/setup.ts'
import { makeSetup, pinnedPath, setupParts } from '../../src/core/setup.ts'
import { shells, snapshot } from '../support/fake-node.ts'
import { setupMachine } from '../support/setup-shell.ts'
import { makeNode, noSshd } from '../support/sshd.ts'
import { nginxAlone } from '../support/nginx-alone.ts'

const ssh = { address: '127.0.0.1', port: 22, user: 'root', identity: '/k', knownHosts: '/known' }
const node = makeNode({ ssh })
const setup = makeSetup(node, {
  user: 'certs',
  program: sealedProgram(pinnedPath),
  keys: ['ssh-ed25519 AAAA'],
  forward: [],
})
const asked = { node, setup }
const all = (state: string) => Object.fromEntries(setupParts.map((part) => [part, state]))

test('what is sent is plain POSIX sh to shellcheck', () => {
  // Its parts are those of the node program, of which it uses a few.
  const excluded = 'SC2317,SC2034'
  const checked = spawnSync(
    'shellcheck',
    ['-s', 'sh', '-S', 'warning', '-e', excluded, 'deploy/node/setup.sh'],
    {
      encoding: 'utf8',
    },
  )
  expect(checked.stdout + checked.stderr).toBe('')
  expect(setupPrefix()).toContain('set_up() {\n')
})

describe.skipIf(noSshd).for(shells)('on %s', (sh) => {
  test('looks without a trace, puts all in place once, and then leaves it alone', async () => {
    using machine = setupMachine()
    const before = snapshot(machine.path('etc'))
    const shell = machine.shell(sh)
    expect(await lookAtSetup(shell, asked)).toEqual({ account: 'missing', parts: all('missing') })
    expect(snapshot(machine.path('etc'))).toEqual(before)

    await setUp(shell, asked)
    expect(await lookAtSetup(shell, asked)).toEqual({ account: 'same', parts: all('same') })
    for (const { path, mode, text } of Object.values(setup.files)) {
      const { uid, gid, mode: found } = statSync(machine.path(path.slice(1)))
      expect([path, uid, gid, (found & 0o7777).toString(8)]).toEqual([path, 0, 0, mode])
      expect(machine.read(path.slice(1))).toBe(text)
    }
    expect(machine.read('etc/passwd')).toMatch(
      /^certs:.*:\/usr\/local\/lib\/certs:\/usr\/local\/lib\/certs\/login$/m,
    )
    expect(machine.read('etc/shadow')).toMatch(/^certs:\*:/m)

    const done = [snapshot(machine.path('etc')), snapshot(machine.path('usr/local'))]
    await setUp(shell, asked)
    expect([snapshot(machine.path('etc')), snapshot(machine.path('usr/local'))]).toEqual(done)
  })
})

describe.skipIf(noSshd)('refuses, and changes nothing,', () => {
  const refused = async (prepare: (machine: ReturnType<typeof setupMachine>) => string | void) => {
    using machine = setupMachine()
    const more = prepare(machine) ?? ''
    const before = [snapshot(machine.path('etc')), snapshot(machine.path('usr/local'))]
    const error: unknown = await setUp(machine.shell(['dash'], more), asked).catch(
      (thrown: unknown) => thrown,
    )
    expect([snapshot(machine.path('etc')), snapshot(machine.path('usr/local'))]).toEqual(before)
    return error
  }

  test('a user of that name who is somebody else', async () => {
    const error = await refused((machine) =>
      appendFileSync(machine.path('etc/passwd'), 'certs:x:1000:1000::/home/certs:/bin/bash\n'),
    )
    expect(error).toMatchObject({
      message: 'sally: there is a user certs already, with /bin/bash for a shell',
      hints: ['choose another name: certs nodes setup sally --user certs-node'],
      left: 'unchanged',
    })
  })

  test('a machine whose sudoers are broken as they are', async () => {
    const error = await refused((machine) => {
      writeFileSync(machine.path('etc/sudoers.d/old'), 'what is this\n')
      chmodSync(machine.path('etc/sudoers.d/old'), 0o440)
    })
    expect(error).toMatchObject({
      message: 'sally: its sudoers are broken as they are, before anything was touched',
      detail: expect.stringContaining('syntax error') as string,
    })
  })

  test('a machine without sudo', async () => {
    expect(await refused(() => 'mount --bind /dev/null /usr/bin/sudo')).toMatchObject({
      message: 'sally: sudo is not installed there',
    })
  })

  test('a place that can not be written', async () => {
    const error = await refused(() => 'mount -o remount,bind,ro /usr/local')
    expect(error).toMatchObject({ message: "sally: can't make /usr/local/lib/certs", left: 'unchanged' })
  })

  test('who is not root', async () => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'dash']
    using machine = setupMachine()
    chmodSync(machine.path('.'), 0o755)
    await expect(lookAtSetup(machine.shell(nobody), asked)).rejects.toMatchObject({
      message: 'sally: only root can set it up, and the login is root',
    })
  })
})

test.skipIf(noSshd)('a sudoers line that visudo does not take is never put in place', async () => {
  using machine = setupMachine()
  const sudoers = { ...setup.files.sudoers, text: 'certs ALL=(root NOPASSWD\n' }
  const bad = { ...setup, files: { ...setup.files, sudoers } }
  await expect(setUp(machine.shell(['dash']), { node, setup: bad })).rejects.toMatchObject({
    message: "sally: can't write /etc/sudoers.d/certs",
    left: 'changed',
  })
  expect(existsSync(machine.path('etc/sudoers.d/certs'))).toBe(false)
  expect(existsSync(machine.path('usr/local/lib/certs/.ssh/authorized_keys'))).toBe(false)
  await setUp(machine.shell(['dash']), asked)
})

test.skipIf(noSshd)('the script that is printed does the same', async () => {
  using machine = setupMachine()
  expect((await machine.shell(['dash']).run(setupScript(setup))).exitCode).toBe(0)
  expect(await lookAtSetup(machine.shell(['dash']), asked)).toEqual({ account: 'same', parts: all('same') })
})

test('a setting that would be more than one line, or more than a host, is refused', () => {
  const wishes = { user: 'certs', program: ':\n', keys: ['ssh-ed25519 AAAA'], forward: [] }
  const services = nginxAlone({ test: ['nginx', '-t\nreload id'], reload: ['true'] })
  expect(() => makeSetup({ ...node, services }, wishes)).toThrow('holds a control character')
  const forward = [{ address: '127.0.0.1",command="id', port: 443 }]
  expect(() => makeSetup(node, { ...wishes, forward })).toThrow(
    'is no host that forwarding can be allowed to',
  )
})
