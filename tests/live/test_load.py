#!/usr/bin/env python3
"""A generator in a second process sends real TCP conversations over net_memif, as fast as the sensor takes them: the
counters of both sides agree to the packet, whatever is full or behind, and refusals outlive served connections.

Protects the accounts of the live path: received = processed + each counted reason, and no connection without its record.
"""
import os
import threading

from harness import LiveTest, main, records

PACKETS = 600_000
# 0x9e3779b1 spreads the generator's connections over the addresses (bench/support/traffic.h); this takes it back.
SPREAD_INVERSE = pow(0x9E3779B1, -1, 1 << 32)


def number_of(flow):
    """Which connection of the generator this was."""
    address = flow["source"]["ip"]
    if ":" in address:
        head, low = address.rsplit(":", 1)
        high = head.rsplit(":", 1)[1]
        ip = int(high or "0", 16) << 16 | int(low, 16)
    else:
        first, second, third, fourth = map(int, address.split("."))
        ip = first << 24 | second << 16 | third << 8 | fourth
    return ((ip & 0x3FFFFF) << 10 | flow["source"]["port"] & 1023) * SPREAD_INVERSE % (1 << 32)


class LoadTest(LiveTest):
    def play(self, sensor, *arguments):
        """Sends all packets, ends the sensor, and checks what must always hold. Returns what the generator sent."""
        generator = self.generator(*arguments)
        sent = generator.result()
        sensor.end()
        generator.close()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.check(sensor, sent)
        return sent

    def check(self, sensor, sent):
        self.assertEqual(sent["sent"], sent["driver_sent"])
        received, ways = sensor.balance("net_memif0 on the wire")
        self.assertEqual(received, sent["sent"], "packets sent and received")
        self.assertEqual(ways, {"polled": received})
        self.assertEqual(sensor.balance("packets decoded")[1], {"tcp": sent["sent"]})
        self.assert_exact(sensor)

    def flows_of(self, name="flows"):
        flows = records(self.path(name))
        numbers = [number_of(flow) for flow in flows]
        self.assertEqual(len(set(numbers)), len(numbers), "one connection, one record")
        return dict(zip(numbers, flows))

    def check_records(self, sent, refused_every):
        """A record for each connection, and those that were refused are not taken for served."""
        flows = self.flows_of()
        self.assertEqual(len(flows), sent["connections"])
        refused = {number for number in flows if number % refused_every == refused_every - 1}
        self.assertEqual(len(refused), sent["refused"])
        # The newest had no time to be refused.
        mistaken = [n for n, flow in flows.items() if flow["destination"]["bytes"] == 0 and n in refused
                    and flow["doorslam"]["conn_state"] == "SF" and flow["doorslam"]["cause"] == "served"]
        self.assertFalse(mistaken, "refused, and taken for served")

    def test_every_packet_and_connection(self):
        """One worker: what was sent was received, tracked and told."""
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.when_behind=wait")
        sent = self.play(sensor, "--packets", PACKETS, "--open", 20000, "--refused-every", 50, "--v6-every", 4)
        self.assertEqual(sensor.balance("connections")[0], sent["connections"])
        self.check_records(sent, 50)

    def test_two_workers_behind_one_port(self):
        """A receiver deals to two workers, all on one CPU, through the shortest rings: what has no room there is counted,
        and the buffers that wait in them leave the port enough."""
        cpu = min(os.sched_getaffinity(0))
        home = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
        try:
            sensor = self.memif_sensor("--workers", 2, "--set", "run.steering_ring=256", "--set",
                                       "run.descriptors=64")
        finally:
            os.sched_setaffinity(0, home)
        sent = self.play(sensor, "--packets", 200_000, "--open", 20000, "--refused-every", 50, "--v6-every", 4)
        segments, ways = sensor.balance("TCP segments and ICMP errors")
        self.assertEqual(segments, sent["sent"])
        self.assertGreater(ways.get("lost between receiver and worker", 0), 0, "the rings were never full")

    def test_table_full(self):
        """Far more connections than the table holds: those that had to go are counted, and all have a record."""
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("flows"), "--set", "run.when_behind=wait",
                                   "--set", "flows.capacity=1024", "--set", "flows.capacity_ipv6=1024")
        self.play(sensor, "--packets", 300_000, "--open", 20000, "--v6-every", 4)
        begun, ways = sensor.balance("connections")
        self.assertGreater(ways.get("evicted", 0), 0)
        self.assertEqual(len(records(self.path("flows"))), begun)

    def held_back(self, refused_every, *settings):
        """A run whose records nobody takes, until all packets are sent: the analysis stands still from the first on, which
        come once connections are over, in the second of six seconds. Returns the sensor, what was sent, and the records."""
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        sensor = self.memif_sensor("--workers", 1, "--flows", fifo, "--set", "run.when_behind=sample",
                                   "--set", "flows.timeout.closing_seconds=1", *settings)
        generator = self.generator("--packets", 600_000, "--rate", 100_000, "--open", 2000,
                                   "--refused-every", refused_every)
        sent = generator.result()
        os.set_blocking(end, True)
        stream = os.fdopen(end, "rb")
        taken = []
        reader = threading.Thread(target=lambda: taken.append(stream.read()))
        reader.start()
        sensor.end()
        reader.join()
        stream.close()
        generator.close()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.check(sensor, sent)
        with open(self.path("flows"), "wb") as file:
            file.write(taken[0])
        return sensor, sent, self.flows_of()

    def test_analysis_held_back(self):
        """While the analysis stands still, no packet is lost, served connections are left out, and no refused one."""
        sensor, sent, flows = self.held_back(20, "--set", "run.served_ring=1024")
        left_out = sensor.counted("events of served connections sampled out") + sensor.counted(
            "events of served connections lost")
        self.assertGreater(left_out, 0, "the analysis kept up: nothing was tested")
        self.assertEqual(sensor.counted("events lost"), 0)
        self.assertLess(len(flows), sent["connections"])
        missing = [n for n in range(sent["connections"]) if n % 20 == 19 and n not in flows]
        self.assertFalse(missing, "refused connections without a record")

    def test_analysis_held_back_and_no_room(self):
        """Even refusals have no room: each that is lost is counted."""
        sensor, _, _ = self.held_back(3, "--set", "run.served_ring=1024", "--set", "run.refusal_ring=1024")
        self.assertGreater(sensor.counted("events lost"), 0, sensor.said)
        self.assertGreater(sensor.counted("events of served connections sampled out") + sensor.counted(
            "events of served connections lost"), 0)


if __name__ == "__main__":
    main()
