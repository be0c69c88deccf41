import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from './command.ts'
import { startHosts, type Host, type Lab } from './hosts.ts'
import { skipUnless } from './machine.ts'

describe.skipIf(await skipUnless('hosts'))('the hosts of the lab', () => {
  let lab: Lab
  let host: Host
  beforeAll(async () => {
    lab = await startHosts({ nodes: ['cdn-frankfurt-1', 'fritz'] })
    host = lab.host('cdn-frankfurt-1')
  })
  afterAll(async () => lab[Symbol.asyncDispose]())

  async function ssh(user: string, address: string, script: string): Promise<string> {
    const known = ['-o', `UserKnownHostsFile=${lab.knownHosts}`, '-o', 'StrictHostKeyChecking=yes']
    const login = ['-o', 'BatchMode=yes', '-i', lab.identity, `${user}@${address}`]
    const ran = await command(['ssh', '-F', 'none', ...known, ...login, '/bin/sh -s'], { input: script })
    return ran.stdout + ran.stderr
  }

  test('are real: systemd is up and nothing has failed', async () => {
    expect(await host.exec('systemctl is-system-running; systemctl is-active ssh nginx; hostname')).toBe(
      'running\nactive\nactive\ncdn-frankfurt-1\n',
    )
  })

  test('take logins by key of root, by IPv4 and IPv6, with known host keys', async () => {
    expect(await ssh('root', host.address, 'id -un; cat /etc/hostname')).toBe('root\ncdn-frankfurt-1\n')
    expect(await ssh('root', host.address6, 'id -un')).toBe('root\n')
  })

  test('let deploy be root through sudo for /bin/sh -s, and for nothing else', async () => {
    expect(await ssh('deploy', host.address, 'echo id -un | sudo -n /bin/sh -s')).toBe('root\n')
    expect(await ssh('deploy', host.address, 'sudo -n id')).toContain('a password is required')
  })

  test('show nothing of this machine but its programs', async () => {
    const seen = await host.exec(
      'ls / /root /home /etc/ssl /etc/ssh; cat /etc/shadow; touch /usr/x 2>&1 || true',
    )
    expect(seen).not.toMatch(/\bwork\b|letsencrypt|private|\$y\$|\$6\$/)
    expect(seen).toContain('Read-only file system')
  })

  test('reach each other and no other network', async () => {
    const other = lab.host('fritz').address
    const greet = `timeout 2 bash -c 'head -c3 </dev/tcp/${other}/22'`
    expect(await host.exec(`${greet}; echo; ip route`)).toMatch(/^SSH\n10\.77\.\d+\.0\/24 dev host0[^\n]+\n$/)
  })

  test('freeze and thaw', async () => {
    await host.freeze()
    const silent = command(['timeout', '1', 'ssh-keyscan', '-T', '5', host.address])
    expect((await silent).exitCode).not.toBe(0)
    await host.thaw()
    expect((await command(['ssh-keyscan', '-T', '5', host.address])).stdout).toContain('ssh-ed25519')
  })

  test('keep their files when the plug is pulled, and when they reboot by themselves', async () => {
    await host.exec('echo here >/etc/mark')
    await host.reboot()
    expect(await host.exec('cat /etc/mark; systemctl is-active nginx')).toBe('here\nactive\n')
    const before = await host.exec('cat /proc/sys/kernel/random/boot_id')
    // From inside, and well before we look: who shuts down waits for a process whose parent is elsewhere.
    await host.exec('systemd-run --quiet --no-block sh -c "sleep 0.1; systemctl reboot --force"')
    await sleep(1000)
    const after = await host.exec('cat /proc/sys/kernel/random/boot_id')
    expect(after).not.toBe(before)
    await expect
      .poll(async () => (await host.tryExec('cat /etc/mark; systemctl is-active ssh nginx')).stdout)
      .toBe('here\nactive\nactive\n')
  })
})

describe.skipIf(await skipUnless('hosts'))('a lab leaves nothing behind', () => {
  test('after it is disposed of', async () => {
    const lab = await startHosts({ nodes: ['sally'] })
    const mark = lab.folder
    expect(await leftovers(process.pid)).not.toEqual([])
    await lab[Symbol.asyncDispose]()
    await expect.poll(async () => leftovers(process.pid, mark), { timeout: 5000 }).toEqual([])
  })

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('after its owner got %s', async (signal) => {
    const owner = await startOwner()
    expect((await leftovers(owner.pid)).length).toBeGreaterThan(3)
    process.kill(owner.pid, signal)
    await expect.poll(async () => leftovers(owner.pid), { timeout: 10_000 }).toEqual([])
  })

  test('and takes away no lab that lives in another PID namespace', async () => {
    await using lab = await startHosts({ nodes: ['sally'] })
    const elsewhere = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', process.execPath]
    const source = `${startLab}\nawait lab[Symbol.asyncDispose]()`
    const { stdout } = await command([...elsewhere, '--input-type=module', '-e', source])
    expect(stdout).toBe('up\n')
    expect(await lab.host('sally').exec('echo here')).toBe('here\n')
    expect(await readdir(lab.folder)).toContain('known_hosts')
  })

  test('after its owner and its init were both killed and another lab has started', async () => {
    const owner = await startOwner()
    const init = (await leftovers(owner.pid)).filter((line) => line.includes('enclosure.sh'))
    process.kill(owner.pid, 'SIGSTOP')
    for (const line of init) process.kill(Number.parseInt(line), 'SIGKILL')
    process.kill(owner.pid, 'SIGKILL')
    await expect
      .poll(async () => (await leftovers(owner.pid)).filter((line) => !line.startsWith('/')), {
        timeout: 10_000,
      })
      .toEqual([])
    expect(await leftovers(owner.pid)).not.toEqual([])
    await using lab = await startHosts({ nodes: ['sally'] })
    expect(lab.host('sally').name).toBe('sally')
    expect(await leftovers(owner.pid)).toEqual([])
  })
})

const startLab = `
  import { startHosts } from ${JSON.stringify(fileURLToPath(new URL('hosts.ts', import.meta.url)))}
  const lab = await startHosts({ nodes: ['sally'] })
  console.log('up')`

async function startOwner(): Promise<{ pid: number }> {
  const source = `${startLab}\nsetInterval(() => lab, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(createInterface(child.stdout), 'line')
  return { pid: child.pid ?? 0 }
}

/** Processes, mounts, devices, cgroups and folders that carry the name of the lab of this owner. */
async function leftovers(owner: number, mark = `certs-lab-${owner}-`): Promise<string[]> {
  const name = mark.replace(/^.*\//, '')
  const processes = (await command(['ps', '-eww', '-o', 'pid=,args='])).stdout.split('\n')
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n')
  const cgroups = mounts.filter((line) => line.includes(' cgroup2 ')).map((line) => line.split(' ')[1] ?? '')
  const folders = await Promise.all(
    [tmpdir(), ...cgroups].map(async (place) => (await readdir(place)).map((entry) => `${place}/${entry}`)),
  )
  return [...processes, ...mounts, ...folders.flat()]
    .map((line) => line.trim())
    .filter((line) => line.includes(name))
}
