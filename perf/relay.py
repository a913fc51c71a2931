#!/usr/bin/env python3
"""What it costs that requests reach another instance than that of their session.

Starts a Redis and two servers (the example `conformance`, release build) on the loopback interface, and lets one polling
client speak to both: directly to the server with its session, and through the other one. Prints the latency of POSTs
and GETs both ways, and how many messages Redis passes on for them and for a default client's connect.

    cargo build --release --example conformance
    python3 perf/relay.py [ROUNDS]

The exit code is 1 if a figure is beyond its target.
"""

import os
import socket
import struct
import subprocess
import sys
import time

SERVER = os.environ.get("KINGLET_CONFORMANCE", "target/release/examples/conformance")
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000

# Targets: milliseconds that passing on may add at the median and at the 99th percentile, and messages.
ADDED_MS = {50: 1.0, 99: 5.0}
CONNECT_MESSAGES = 10
REQUEST_MESSAGES = 2


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def connect(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            stream = socket.create_connection(("127.0.0.1", port), timeout=10)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return stream
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Http:
    """A kept connection, for one request after the other."""

    def __init__(self, port):
        self.stream, self.rest = connect(port), b""

    def send(self, method, sid, body=None):
        target = "/websockets/?EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        self.stream.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{body or ''}".encode())

    def answer(self):
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        assert lines[0].startswith("HTTP/1.1 200 "), lines[0]
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        while len(self.rest) < length:
            self.rest += self.receive()
        body, self.rest = self.rest[:length], self.rest[length:]
        return body.decode()

    def receive(self):
        received = self.stream.recv(65536)
        assert received, "the server has closed the connection"
        return received

    def ask(self, method, sid, body=None):
        self.send(method, sid, body)
        return self.answer()


class WebSocket(Http):
    """The WebSocket of a session."""

    def __init__(self, port, sid):
        super().__init__(port)
        self.stream.sendall(
            f"GET /websockets/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    def text(self, text):
        self.stream.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text.encode())

    def next(self):
        while len(self.rest) < 2 or len(self.rest) < 2 + self.rest[1]:
            self.rest += self.receive()
        end = 2 + self.rest[1]
        text, self.rest = self.rest[2:end], self.rest[end:]
        return text.decode()


def published(redis):
    """How many messages Redis was given so far."""
    with connect(redis) as stream:
        with stream.makefile("rwb") as file:
            file.write(b"INFO commandstats\r\n")
            file.flush()
            stats = file.read(int(file.readline()[1:]))
    calls = [line for line in stats.split(b"\r\n") if line.startswith(b"cmdstat_publish:")]
    return int(calls[0].split(b"calls=")[1].split(b",")[0]) if calls else 0


def open_session(owner):
    return Http(owner).ask("GET", None).split('"sid":"')[1][:20]


def converse(owner, by, redis):
    """POSTs and GETs of a session by way of a server: their latencies in milliseconds, and messages for each request."""
    sid, http = open_session(owner), Http(by)
    http.ask("POST", sid, "40")
    http.ask("GET", sid)
    posts, gets, before = [], [], published(redis)
    for number in range(ROUNDS):
        begun = time.perf_counter()
        http.ask("POST", sid, f'42{number}["message-with-ack",{number}]')
        posted = time.perf_counter()
        answer = http.ask("GET", sid)
        got = time.perf_counter()
        assert answer == f"43{number}[{number}]" or answer == "2", answer
        if answer == "2":
            http.ask("POST", sid, "3")
            http.ask("GET", sid)
            continue
        posts.append((posted - begun) * 1000)
        gets.append((got - posted) * 1000)
    return posts, gets, (published(redis) - before) / (2 * len(posts))


def default_connect(owner, entry, redis):
    """Messages for the connect of a default client none of whose requests finds its session."""
    before = published(redis)
    sid, get = open_session(owner), Http(entry)
    Http(entry).ask("POST", sid, "40")
    get.send("GET", sid)
    websocket = WebSocket(entry, sid)
    websocket.text("2probe")
    assert websocket.next() == "3probe"
    get.answer()
    websocket.text("5")
    assert websocket.next().startswith("40{")
    time.sleep(0.2)
    return published(redis) - before


def percentile(sample, percent):
    return sorted(sample)[min(len(sample) - 1, len(sample) * percent // 100)]


def main():
    redis_port, ports, processes = free_port(), [free_port(), free_port()], []
    begin = lambda *command, **env: processes.append(
        subprocess.Popen(command, env={**os.environ, "RUST_LOG": "error", **env}, stdout=subprocess.DEVNULL)
    )
    try:
        begin("redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        for port in ports:
            begin(SERVER, PORT=str(port), REDIS_URL=f"redis://127.0.0.1:{redis_port}")
        for port in [redis_port, *ports]:
            connect(port).close()
        time.sleep(1)
        return report(*ports, redis_port)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def report(owner, entry, redis):
    converse(owner, entry, redis)
    local, relayed = converse(owner, owner, redis), converse(owner, entry, redis)
    is_met = True
    print(f"{'ms':8}{'':8}{'direct':>10}{'passed on':>12}{'added':>8}")
    for kind, name in enumerate(["POST", "GET"]):
        for percent, most in ADDED_MS.items():
            here, there = (percentile(way[kind], percent) for way in (local, relayed))
            is_met &= there - here <= most
            print(f"{name:8}{f'p{percent}':8}{here:10.3f}{there:12.3f}{there - here:8.3f}")
    cost, connects = relayed[2], default_connect(owner, entry, redis)
    print(f"messages: {local[2]:.2f} a direct request, {cost:.2f} one passed on, {connects} a default connect")
    return is_met and cost <= REQUEST_MESSAGES + 0.01 and connects <= CONNECT_MESSAGES


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
