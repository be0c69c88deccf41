#!/bin/sh
# Makes the root of one Debian host in the current folder, from the programs of this machine and nothing of
# its data: /usr read-only, those files of /etc that packages brought, everything else fresh.
#
# usage: cd ROOT && sh tree.sh NAME
set -eu
name=$1

mkdir -p usr etc var/log/nginx var/lib/nginx var/www run proc sys dev home srv mnt opt
mkdir -m 700 root root/.ssh
mkdir -m 1777 tmp var/tmp
ln -s /run var/run
ln -s /run/lock var/lock
for link in bin sbin lib lib32 lib64 libx32; do
  [ ! -L "/$link" ] || cp -a "/$link" "$link"
done
mount --bind /usr usr
mount -o remount,bind,ro usr

cd etc
for file in alternatives bash.bashrc bindresvport.blacklist csh.cshrc csh.login dbus-1 debian_version fish \
  ld.so.cache ld.so.conf ld.so.conf.d localtime login.defs nginx/mime.types os-release pam.conf pam.d \
  profile protocols rpc security services shells skel ssl/openssl.cnf sudo.conf; do
  [ ! -e "/etc/$file" ] || { mkdir -p "$(dirname "$file")" && cp -a "/etc/$file" "$file"; }
done
mkdir -p default nginx/conf.d nginx/sites-enabled nginx/modules-enabled ssh sudoers.d tmpfiles.d \
  systemd/network systemd/system/multi-user.target.wants

# System accounts as packages made them; no person of this machine, and no password at all.
awk -F: '$3 > 0 && $3 < 1000 || $3 == 65534' /etc/passwd >passwd
awk -F: '$3 < 1000 || $3 == 65534 { print $1 ":x:" $3 ":" }' /etc/group >group
echo 'root:x:0:0:root:/root:/bin/bash' | cat - passwd >passwd.new && mv passwd.new passwd
echo 'deploy:x:1000:1000:deploy:/home/deploy:/bin/bash' >>passwd
echo 'deploy:x:1000:' >>group
sed 's/:.*/:*:20000:0:99999:7:::/' passwd >shadow
chmod 600 shadow
mkdir -p ../home/deploy/.ssh
chown -R 1000:1000 ../home/deploy
cat >sudoers <<'END'
Defaults env_reset, use_pty
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
END
echo 'deploy ALL=(root) NOPASSWD: /bin/sh -s' >sudoers.d/deploy
chmod 440 sudoers sudoers.d/deploy
printf '%s\n' 'passwd: files' 'group: files' 'shadow: files' 'hosts: files dns' >nsswitch.conf

echo "$name" >hostname
# A known id: with an empty or missing one, systemd would take this for a first boot and enable everything.
tr -d - </proc/sys/kernel/random/uuid >machine-id

units=/usr/lib/systemd/system
ln -s $units/multi-user.target systemd/system/default.target
for unit in systemd-networkd ssh nginx; do
  ln -s $units/$unit.service systemd/system/multi-user.target.wants/
done
for unit in getty.target console-getty.service systemd-logind.service systemd-udevd.service \
  systemd-networkd-wait-online.service systemd-firstboot.service; do
  ln -s /dev/null systemd/system/$unit
done
