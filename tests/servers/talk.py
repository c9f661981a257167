"""A client's connection to a server of the stage, and the label that says what became of it."""
import socket
import ssl
import struct
import threading
import time

from stage import SERVER, SERVER6, StageError, client_address

PATIENCE_S = 4.0
LONGEST_QUOTE = 80
CLASSES = {
    "normal": ("served",),
    "application": ("acl_denied", "connection_limit", "rate_limit", "tls_refused", "http_refused", "auth_failed",
                    "maintenance"),
    "server_failure": ("app_crash", "server_no_reply"),
    "server_stack": ("port_closed", "accept_queue_overflow"),
    "network": ("icmp_unreachable", "icmp_admin_prohibited", "silent_drop", "middlebox_reset"),
    "client": ("bad_handshake_ack", "client_abort", "client_vanished", "client_zero_window"),
}
CLASS_OF = {cause: name for name, causes in CLASSES.items() for cause in causes}


class Talk:
    """One TCP connection of client `number`, with `second` to the second host behind the address. `connected` says whether the handshake succeeded; `heard` holds all that
    the server said; `ended` is how the server ended it: None (it did not), `eof`, `ECONNRESET`."""

    def __init__(self, stage, number, port, six=False, patience_s=PATIENCE_S, second=False):
        self._stage = stage
        self._socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
        self._socket.bind((client_address(number, six), stage.second_host_port() if second else 0))
        self._client = self._socket.getsockname()[:2]
        self._server = (SERVER6 if six else SERVER, port)
        self._socket.settimeout(patience_s)
        self._start = time.time()
        self.heard, self.ended, self.connect_error = b"", None, None
        try:
            self._socket.connect(self._server)
        except OSError as error:
            self.connect_error = type(error).__name__
        self.connected = self.connect_error is None

    @property
    def client_port(self):
        return self._client[1]

    def say(self, data):
        """Sends; a server that has left already is not an error here but in the reading that follows."""
        try:
            self._socket.sendall(data)
        except OSError:
            pass
        return self

    def hear(self, until=None, patience_s=PATIENCE_S):
        """Reads until what is new holds `until` (without: until the server ends it). Returns what is new."""
        new, deadline = b"", time.monotonic() + patience_s
        while self.ended is None and (until is None or until not in new):
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                self.ended = "ECONNRESET"
                break
            except (TimeoutError, ssl.SSLWantReadError):
                break
            except OSError as error:
                self.ended = type(error).__name__
                break
            if not data:
                self.ended = "eof"
            new += data
        self.heard += new
        return new

    def expect(self, words, patience_s=PATIENCE_S):
        """Reads until the words came; anything else means that the scenario did not provoke what it claims."""
        said = self.hear(words, patience_s)
        if words not in said:
            raise StageError(f"{self._client[0]} expected {words!r} of port {self._server[1]}, heard {said!r}"
                             f" ({self.ended or self.connect_error or 'still open'})")
        return self

    def expect_end(self, patience_s=PATIENCE_S):
        """Reads until the server has ended the connection."""
        said = self.hear(None, patience_s)
        if self.ended is None:
            raise StageError(f"{self._client[0]} expected port {self._server[1]} to hang up, heard {said!r}")
        return self

    def start_tls(self, context, name=None):
        """Negotiates TLS; returns None, or the exception's text where the server refused."""
        self._socket.settimeout(PATIENCE_S)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=name)
        except (ssl.SSLError, OSError) as error:
            self.ended = self.ended or type(error).__name__
            return str(error)
        return None

    def relay_for(self, run):
        """Lends the connection to a client program: calls run(port) with a local port that leads into it."""
        listener = socket.create_server(("127.0.0.1", 0))
        pumps = []

        def pump(source, sink, keep):
            try:
                while data := source.recv(65536):
                    if keep:
                        self.heard += data
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        def serve():
            near = listener.accept()[0]
            self._socket.settimeout(None)
            for source, sink, keep in (near, self._socket, False), (self._socket, near, True):
                pumps.append(threading.Thread(target=pump, args=(source, sink, keep), daemon=True))
                pumps[-1].start()

        acceptor = threading.Thread(target=serve, daemon=True)
        acceptor.start()
        result = run(listener.getsockname()[1])
        acceptor.join(1)
        for thread in pumps:
            thread.join(2)
        listener.close()
        return result

    def close(self, reset=False):
        """The client ends it: with FIN, or with RST."""
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        return self

    def label(self, cause, notes, also=()):
        """Writes down what truly became of the connection, and why that is known."""
        truth = {"class": CLASS_OF[cause], "cause": cause, "notes": notes}
        if also:
            truth["also_acceptable"] = list(also)
        truth["client_saw"] = {"connect": self.connect_error or "ok",
                               "first_bytes": self.heard[:LONGEST_QUOTE].decode("latin-1"), "end": self.ended}
        self._stage.labels.append({
            "pcap": self._stage.capture.name, "client_ip": self._client[0], "client_port": self._client[1],
            "server_ip": self._server[0], "server_port": self._server[1],
            "start_ts_approx": round(self._start, 6), "truth": truth})
        return self

    def served(self, notes="got its answer"):
        return self.label("served", notes)
