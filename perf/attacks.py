"""What hostile clients do to others, on the smallest machine: a quarter of a core and 512 MB.

    cargo build --release --example conformance
    sudo python3 perf/attacks.py [NAME ...]          # all of them take some three minutes

Each attack meets a fresh server in a control group of version 1. Meanwhile one client asks for an acknowledgement and
another for `GET /`, every tenth of a second. Printed are the longest that either waited, the most memory that was in use,
in what time all but 8 MiB of it was given back when the attackers had left, and what became of them. Exit code 1 if somebody
waited for more than 200 ms, was cut off, more than 90 % of the memory were in use, or it was back after more than 5 s. The
server runs on the first core, all else on the last."""

import base64
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

SERVER = os.environ.get("KINGLET_CONFORMANCE", "target/release/examples/conformance")
GROUPS = {"cpu": {"cpu.cfs_quota_us": "25000"}, "memory": {"memory.limit_in_bytes": "512M"}}
NAME = f"kinglet-attacks-{os.getpid()}"
MEMORY = 512 << 20
CORES = sorted(os.sched_getaffinity(0))
MAX_WAIT_SECONDS = 0.2
MAX_MEMORY_PERCENT = 90
MAX_BACK_SECONDS = 5
LEFT_BEHIND = 8 << 20
PATIENCE_SECONDS = 30
WITNESS_PAUSE_SECONDS = 0.1
FLOOD_SECONDS = 8
PATH = "/websockets/"


def group(kind):
    return f"/sys/fs/cgroup/{kind}/{NAME}"


def write(file, text):
    with open(file, "w", encoding="ascii") as opened:
        opened.write(text)


def memory(what):
    with open(f"{group('memory')}/memory.{what}", encoding="ascii") as opened:
        return int(opened.read())


def frame(payload, opcode=1):
    """A client's frame; a mask of zeros leaves the payload as it is."""
    data = payload if isinstance(payload, bytes) else payload.encode()
    length = len(data)
    if length < 126:
        head = bytes([0x80 | opcode, 0x80 | length])
    elif length < 65536:
        head = bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", length)
    else:
        head = bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", length)
    return head + bytes(4) + data


