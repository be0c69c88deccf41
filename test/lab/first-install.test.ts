import { expect, test } from 'vitest'
import { startIncident } from './incident.ts'
import { skipUnless } from './machine.ts'

const fresh = 'static.hachyderm.io'

const serverBlock = `server {
  listen 443 ssl;
  listen [::]:443 ssl;
  server_name ${fresh};
  ssl_certificate /etc/letsencrypt/live/${fresh}/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/${fresh}/privkey.pem;
}
`

test.skipIf(await skipUnless('hosts'))(
  'a new certificate reaches a node whose nginx names its files before they are there',
  async () => {
    await using incident = await startIncident({ cdn: ['sally'] })
    const [sally] = incident.cdn
    await sally!.exec(`cat >/etc/nginx/sites-enabled/static <<'END'\n${serverBlock}END`)
    await incident.named.update(`update add ${fresh}. 60 CNAME cdn.geo.hachyderm.io.`)
    const { config } = incident
    const certificates = { ...config.certificates, [fresh]: { nodes: ['cdn'] } }
    const env = { CERTS_CONFIG: await incident.writeConfig('fresh.config.ts', { ...config, certificates }) }

    const rollout = await incident.certs(`rollout ${fresh}`, { env })
    expect(rollout, rollout.stderr).toMatchObject({ exitCode: 0 })
    expect(rollout.stdout).toContain(`${fresh}: version 1 is on 1 of 1 nodes`)
    expect(await incident.certs(`verify ${fresh}`, { env })).toMatchObject({ exitCode: 0 })
  },
  60_000,
)
