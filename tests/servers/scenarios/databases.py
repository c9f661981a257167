"""Databases and their proxies, and what speaks like one: MariaDB, PgBouncer, memcached."""
import struct
import subprocess
import time

from stage import client_address
from talk import Talk

MYSQL, PGBOUNCER, MEMCACHED = 3306, 6432, 11211


def _mariadb(stage, settings, statements):
    """A server with a fresh data folder; `statements` make its accounts."""
    data = stage.folder / "data"
    for name in ("data", "data/mysql", "tmp"):
        (stage.folder / name).mkdir()
    subprocess.run(["chown", "-R", "nobody", data, stage.folder / "tmp"], check=True)
    script = "create database if not exists mysql;\nuse mysql;\n"
    for name in ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"):
        script += open(f"/usr/share/mysql/{name}", encoding="utf-8", errors="replace").read() + "\n"
    script += "flush privileges;\n" + statements
    common = ["--no-defaults", f"--datadir={data}", f"--tmpdir={stage.folder}/tmp", "--user=nobody"]
    subprocess.run(["mariadbd", *common, "--bootstrap", "--skip-networking"], input=script, text=True, check=True,
                   stdout=subprocess.DEVNULL, stderr=open(stage.folder / "bootstrap.log", "w"))
    stage.server(["mariadbd", *common, f"--socket={stage.folder}/mysql.sock", f"--port={MYSQL}", "--skip-name-resolve",
                  "--innodb-buffer-pool-size=8M", "--performance-schema=off", *settings], MYSQL)
    stage.record()


def _mysql_login(stage, client, user=b"app", six=False):
    """Logs in without a password (protocol 4.1 handshake response)."""
    session = Talk(stage, client, MYSQL, six)
    session.expect(b"mysql_native_password\0")
    body = struct.pack("<IIB23x", 0x00000200 | 0x00008000 | 0x00080000, 1 << 24, 45) + user + b"\0\0mysql_native_password\0"
    return session.say(struct.pack("<I", len(body))[:3] + b"\1" + body)


def _mysql_quit(session):
    session.say(b"\x01\0\0\0\x0e").expect(b"\x07\0\0\1\0")  # COM_PING, OK
    session.say(b"\x01\0\0\0\x01").expect_end().close().served("logged in, pinged, COM_QUIT")


def mariadb_max_connections(stage):
    """MariaDB max_connections = 10 (the least it allows), one of them reserved"""
    _mariadb(stage, ["--max-connections=10"], "create user app@'%';\n")
    ok = b"\x07\0\0\2\0"
    _mysql_quit(_mysql_login(stage, 12).expect(ok))
    parked = [_mysql_login(stage, client).expect(ok) for client in (21, 22, 23, 31, 32, 33, 41, 13, 14, 15)]
    for client in (16, 24, 34, 12, 24, 16):
        time.sleep(0.7)
        # The place kept for administrators lets them say who they are first.
        _mysql_login(stage, client).expect(b"Too many").expect_end().close().label(
            "connection_limit", "ten sessions open, max_connections = 10")
    for session in parked:
        _mysql_quit(session)
    time.sleep(1)
    for client in (24, 16):
        _mysql_quit(_mysql_login(stage, client).expect(ok))


def mariadb_host_not_allowed(stage):
    """MariaDB with accounts for the near clients only, over IPv4 and IPv6; a wrong user from an allowed host"""
    _mariadb(stage, [], f"create user app@'198.51.100.1_';\ncreate user app@'{client_address(22, True)}';\n")
    ok = b"\x07\0\0\2\0"
    for round_number in range(3):
        _mysql_quit(_mysql_login(stage, 12 + round_number).expect(ok))
        for client, six in (24, False), (33, True):
            time.sleep(0.7)
            Talk(stage, client, MYSQL, six).expect(b"is not allowed").expect_end().close().label(
                "acl_denied", "error 1130: no account for this host")
        _mysql_quit(_mysql_login(stage, 22, six=True).expect(ok))
    for client in (15, 16):
        time.sleep(0.5)
        _mysql_login(stage, client, user=b"nobody").expect(b"Access denied").expect_end().close().label(
            "auth_failed", "error 1045: no such account on an allowed host")


def mariadb_user_limit(stage):
    """MariaDB MAX_USER_CONNECTIONS 2 of an account"""
    _mariadb(stage, [], "create user app@'%' with max_user_connections 2;\ncreate user other@'%';\n")
    ok = b"\x07\0\0\2\0"
    parked = [_mysql_login(stage, client).expect(ok) for client in (13, 23)]
    for client in (24, 14, 24, 33):
        time.sleep(0.8)
        _mysql_login(stage, client).expect(b"max_user_connections").expect_end().close().label(
            "connection_limit", "error 1226: two sessions of this account open")
        if client == 14:
            _mysql_quit(_mysql_login(stage, 24, user=b"other").expect(ok))
    for session in parked:
        _mysql_quit(session)
    time.sleep(1)
    _mysql_quit(_mysql_login(stage, 24).expect(ok))


