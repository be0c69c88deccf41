import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { command } from './command.ts'
import { site, startIncident } from './incident.ts'
import { skipUnless } from './machine.ts'

const root = join(import.meta.dirname, '../..')

describe.skipIf(await skipUnless('hosts'))('the built program', () => {
  test('does the whole main job: issue, roll out, verify, roll back', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'certs-built-'))
    const dist = join(folder, 'dist')
    await mkdir(join(folder, 'node_modules'))
    // The one package that is not bundled.
    const native = 'node_modules/fs-native-extensions'
    await symlink(join(root, native), join(folder, native))
    await using incident = await startIncident({ cdn: ['sally'], pebble: { PEBBLE_AUTHZREUSE: '0' } })
    try {
      const built = await command([process.execPath, join(root, 'build.ts'), dist])
      expect(built, built.stderr).toMatchObject({ exitCode: 0 })
      const env = { PATH: '/usr/bin:/bin', HOME: incident.lab.folder, CERTS_CONFIG: incident.configFile }
      for (const line of [
        `rollout ${site}`,
        `rollout ${site} --force-renew`,
        `rollback ${site}`,
        `rollout ${site}`,
        'status',
        'verify',
        'check',
      ]) {
        const ran = await command([process.execPath, join(dist, 'certs.js'), ...line.split(' ')], {
          env,
        })
        expect(ran, `${line}: ${ran.stderr}`).toMatchObject({ exitCode: 0 })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
