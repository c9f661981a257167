#!/usr/bin/env python3
"""Installs a build below a folder of its own and uses what is there, as a packager and a site do.

  test_install.py --build BUILD-TREE --captures FOLDER

Checks that every file is at its place, that the installed program finds the installed signatures and is not linked to
what few runs use, that the unit, the user, the device rule and the log rotation are what their programs understand, and
that an upgrade keeps the site's configuration. A program that is missing here is said aloud and its check left out.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

UNIT = "usr/local/lib/systemd/system/doorslam.service"
FILES = [
    "usr/local/bin/doorslam",
    "usr/local/share/doorslam/signatures/common.yaml",
    "usr/local/share/doorslam/signatures.cache",
    "usr/local/share/doc/doorslam/deploy.md",
    "usr/local/share/doorslam/monitoring/doorslam.json",
    "usr/local/share/doorslam/monitoring/doorslam.rules.yml",
    "usr/local/share/doorslam/siem/rsyslog.conf",
    "usr/local/share/doorslam/siem/single.sql",
    UNIT,
    "usr/local/lib/sysusers.d/doorslam.conf",
    "usr/local/lib/udev/rules.d/70-doorslam.rules",
    "etc/doorslam/doorslam.yaml",
    "etc/logrotate.d/doorslam",
]


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)


def expect(condition, what, done=None):
    if condition:
        return
    print(f"FAILED: {what}")
    if done is not None:
        print(done.stdout + done.stderr)
    sys.exit(1)


def install(build, root):
    done = run("meson", "install", "-C", build, "--no-rebuild", env=dict(os.environ, DESTDIR=str(root)))
    expect(done.returncode == 0, "meson install", done)
    return done


def has(program):
    found = shutil.which(program) is not None
    if not found:
        print(f"left out: there is no {program} here")
    return found


def check_program(root, captures):
    environment = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(root / "cache")}
    program = root / "usr/local/bin/doorslam"
    done = run(program, "check", "-c", root / "etc/doorslam/doorslam.yaml", env=environment)
    expect(done.returncode == 0, "the installed configuration is fine", done)
    signatures = root / "usr/local/share/doorslam/signatures"
    expect(str(signatures) in done.stdout, f"the installed program reads {signatures}", done)
    # What it finds in a capture depends on the signatures.
    done = run(program, "read", captures / "vsftpd_tcp_wrappers.pcap", "--quiet", "--flows", "-", env=environment)
    expect(done.returncode == 0 and '"cause":"acl_denied"' in done.stdout, "a refusal is told", done)
    # Without its data it says what it misses, and does not fall back to the sources.
    shutil.move(signatures, root / "elsewhere")
    done = run(program, "check", env=environment)
    shutil.move(root / "elsewhere", signatures)
    expect(done.returncode == 1 and "/usr/local/share/doorslam/signatures" in done.stdout, "missing data is told", done)


def check_libraries(root):
    # Each with dozens of others behind it, which every start would load and bind (pipeline/base/late_library.h).
    if not has("readelf"):
        return
    done = run("readelf", "--dynamic", root / "usr/local/bin/doorslam")
    expect(done.returncode == 0 and "libhs.so" in done.stdout, "readelf tells the libraries of the program", done)
    for name in ("libcurl", "librdkafka"):
        expect(name not in done.stdout, f"{name} is not loaded before a sink needs it", done)


def check_service(root):
    unit = (root / UNIT).read_text()
    expect("@" not in unit.replace("@system-service", ""), "every path in the unit is filled in")
    expect("/usr/local/bin/doorslam run -c /etc/doorslam/doorslam.yaml" in unit, "the unit runs the installed program")
    if has("systemd-analyze"):
        # The program is installed below a folder; the unit must be right but for that.
        (root / "verify").mkdir()
        copy = root / "verify/doorslam.service"
        copy.write_text(unit.replace("/usr/local/bin/doorslam", str(root / "usr/local/bin/doorslam")))
        done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "doorslam" in line]
        expect(done.returncode == 0 and not ours, "systemd understands the unit", done)
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=25", copy)
        expect(done.returncode == 0, "the unit is hardened (exposure at most 2.5)", done)
        print(done.stdout.splitlines()[-1].strip())
    if has("systemd-sysusers"):
        (root / "etc/passwd").touch()
        done = run("systemd-sysusers", f"--root={root}", "--dry-run", root / "usr/local/lib/sysusers.d/doorslam.conf")
        expect(done.returncode == 0 and "doorslam" in done.stdout + done.stderr, "systemd-sysusers makes the user", done)
    if has("logrotate"):
        rotation = root / "logrotate.conf"
        text = (root / "etc/logrotate.d/doorslam").read_text()
        # The user is made by systemd-sysusers, which has not run here.
        rotation.write_text(text.replace("su doorslam doorslam", "").replace("create 0640 doorslam doorslam", "create 0640"))
        rotation.chmod(0o644)
        done = run("logrotate", "--debug", "--state", root / "state", rotation)
        expect(done.returncode == 0 and "error" not in done.stderr, "logrotate understands the rotation", done)


def check_upgrade(build, root):
    configuration = root / "etc/doorslam/doorslam.yaml"
    default = configuration.read_text()
    configuration.write_text("workers: 2\n")
    install(build, root)
    expect(configuration.read_text() == "workers: 2\n", "an upgrade keeps the site's configuration")
    expect((root / "etc/doorslam/doorslam.yaml.default").read_text() == default, "and leaves the defaults beside it")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--captures", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doorslam-install-") as folder:
        root = pathlib.Path(folder)
        install(arguments.build, root)
        for name in FILES:
            expect((root / name).is_file(), f"{name} is installed")
        check_program(root, arguments.captures)
        check_libraries(root)
        check_service(root)
        check_upgrade(arguments.build, root)
    print("installed, used and upgraded")


if __name__ == "__main__":
    main()