def _pgbouncer(stage, settings, hba=None):
    """PgBouncer before a PostgreSQL that only it can reach. (Its own console knows no limit.)"""
    programs = "/usr/lib/postgresql/15/bin"
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    subprocess.run([*as_nobody, f"{programs}/initdb", "-A", "trust", "-U", "watcher", "--no-sync", "-D", stage.folder / "data"],
                   check=True, stdout=subprocess.DEVNULL)
    stage.server([*as_nobody, f"{programs}/postgres", "-D", str(stage.folder / "data"), "-k", str(stage.folder), "-c",
                  "listen_addresses=127.0.0.1", "-c", "fsync=off"], 5432)
    users = stage.file("users.txt", '"watcher" ""\n')
    config = stage.file("pgbouncer.ini", f"""
[databases]
shop = host=127.0.0.1 dbname=postgres user=watcher
[pgbouncer]
listen_addr = *
listen_port = {PGBOUNCER}
unix_socket_dir =
auth_type = {'hba' if hba else 'any'}
auth_file = {users}
{f'auth_hba_file = {stage.file("hba.conf", hba)}' if hba else ''}
server_login_retry = 1
logfile = {stage.folder}/pgbouncer.log
pidfile = {stage.folder}/pid
{settings}
""")
    stage.server(["pgbouncer", "-u", "nobody", config], PGBOUNCER)
    stage.record()


def _pg_start(stage, client, six=False):
    body = struct.pack(">I", 196608) + b"user\0watcher\0database\0shop\0\0"
    return Talk(stage, client, PGBOUNCER, six).say(struct.pack(">I", len(body) + 4) + body)


def _pg_quit(session):
    query = b"SELECT 1;\0"
    session.say(b"Q" + struct.pack(">I", len(query) + 4) + query).expect(b"Z\0\0\0\5I")
    session.say(b"X\0\0\0\4").expect_end().close().served("query answered, left with Terminate")


def pgbouncer_max_client_conn(stage):
    """PgBouncer max_client_conn = 3"""
    _pgbouncer(stage, "max_client_conn = 3")
    ready = b"Z\0\0\0\5I"
    _pg_quit(_pg_start(stage, 12).expect(ready))
    parked = [_pg_start(stage, client).expect(ready) for client in (22, 23, 31)]
    for client in (13, 24, 33, 13):
        time.sleep(0.8)
        _pg_start(stage, client).expect(b"FATAL").expect_end().close().label(
            "connection_limit", "three clients connected, max_client_conn = 3")
    for session in parked:
        _pg_quit(session)
        time.sleep(0.4)
    for client in (13, 24):
        _pg_quit(_pg_start(stage, client).expect(ready))


def pgbouncer_hba(stage):
    """PgBouncer auth_hba_file with reject for two addresses, one of them IPv6"""
    _pgbouncer(stage, "", f"""
host all all {client_address(24)}/32 reject
host all all {client_address(34, True)}/128 reject
host all all 0.0.0.0/0 trust
host all all ::/0 trust
""")
    ready = b"Z\0\0\0\5I"
    for round_number in range(3):
        _pg_quit(_pg_start(stage, 12 + round_number).expect(ready))
        for client, six in (24, False), (34, True):
            time.sleep(0.8)
            _pg_start(stage, client, six).expect(b"FATAL").expect_end().close().label(
                "acl_denied", "address under `reject` in auth_hba_file")
    _pg_quit(_pg_start(stage, 35, six=True).expect(ready))


def _memcached(stage, *options):
    server = stage.server(["memcached", "-u", "nobody", "-p", str(MEMCACHED), "-U", "0", *options], MEMCACHED)
    stage.record()
    return server


def _memcached_ask(stage, client, six=False):
    return Talk(stage, client, MEMCACHED, six).say(b"version\r\n").expect(b"VERSION")


def _memcached_quit(session):
    session.say(b"quit\r\n").expect_end().close().served("command answered, left with quit")


def memcached_max_connections(stage):
    """memcached -c 20, some of which it needs itself: further clients read `ERROR Too many open connections`"""
    _memcached(stage, "-c", "20", "-t", "1")
    parked = []
    _memcached_quit(_memcached_ask(stage, 12))
    for client in range(15, 45):
        session = Talk(stage, client, MEMCACHED).say(b"version\r\n")
        if b"VERSION" not in session.hear(b"\r\n"):
            session.expect_end().close().label("connection_limit", "as many connections open as -c allows")
            break
        parked.append(session)
        time.sleep(0.1)
    for client in (14, 24, 33, 14):
        Talk(stage, client, MEMCACHED).say(b"version\r\n").expect_end().close().label(
            "connection_limit", "as many connections open as -c allows")
        time.sleep(0.8)
    for session in parked:
        _memcached_quit(session)
    time.sleep(1)
    for client in (14, 24):
        _memcached_quit(_memcached_ask(stage, client))


def memcached_killed(stage):
    """memcached killed with SIGKILL while sessions are open, and started again later"""
    server = _memcached(stage)
    _memcached_quit(_memcached_ask(stage, 12))
    parked = [_memcached_ask(stage, client, six) for client, six in
              ((21, False), (22, True), (31, False), (41, False), (13, True))]
    time.sleep(3)
    server.kill()
    server.wait()
    for session in parked:
        session.expect_end().close().label("app_crash", "session open when the server was killed with SIGKILL")
    for client, six in (14, False), (23, True), (32, False), (14, False):
        time.sleep(0.8)
        session = Talk(stage, client, MEMCACHED, six).close()
        if session.connected:
            raise AssertionError("connected to a dead server")
        session.label("port_closed", "nothing listens after the server was killed")
    stage.server(["memcached", "-u", "nobody", "-p", str(MEMCACHED), "-U", "0"], MEMCACHED)
    time.sleep(0.5)
    for client in (14, 21):
        _memcached_quit(_memcached_ask(stage, client))
