import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localShell, type LocalShell } from './local-shell.ts'

/** A machine to be set up: this one, with an /etc and a /usr/local of its own that last from run to run. */
export interface SetupMachine extends Disposable {
  /** `usr/local/lib/certs/node` and `etc/…` as this process can open them. */
  path(name: string): string
  read(name: string): string
  shell(sh: readonly string[], setup?: string): LocalShell
}

const sudoers = 'Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n'

export function setupMachine(): SetupMachine {
  const folder = mkdtempSync(join(tmpdir(), 'certs-setup-'))
  const path = (name: string) => join(folder, name.replace(/^usr\/local/, 'local'))
  for (const name of ['etc/sudoers.d', 'usr/local/lib'])
    mkdirSync(path(name), { recursive: true, mode: 0o755 })
  for (const name of ['login.defs', 'pam.d', 'ld.so.cache'])
    execFileSync('cp', ['-a', `/etc/${name}`, path('etc')])
  const files = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\n',
    group: 'root:x:0:\n',
    shadow: 'root:*:20000:0:99999:7:::\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\n',
    sudoers,
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path(`etc/${name}`), text, { mode: name === 'sudoers' ? 0o440 : 0o644 })
  }
  const mounts = [`mount --bind ${path('etc')} /etc`, `mount --bind ${path('usr/local')} /usr/local`]
  return {
    path,
    read: (name) => readFileSync(path(name), 'utf8'),
    shell: (sh, setup = '') => {
      const lines = [...mounts, setup, 'exec "$@"'].join('\n')
      return localShell(['unshare', '--mount', 'sh', '-ec', lines, 'sh', ...sh, '-s'])
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
