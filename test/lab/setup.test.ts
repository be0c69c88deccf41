import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostileTexts } from '../support/hostile-texts.ts'
import { command, type Ran } from './command.ts'
import { makeKey, type Host } from './host.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'

const killer = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))
const canary = '/tmp/canary'

describe.skipIf(await skipUnless('hosts'))('a login that can do nothing but what certs needs', () => {
  let incident: Incident
  let key: string
  let env: { CERTS_CONFIG: string }
  const [sally, esme] = [0, 1].map((index) => () => incident.cdn[index]!) as [() => Host, () => Host]

  beforeAll(async () => {
    incident = await startIncident({
      cdn: ['sally', 'esme'],
      // As every distribution has it: what is refused must not be refused for want of it.
      prepare: (host) =>
        append(host, 'etc/ssh/sshd_config', 'Subsystem sftp internal-sftp\nX11Forwarding yes\n'),
    })
    // The lab's /usr is read-only.
    for (const host of incident.cdn)
      await host.exec('mount -t tmpfs -o mode=755 tmpfs /usr/local; mkdir /usr/local/lib')
    key = join(incident.lab.folder, 'least')
    await makeKey(key, 'least')
    env = { CERTS_CONFIG: await configure('least.config.ts', { user: 'certs', identity: key }) }
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  /** The configuration with more settings for both CDN nodes. */
  const configure = (file: string, settings: object) => {
    const { config } = incident
    const nodes = Object.entries(config.nodes ?? {}).map(([name, node]) => [
      name,
      incident.cdn.some((host) => host.name === name) ? { ...node, ...settings } : node,
    ])
    return incident.writeConfig(file, { ...config, nodes: Object.fromEntries(nodes) })
  }
  const ssh = (host: Host, words: readonly string[], input = '', program = 'ssh'): Promise<Ran> => {
    const options = ['IdentitiesOnly=yes', 'BatchMode=yes', `UserKnownHostsFile=${incident.lab.knownHosts}`]
    const line = [program, '-i', key, ...options.flatMap((one) => ['-o', one]), ...words]
    return command(['timeout', '20', ...line.map((word) => word.replace('NODE', `certs@${host.address}`))], {
      input,
    })
  }

  test('is printed without asking any node, and set up as root and by sudo alike', async () => {
    const printed = await incident.certs(`nodes setup sally --key ${key}.pub`, {
      env: { CERTS_CONFIG: await configure('gone.config.ts', { address: '192.0.2.1' }) },
    })
    expect(printed).toMatchObject({ exitCode: 0, stderr: '' })
    expect(printed.stdout).toContain('certs ALL=(root) NOPASSWD: /usr/local/lib/certs/node ""\n')
    expect(printed.stdout).toContain('restrict,command="sudo -n /usr/local/lib/certs/node" ssh-ed25519 ')

    const proved =
      'Proved by login: certs inspects by the installed program, and gets neither a shell nor forwarding.'
    const root = await incident.certs(`nodes setup sally --key ${key}.pub --apply --yes`)
    expect(root, root.stderr).toMatchObject({ exitCode: 0 })
    expect(root.stdout).toContain(`sally: done. ${proved}\n`)
    expect(root.stdout).toContain(
      `Next, in the configuration: nodes: { 'sally': { …, user: 'certs', identity: '${key}' } }`,
    )

    const bySudo = { CERTS_CONFIG: await configure('sudo.config.ts', { user: 'deploy', sudo: true }) }
    const sudo = await incident.certs(`nodes setup esme --key ${key}.pub --apply --yes --json`, {
      env: bySudo,
    })
    expect(sudo, sudo.stderr).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(sudo.stdout)).toMatchObject({ user: 'certs', outcome: 'changed', proved: true })
    expect((await incident.certs('history')).stdout).toMatch(/set up the login certs on sally\n.*on esme\n$/)
  })

  test('leaves alone what is right, and mends what is not', async () => {
    const look = `cd /usr/local/lib/certs && stat -c '%n %i %Y' . node pinned login .ssh/* /etc/sudoers.d/certs /etc/passwd`
    const before = await sally().exec(look)
    const line = `nodes setup sally --key ${key}.pub --apply --yes`
    const again = await incident.certs(line)
    expect(again.stdout).toContain('sally: nothing to do, all is in place. Proved by login')
    expect(await sally().exec(look)).toBe(before)

    await sally().exec(
      'cd /usr/local/lib/certs && echo "reload id" >>pinned && chmod 775 node && rm /etc/sudoers.d/certs',
    )
    const without = await incident.certs('status', { env })
    const mended = await incident.certs(line)
    expect(without.stdout).toContain(
      `the login certs at ${sally().address} can't start its program (exit 1): sudo: a password is required`,
    )
    expect(
      mended.stdout.match(/^ {2}[+~=] .*/gm)?.map((row) => row.split(/ {2,}/).slice(1, 3).join(' ')),
    ).toEqual([
      '= user certs',
      '~ /usr/local/lib/certs/node',
      '~ /usr/local/lib/certs/pinned',
      '= /usr/local/lib/certs/login',
      '+ /etc/sudoers.d/certs',
      '= /usr/local/lib/certs/.ssh/authorized_keys',
    ])
    expect(mended.stdout).toContain('sally: done. Proved')
  })

  test('carries the whole rollout of the incident, status and rollback', async () => {
    const checked = await incident.certs('check', { env })
    expect(checked.stdout).toContain('logged in as certs, who may do nothing else, nginx -t passes')
    const rollout = await incident.certs(`rollout ${site}`, { env })
    expect(rollout, rollout.stderr).toMatchObject({ exitCode: 0 })
    expect(rollout.stdout).toContain(`${site}: version 3 is on 2 of 2 nodes`)
    expect((await incident.certs(`rollout ${site}`, { env })).stdout).toMatch(/^No changes\. /)
    expect(await incident.certs('status', { env })).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`rollback ${site} --force`, { env })).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`rollout ${site}`, { env })).toMatchObject({ exitCode: 0 })
  })

  test.each(['staged', 'switched', 'tested'])(
    'takes up a run killed when files are %s, and leaves nothing behind',
    async (step) => {
      const killed = await incident.certs(`rollout ${site} --force-renew`, {
        env: { ...env, NODE_OPTIONS: `--import=${killer}`, CERTS_TEST_KILL_AT: `node-step:${step}` },
      })
      expect(killed, killed.stderr).toMatchObject({ exitCode: 128 })
      const again = await incident.certs(`rollout ${site}`, { env })
      expect(again, again.stderr).toMatchObject({ exitCode: 0 })
      const left =
        'cd /etc/letsencrypt && find . -name ".?*" -not -name . ; pgrep -f /usr/local/lib/certs/node || :'
      expect(await sally().exec(left)).toBe('')
    },
  )

  test.each<[string, readonly string[], number, string]>([
    ['command', ['NODE', `touch ${canary}`], 1, 'this login takes the orders of certs, and nothing else'],
    ['shell', ['-T', 'NODE'], 1, 'this login takes the orders of certs, and nothing else'],
    ['terminal', ['-tt', 'NODE'], 255, 'PTY allocation request failed'],
    ['forwarding by -W', ['-W', '127.0.0.1:22', 'NODE'], 255, 'administratively prohibited'],
    [
      'forwarding by -R',
      ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22', 'NODE'],
      255,
      'port forwarding failed',
    ],
  ])('gets no %s', async (_, words, exitCode, said) => {
    const ran = await ssh(sally(), words, `touch ${canary}\n`)
    expect(ran.stderr).toContain(said)
    expect({ ...ran, stderr: '' }).toEqual({ stdout: '', stderr: '', exitCode })
    expect(await there(canary)).toBe(false)
  })

  test('gets no SFTP and no scp', async () => {
    const copy = ['/etc/hostname', `NODE:${canary}`]
    expect(
      await ssh(sally(), ['-b', '-', 'NODE'], `put /etc/hostname ${canary}\n`, 'sftp'),
    ).not.toMatchObject({ exitCode: 0 })
    expect(await ssh(sally(), copy, '', 'scp')).not.toMatchObject({ exitCode: 0 })
    expect(await there(canary)).toBe(false)
  })

  test('gets no agent, no display and no environment of the one who logs in', async () => {
    await using held = await holdOpen(sally(), ['-A', '-X', '-o', 'SetEnv=pinned=/tmp/mine ENV=/tmp/mine'])
    expect(held.said()).toContain('X11 forwarding request failed')
    const seen = `pid=$(pgrep -o -f '^/bin/sh /usr/local/lib/certs/node') && tr '\\0' '\\n' </proc/$pid/environ; find /tmp -name 'agent.*'`
    const environment = await sally().exec(seen)
    expect(environment).toContain('SUDO_USER=certs')
    expect(environment).not.toMatch(/SSH_AUTH_SOCK|DISPLAY|pinned|mine|agent\./)
  })

  async function holdOpen(host: Host, options: readonly string[]) {
    const agent = await command(['ssh-agent', '-s'])
    const [, socket = ''] = /SSH_AUTH_SOCK=([^;]+)/.exec(agent.stdout) ?? []
    const [, pid = ''] = /SSH_AGENT_PID=([0-9]+)/.exec(agent.stdout) ?? []
    const known = `UserKnownHostsFile=${incident.lab.knownHosts}`
    const words = [
      ...options,
      '-T',
      '-i',
      key,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      known,
      `certs@${host.address}`,
    ]
    const child = spawn('ssh', words, {
      env: { PATH: process.env['PATH'], SSH_AUTH_SOCK: socket, DISPLAY: ':0' },
      stdio: 'pipe',
    })
    let stderr = ''
    child.stderr.on('data', (piece) => void (stderr += String(piece)))
    for (let tries = 0; tries < 100; tries++) {
      if ((await host.tryExec('pgrep -f "^/bin/sh /usr/local/lib/certs/node"')).exitCode === 0) break
      await sleep(50)
    }
    return {
      said: () => stderr,
      async [Symbol.asyncDispose]() {
        child.stdin.end()
        await once(child, 'exit')
        process.kill(Number(pid))
      },
    }
  }

  test('runs nothing of what is sent to it', async () => {
    const texts = hostileTexts(canary)
    const before = await sally().exec(
      'find /etc /root /home /usr/local -newermt "1 minute" | wc -l; ls -A /tmp /root',
    )
    for (const input of [texts.join('\n'), `printf '\\n%s\\n' ${'a'.repeat(32)}\n${texts.join('\n')}`]) {
      expect(await ssh(sally(), ['NODE'], input)).toMatchObject({ exitCode: 1 })
    }
    expect(await there(canary)).toBe(false)
    expect(
      await sally().exec('find /etc /root /home /usr/local -newermt "1 minute" | wc -l; ls -A /tmp /root'),
    ).toBe(before)
  })

  test('takes no other reload than root wrote down, and nothing is changed by the try', async () => {
    const nginx = { reload: ['sh', '-c', `touch ${canary}`] }
    const changed = {
      CERTS_CONFIG: await configure('changed.config.ts', { user: 'certs', identity: key, nginx }),
    }
    const live = `readlink /etc/letsencrypt/live/${site}/privkey.pem`
    const before = await sally().exec(live)
    const refused = await incident.certs(`rollout ${site} --force-renew`, { env: changed })
    expect(refused.exitCode).toBe(1)
    expect(refused.stdout + refused.stderr).toContain(
      'sally: its login takes no other nginx.reload than root wrote down there, and the configuration has another',
    )
    expect(await there(canary)).toBe(false)
    expect(await sally().exec(live)).toBe(before)
    const again = await incident.certs('nodes setup sally --apply --yes', { env: changed })
    expect(again.stderr).toContain('sally is logged in to as certs, who may not change this')
    expect(again.exitCode).toBe(2)
  })

  test('reaches through the node what --forward allows, and no more', async () => {
    const endpoints = [{ via: 'ssh' as const }]
    const through = { CERTS_CONFIG: await configure('through.config.ts', { endpoints }) }
    const line = `nodes setup esme --key ${key}.pub --apply --yes`
    const refused = await incident.certs(line, { env: through })
    expect(refused.stderr).toBe(
      'certs: error: certs nodes setup: 127.0.0.1 port 443 is reached through esme, and such a login forwards nothing\n' +
        'certs: hint: to allow exactly that:\ncerts: hint: certs nodes setup esme --forward\n',
    )
    const allowed = await incident.certs(`${line} --forward`, { env: through })
    expect(allowed, allowed.stderr).toMatchObject({ exitCode: 0 })
    const least = { user: 'certs', identity: key, endpoints }
    const verify = await incident.certs(`verify ${site}`, {
      env: { CERTS_CONFIG: await configure('least-through.config.ts', least) },
    })
    // sally was not set up for it.
    expect(verify.stdout + verify.stderr).toMatch(/esme .*right|esme: .*serves/)
    expect((await ssh(esme(), ['-W', '127.0.0.1:22', 'NODE'])).stderr).toContain(
      'administratively prohibited',
    )
    const listening = ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22', 'NODE']
    expect((await ssh(esme(), listening)).stderr).toContain('port forwarding failed')
  })

  test('says when the same key still opens more', async () => {
    const own = await incident.certs('nodes setup sally --apply --yes')
    expect(own, own.stderr).toMatchObject({ exitCode: 0 })
    expect(own.stdout).toContain('The same key still opens root on sally.')
    expect((await ssh(sally(), ['NODE'])).stderr).toContain('Permission denied')
  })

  test('is set up by the printed script as well, in bash', async () => {
    const script = await incident.certs(`nodes setup sally --key ${key}.pub --script`)
    const { identity, knownHosts } = incident.lab
    const root = ['ssh', '-i', identity, '-o', `UserKnownHostsFile=${knownHosts}`, `root@${sally().address}`]
    expect(await command([...root, 'bash', '--posix'], { input: script.stdout })).toMatchObject({
      exitCode: 0,
      stderr: '',
    })
    const after = await incident.certs(`nodes setup sally --key ${key}.pub --apply --yes`)
    expect(after.stdout).toContain('sally: nothing to do, all is in place.')
  })

  async function there(path: string): Promise<boolean> {
    return (await sally().tryExec(`test -e ${path}`)).exitCode === 0
  }
})

async function append(host: Host, path: string, text: string): Promise<void> {
  await host.writeFile(path, (await readFile(join(host.rootfs, path), 'utf8')) + text)
}