class Server:
    """The conformance application, confined."""

    def __init__(self, env):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        for kind, settings in GROUPS.items():
            os.makedirs(group(kind), exist_ok=True)
            for setting, value in settings.items():
                write(f"{group(kind)}/{setting}", value)
        settings = {"PORT": str(self.address[1]), "KINGLET_SHARDS": "1", **env}
        self.process = subprocess.Popen([SERVER], env={**os.environ, **settings}, preexec_fn=self.confine)
        while True:
            with suppress(OSError):
                self.connect().close()
                break
            if self.process.poll() is not None:
                sys.exit(f"{SERVER} has ended: {self.process.returncode}")
        write(f"{group('memory')}/memory.max_usage_in_bytes", "0")

    @staticmethod
    def confine():
        os.sched_setaffinity(0, {CORES[0]})
        for kind in GROUPS:
            write(f"{group(kind)}/cgroup.procs", str(os.getpid()))

    def stop(self):
        """Ends it. Says whether it was there until now."""
        lived = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        return lived

    def connect(self):
        connection = socket.create_connection(self.address, PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def websocket(self):
        connection = self.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET {PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: attack\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        read_until(connection, b"0{")
        return connection

    def joined(self, namespace="/"):
        connection = self.websocket()
        connection.sendall(frame("40" if namespace == "/" else f"40{namespace},"))
        read_until(connection, b'"auth"')
        return connection


class Polling:
    """A session over one connection, joined to the main namespace, with nothing left to fetch."""

    def __init__(self, server, coding="identity"):
        self.connection = server.connect()
        self.coding = coding
        self.session = ""
        self.ask()
        opened = read_until(self.connection, b'"upgrades"')
        self.session = "&sid=" + re.search(rb'"sid":"([^"]+)"', opened)[1].decode()
        self.post(b"40")
        fetched = b""
        while b'"auth"' not in fetched:
            self.ask()
            fetched += read_until(self.connection, b"\r\n\r\n")

    def ask(self):
        self.send("GET", f"Accept-Encoding: {self.coding}\r\n")

    def post(self, body):
        self.send("POST", f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n", body)
        read_until(self.connection, b"\r\n\r\nok")

    def send(self, method, headers, body=b""):
        target = f"{PATH}?EIO=4&transport=polling{self.session}"
        self.connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: attack\r\n{headers}\r\n".encode() + body)


def read_until(connection, end):
    """Reads until that has come; what stands behind it may have come, too."""
    read = b""
    while end not in read:
        data = connection.recv(65536)
        if not data:
            raise ConnectionError(f"the end instead of {end!r} after {read[-100:]!r}")
        read += data
    return read


class Witnesses:
    """Who is not to be harmed."""

    def __init__(self, server):
        self.server = server
        self.over = threading.Event()
        self.waits = {"ack": [0.0], "GET /": [0.0]}
        self.harmed = []
        watches = [("ack", self.acknowledged(server.joined("/custom"))), ("GET /", self.answered())]
        self.threads = [threading.Thread(target=self.watch, args=watch) for watch in watches]
        for thread in self.threads:
            thread.start()

    def watch(self, name, questions):
        while not self.over.wait(WITNESS_PAUSE_SECONDS):
            begin = time.monotonic()
            try:
                next(questions)
            except (OSError, StopIteration) as error:
                self.harmed.append(f"{name}: {error!r}")
                return
            self.waits[name].append(time.monotonic() - begin)

    @staticmethod
    def acknowledged(connection):
        number = 0
        while True:
            number += 1
            connection.sendall(frame(f'42/custom,{number}["message-with-ack"]'))
            if b"\x81\x012" in read_until(connection, f"43/custom,{number}[".encode()):
                connection.sendall(frame("3"))
            yield

    def answered(self):
        while True:
            with self.server.connect() as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: witness\r\nConnection: close\r\n\r\n")
                read_until(connection, b"200 OK")
            yield

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def flood(clients, bytes_at_once):
    """So many WebSockets that send these bytes again and again."""

    def attack(server):
        end = time.monotonic() + FLOOD_SECONDS

        def send(connection):
            connection.settimeout(0.5)
            with suppress(ConnectionError):
                while time.monotonic() < end:
                    with suppress(TimeoutError):
                        connection.send(bytes_at_once)

        threads = [threading.Thread(target=send, args=(server.joined(),)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return attack


def authentication(server):
    """600 clients with a megabyte of authentication data each."""
    clients = [server.websocket() for _ in range(600)]
    for client in clients:
        client.sendall(frame('40{"token":"' + "x" * 999_000 + '"}'))
    for client in clients:
        # They are refused for what they send, and not cut off because all of them send it at once.
        read_until(client, b'"message"').index(b"44{")
    return f"{len(clients)} refused"


def rooms(server):
    """One client that joins 500 rooms with names of a megabyte."""
    client = server.joined()
    for number in range(500):
        client.sendall(frame(f'42["join","{number}' + "r" * 990_000 + '"]'))
    client.sendall(frame('427["rooms"]'))
    return f"{read_until(client, b'437[').count(b'rrr')} joined"


def heads(server):
    """150 POSTs that end in the head of a binary event."""
    body = b'42["x","' + b"y" * 900_000 + b'"]\x1e451-["x",{"_placeholder":true,"num":0}]'
    sessions = [Polling(server) for _ in range(150)]
    for session in sessions:
        session.post(body)
    return f"{memory('usage_in_bytes') >> 20} MiB while they wait"


def compression(server):
    """256 polling clients of both codings, and one message of 0.9 MB."""
    sessions = [Polling(server, coding) for coding in ("gzip", "deflate") * 128]
    for session in sessions:
        session.ask()
    text = "".join(random.choices("abcdefgh 0123456789", k=900_000))
    server.joined().sendall(frame(f'42["broadcast","news","{text}"]'))
    compressed = [b"Content-Encoding" in read_until(session.connection, b"\r\n\r\n") for session in sessions]
    return f"{sum(compressed)} answered in their coding"


def deaf(server):
    """1,000 clients that never read, and 50 messages of 20 kB a second to everybody."""
    clients = [server.joined() for _ in range(1000)]
    sender = server.joined()
    end = time.monotonic() + 20

    def read():
        with suppress(OSError):
            while sender.recv(1 << 20):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    message = frame('42["emit-all","news","' + "x" * 20_000 + '"]')
    while time.monotonic() < end:
        sender.sendall(message)
        time.sleep(0.02)
    sender.shutdown(socket.SHUT_RDWR)
    reader.join()
    return f"{len(clients)} did not read"


def echo(server):
    """40 MB of messages that all come back, to a client that never reads."""
    before = memory("usage_in_bytes")
    client = server.joined()
    client.settimeout(3)
    sent = 0
    with suppress(TimeoutError, ConnectionError):
        while sent < 80:
            client.sendall(frame('42["message","' + "x" * 500_000 + '"]'))
            sent += 1
    return f"{(memory('usage_in_bytes') - before) >> 10} KiB more with {sent} of 80 sent"


def handshakes(server):
    """30,000 polling handshakes over one connection, whose sessions end by themselves."""
    before = memory("usage_in_bytes")
    connection = server.connect()
    request = f"GET {PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: attack\r\n\r\n".encode()
    for _ in range(30_000):
        connection.sendall(request)
        read_until(connection, b'"maxPayload"')
    most = memory("usage_in_bytes")
    # They are given up four and a half seconds after they began.
    time.sleep(8)
    server.joined().close()
    return f"{before >> 10} KiB before, {most >> 10} with them, {memory('usage_in_bytes') >> 10} after"


SMALLEST = frame('42["x"]') * 4000
ATTACKS = {
    "one-flood": flood(1, SMALLEST),
    "ten-floods": flood(10, SMALLEST),
    "twenty-floods": flood(20, SMALLEST),
    "pongs": flood(20, frame(b"", opcode=10) * 8000),
    "packets": flood(20, frame("3") * 8000),
    "authentication": authentication,
    "rooms": rooms,
    "heads": heads,
    "compression": compression,
    "deaf": deaf,
    "echo": echo,
    "handshakes": handshakes,
}
SETTINGS = {"handshakes": {"CONFORMANCE_PING_INTERVAL": "3000", "CONFORMANCE_PING_TIMEOUT": "1500"}}


@contextmanager
def groups():
    try:
        yield
    finally:
        for kind in GROUPS:
            with suppress(OSError):
                os.rmdir(group(kind))


def seconds_until_back(before):
    """The time until the memory of an attack is given back."""
    begin = time.monotonic()
    while memory("usage_in_bytes") > before + LEFT_BEHIND and time.monotonic() - begin < PATIENCE_SECONDS:
        time.sleep(0.05)
    return time.monotonic() - begin


def play(name):
    """Plays an attack. Says whether nobody was harmed."""
    server = Server(SETTINGS.get(name, {}))
    try:
        witnesses = Witnesses(server)
        before = memory("usage_in_bytes")
        try:
            outcome = ATTACKS[name](server) or ""
            back = seconds_until_back(before)
        finally:
            witnesses.stop()
        percent = 100 * memory("max_usage_in_bytes") / MEMORY
    finally:
        lived = server.stop()
    waits = {what: max(waits) for what, waits in witnesses.waits.items()}
    columns = "  ".join(f"{what} {wait * 1000:4.0f} ms" for what, wait in waits.items())
    harmed = "; ".join(witnesses.harmed)
    print(f"{name:14}  {columns}  memory {percent:3.0f} %, back in {back:.1f} s  {outcome}{harmed}", flush=True)
    bounds = max(waits.values()) <= MAX_WAIT_SECONDS and percent <= MAX_MEMORY_PERCENT and back <= MAX_BACK_SECONDS
    return lived and not harmed and bounds


def main(names):
    unknown = [name for name in names if name not in ATTACKS]
    if unknown:
        sys.exit(f"no attack {unknown[0]!r}: {', '.join(ATTACKS)}")
    os.sched_setaffinity(0, {CORES[-1]})
    with groups():
        harmless = [play(name) for name in names or ATTACKS]
    sys.exit(0 if all(harmless) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
