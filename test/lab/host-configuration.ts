/** The files of a lab host that are its own, by path: its network, sshd, nginx without any site. */
export function configuration(host: {
  name: string
  address: string
  address6: string
}): Record<string, string> {
  return {
    'etc/ssh/sshd_config': sshd,
    'etc/nginx/nginx.conf': nginx,
    'etc/systemd/network/10-lab.network': network(host.address, host.address6),
    'etc/hosts': `127.0.0.1 localhost\n::1 localhost\n${host.address} ${host.name}\n`,
    // Nobody listens there, so that a look-up fails at once.
    'etc/resolv.conf': 'nameserver 127.0.0.1\n',
  }
}

const sshd = `HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM yes
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
`

const nginx = `user www-data;
worker_processes 2;
pid /run/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;
events { worker_connections 768; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /var/log/nginx/access.log;
  error_log /var/log/nginx/error.log;
  # As in Debian's own file.
  ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
  include /etc/nginx/conf.d/*.conf;
  include /etc/nginx/sites-enabled/*;
}
`

const network = (address: string, address6: string): string => `[Match]
Name=host0
[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
[Address]
Address=${address}/24
[Address]
Address=${address6}/64
DuplicateAddressDetection=none
`
