#!/usr/bin/env python3
"""What goes wrong around a sensor: each is told in one clear line, and nothing is lost that is not counted.

Protects exit codes and messages, reloading, log rotation, and the restart after a kill.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from hanging_disk import HangingDisk
from harness import DOORSLAM, START_S, LiveTest, main, own_signature, records

# Where DPDK keeps its files: by the environment, as root, or else.
RUNTIME_FOLDERS = [f"{os.environ[name]}/dpdk" for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR") if name in os.environ]
RUNTIME_FOLDERS += ["/run/dpdk", "/tmp/dpdk"]


class FaultsTest(LiveTest):
    def refused(self, *arguments, command=(), huge_pages=False):
        """Runs a sensor that cannot start. Returns its exit code and its one line."""
        done = subprocess.run([*command, DOORSLAM, "run", *(() if huge_pages else ("--no-huge",)), "--set",
                               "run.telemetry=false", *arguments], capture_output=True, text=True, timeout=START_S, check=False)
        if "DPDK cannot be started" in done.stderr and not huge_pages or "unshare failed" in done.stderr:
            self.skipTest(done.stderr.strip())
        lines = [line for line in done.stderr.splitlines() if not line.startswith("EAL: FATAL")]  # the EAL's own
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("doorslam: "), lines[0])
        return done.returncode, lines[0]

    def test_wrong_pci_address(self):
        for address in ("0000:ff:1f.7", "FF:1f.7"):  # the domain may be left out
            code, line = self.refused("--port", address)
            self.assertEqual(code, 1)
            self.assertIn("0000:ff:1f.7: there is no such PCI device", line)

    def test_interface_that_is_not_there(self):
        code, line = self.refused("--vdev", "net_af_packet0,iface=nosuch0")
        self.assertEqual(code, 1)
        self.assertIn("no port could be made of it", line)
        self.assertIn("nosuch0", line)

    def test_no_huge_pages(self):
        """Where no hugetlbfs is mounted, in a mount namespace of its own, there are none."""
        code, line = self.refused("--vdev", "net_null0", huge_pages=True, command=(
            "unshare", "--mount", "sh", "-c", 'umount -a -t hugetlbfs 2>/dev/null; exec "$@"', "sh"))
        self.assertEqual(code, 1)
        self.assertIn("no huge pages are to be had", line)
        self.assertIn("--no-huge", line)

    def test_memory_that_is_not_there(self):
        """What tables and evidence may grow to and the host has not got is told at the start, not when it is needed."""
        meminfo = self.folder / "meminfo"
        meminfo.write_text(re.sub(r"MemAvailable: +\d+", "MemAvailable: 65536",
                                  pathlib.Path("/proc/meminfo").read_text(encoding="ascii")), encoding="ascii")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/meminfo && exec "$@"', meminfo,
                               DOORSLAM, "run", "--no-huge", "--set", "run.telemetry=false", "--set",
                               f"evidence.folder={self.folder}", "--vdev", "net_null0,no-rx=1", "--stop-when-idle", "0.2"],
                              capture_output=True, text=True, timeout=START_S, check=False)
        if any(words in done.stderr for words in ("DPDK cannot be started", "unshare failed", "mount: ")):
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [line for line in done.stderr.splitlines() if "memory: needs up to " in line]
        self.assertEqual(len(told), 1, done.stderr)
        self.assertIn("evidence.memory_bytes) = 64 MiB", told[0])
        self.assertIn("; 64 MiB are available; lower flows.capacity", told[0])

    def test_no_port(self):
        code, line = self.refused()
        self.assertEqual(code, 2)
        self.assertIn("no port to listen on", line)

    def test_output_that_takes_nothing(self):
        """A full disk is told of at the end, by the exit code as well; the packets are accounted for all the same."""
        sensor = self.memif_sensor("--workers", 1, "--flows", "/dev/full")
        generator = self.generator("--packets", 20_000)
        generator.result()
        sensor.end()
        self.assertEqual(sensor.process.returncode, 1)
        self.assertIn("/dev/full: not all records could be written: No space left on device", sensor.said)
        self.assert_exact(sensor)

    def test_disk_that_hangs(self):
        """A write that never returns is told of while it lasts, and does not keep the sensor from ending when it is to."""
        self.have_mounts_of_its_own()
        os.mkdir(self.path("disk"))
        try:
            disk = HangingDisk(self.path("disk"))
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(disk.release)
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("disk/flows"), "--alerts", self.path("alerts"),
                                   "--set", "run.log_seconds=1")
        disk.hang()
        self.generator("--packets", 20_000).result()
        sensor.wait_for("; flows a write has hung for ")
        sensor.end()
        self.assertEqual(sensor.said.count(": flows a write has hung for "), 1, sensor.said)
        self.assertEqual(sensor.process.returncode, 1, sensor.said)
        self.assertIn("a disk hangs, and the program had to end; not saved: ", sensor.said)
        self.assertIn(" octets of flows in hand", sensor.said)

    def test_reload(self):
        """SIGHUP: a broken signature file is refused in one line, and a good one taken; no packet is lost meanwhile."""
        path = self.folder / "own.yaml"
        path.write_text(own_signature("own-house-full", "000 the house is full"), encoding="utf-8")
        config = self.folder / "doorslam.yaml"
        config.write_text("alerts:\n  quiet_seconds: 60\n", encoding="utf-8")
        sensor = self.memif_sensor("-c", config, "--workers", 1, "--flows", self.path("flows"), "--set",
                                   f"signatures.paths={path}", "--set", "run.when_behind=wait")
        generator = self.generator("--packets", 400_000, "--rate", 100_000, "--refused-every", 50)
        path.write_text("signatures: [", encoding="utf-8")
        sensor.send(signal.SIGHUP)
        sensor.wait_for("not reloaded, the old settings stay")
        refusal = [line for line in sensor.said.splitlines() if "not reloaded" in line]
        self.assertEqual(len(refusal), 1)
        self.assertIn(str(path), refusal[0])
        self.assertNotIn("were read again", sensor.said)
        path.write_text(own_signature("own-house-full-2", "000 the house is full"), encoding="utf-8")
        config.write_text("alerts:\n  quiet_seconds: 30\nflows:\n  capacity: 4096\n", encoding="utf-8")
        sensor.send(signal.SIGHUP)
        sensor.wait_for("signatures and thresholds were read again")
        sensor.wait_for("take effect with the next start: flows.capacity")
        sent = generator.result()
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0)
        self.assert_exact(sensor)
        self.assertEqual(sensor.balance("net_memif0 on the wire")[0], sent["sent"])
        self.assertEqual(len(records(self.path("flows"))), sent["connections"])

    def test_rotated_output(self):
        """SIGUSR1 after the file was moved: a new one is begun, and no record is lost between them."""
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.when_behind=wait")
        generator = self.generator("--packets", 800_000, "--rate", 100_000)
        # Records come once connections are judged.
        until = time.monotonic() + START_S
        while not (self.folder / "flows").stat().st_size:
            self.assertIsNone(sensor.process.poll(), sensor.said)
            self.assertLess(time.monotonic(), until, "no record was written")
            time.sleep(0.1)
        os.rename(self.path("flows"), self.path("flows.1"))
        sensor.send(signal.SIGUSR1)
        sent = generator.result()
        sensor.end()
        before, after = len(records(self.path("flows.1"))), len(records(self.path("flows")))
        self.assertGreater(before, 0)
        self.assertGreater(after, 0)
        self.assertEqual(before + after, sent["connections"])

    def test_killed_and_started_again(self):
        """What a killed sensor leaves behind (its sockets, half a record, its folder) does not keep the next from working,
        and the folder goes with the next start."""
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.log_seconds=1")
        left = [folder / f"doorslam-{sensor.process.pid}" for folder in map(pathlib.Path, RUNTIME_FOLDERS)]
        left = [folder for folder in left if folder.exists()]
        self.assertEqual(len(left), 1, "where does DPDK keep its files?")
        generator = self.generator("--rate", 100_000)
        sensor.wait_until_received(20_000)
        sensor.send(signal.SIGKILL)
        sensor.end(None)
        generator.close()
        written = len((self.folder / "flows").read_bytes())
        again = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.when_behind=wait")
        generator = self.generator("--packets", 20_000)
        sent = generator.result()
        again.end()
        self.assertEqual(again.process.returncode, 0)
        self.assert_exact(again)
        self.assertEqual(again.balance("net_memif0 on the wire")[0], sent["sent"])
        self.assertFalse(left[0].exists())
        new = (self.folder / "flows").read_bytes()[written:]
        self.assertEqual(new.count(b"\n"), sent["connections"])

    def test_end_under_load(self):
        """SIGTERM while packets keep coming and 200,000 connections are open: the sensor ends, with a record of each."""
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.log_seconds=1",
                                   "--set", "run.when_behind=wait")
        generator = self.generator("--open", 200_000)
        sensor.wait_until_received(1_000_000)
        took = sensor.end()
        generator.close()
        begun, ways = sensor.balance("connections")
        print(f"{ways.get('cut off by the end', 0)} connections were open: ended after {took:.1f} s", file=sys.stderr)
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.assert_exact(sensor)
        self.assertGreater(ways.get("cut off by the end", 0), 50_000)
        self.assertEqual((self.folder / "flows").read_bytes().count(b"\n"), begun)

    def test_end_while_somebody_knocks(self):
        """A peer that connects while the sensor lets go of its device and its memory does not make it crash.

        DPDK's net_memif frees what its listening socket's handler needs, and leaves the handler."""
        self.have_huge_pages()
        for _ in range(5):
            sensor = self.memif_sensor("--workers", 1, huge_pages=True)
            sensor.send(signal.SIGTERM)
            peers = []  # which stay: that one leaves at once is too much for the driver
            while sensor.process.poll() is None:
                time.sleep(0.005)
                if len(peers) == 32:
                    continue
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                peer.settimeout(0.01)
                try:
                    peer.connect(b"\0" + self.path("memif").encode())
                    peers.append(peer)
                except OSError:
                    peer.close()
            for peer in peers:
                peer.close()
            sensor.end(None)
            self.assertEqual(sensor.process.returncode, 0, sensor.said)

    def test_records_that_nobody_takes(self):
        """A reader that takes nothing does not keep the sensor from ending: what it did not get is counted."""
        os.mkfifo(self.path("fifo"))
        end = os.open(self.path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, end)
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("fifo"))
        generator = self.generator("--packets", 100_000)
        generator.result()
        sensor.end()
        self.assertEqual(sensor.process.returncode, 1)
        self.assert_exact(sensor)
        begun, _ = sensor.balance("connections")
        told = re.search(r"nobody took them.* \((\d+) of (\d+) are missing\)", sensor.said)
        self.assertTrue(told, sensor.said)
        missing, records_ = map(int, told.groups())
        self.assertEqual(records_, begun)
        os.set_blocking(end, True)
        with os.fdopen(os.dup(end), "rb") as stream:
            self.assertEqual(stream.read().count(b"\n"), begun - missing)

    def test_fifo_without_a_reader(self):
        os.mkfifo(self.path("fifo"))
        code, line = self.refused("--vdev", "net_null0", "--flows", self.path("fifo"))
        self.assertEqual(code, 1)
        self.assertIn("nobody reads this FIFO", line)

    def test_cards_that_spread(self):
        """A device with symmetric hashing is taken at its word only after it was tried; one without is steered."""
        for device, words in (("net_null0,no-rx=1", "the cards spread both directions of a connection to one of 2"),
                              ("net_ring0", "a receiving thread decodes, and steers")):
            sensor = self.sensor("--vdev", device, "--workers", 2, "--stop-when-idle", 0.2)
            sensor.end(None)
            self.assertEqual(sensor.process.returncode, 0, sensor.said)
            self.assertIn(words, sensor.said)
            self.assert_exact(sensor)


if __name__ == "__main__":
    main()
