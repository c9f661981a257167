"""The Debian 12 packages that the scenarios need."""
import pathlib
import subprocess

NEEDED = """apache2-bin dante-server dovecot-imapd dropbear-bin ethtool exim4-daemon-light haproxy icecast2 iproute2
libapache2-mod-evasive lighttpd mariadb-server-core memcached mosquitto nagios-nrpe-server nats-server ngircd
nut-server openssh-client openssh-server openssl pgbouncer postgresql-15 privoxy rinetd rsync samba stunnel4 tcpdump tinyproxy unbound
user-mode-linux zabbix-agent""".split()
# ProFTPD conflicts with every other FTP server, so it is unpacked, not installed; these are the libraries it wants.
NEEDED += ["libmemcached11", "libmemcachedutil2", "libpcre2-posix3"]
PROFTPD = pathlib.Path("/var/cache/doorslam-servers/proftpd")


def missing():
    """Packages that are not there yet."""
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], stdout=subprocess.PIPE,
                            text=True, check=True).stdout.splitlines()
    there = {line.split()[0] for line in listed if line.endswith(" installed")}
    return [name for name in NEEDED if name not in there] + ([] if PROFTPD.exists() else ["proftpd-core"])


def install():
    """Installs what is missing; programs that come with a service are not to run outside the scenarios: a host that
    makes captures should have a policy-rc.d that forbids it."""
    wanted = [name for name in missing() if name in NEEDED]
    apt = ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
    if wanted:
        subprocess.run([*apt, "install", "--no-install-recommends", *wanted], check=True, stdout=subprocess.DEVNULL)
    if not PROFTPD.exists():
        PROFTPD.mkdir(parents=True)
        subprocess.run([*apt, "download", "proftpd-core"], check=True, cwd=PROFTPD.parent, stdout=subprocess.DEVNULL)
        for archive in PROFTPD.parent.glob("proftpd-core_*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(PROFTPD)], check=True)
