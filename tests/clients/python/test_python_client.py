"""The Python client against the conformance application: an implementation apart from the official one."""

import os
import queue
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import engineio.payload
import socketio

WAIT_SECONDS = 20

# By default this client gives up on a polling payload of more than 16 packets.
engineio.payload.Payload.max_decode_packets = 1_000


class Server:
    """The binary named by KINGLET_CONFORMANCE on a port of its own."""

    def __init__(self):
        binary = os.environ["KINGLET_CONFORMANCE"]
        for _ in range(5):
            self.claim_port()
            self.process = subprocess.Popen([binary], env={**os.environ, "PORT": str(self.port)})
            if self.accepts():
                return
            self.process.kill()
            self.process.wait()
        raise AssertionError(f"the server did not start, exit code {self.process.returncode}")

    def claim_port(self):
        """A free port that no other test process takes: its UDP namesake is held as long as the server lives."""
        while True:
            self.claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.claim.bind(("127.0.0.1", 0))
            self.port = self.claim.getsockname()[1]
            with socket.socket() as probe:
                try:
                    probe.bind(("0.0.0.0", self.port))
                    return
                except OSError:
                    self.claim.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def accepts(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return urllib.request.urlopen(self.url, timeout=2).status == 200
            except urllib.error.URLError:
                time.sleep(0.01)
        return False

    def stop(self):
        """Ends the server; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.claim.close()


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    alive = server.process.poll() is None
    code = server.stop()
    assert alive, f"the server died during the tests, exit code {code}"
    assert code == 0, f"exit code {code} after SIGTERM instead of 0"


class Tests:
    """What holds whatever the way to the server; `transports` is the way."""

    transports: list

    def connected(self, namespaces=("/",), auth=None, transports=None):
        """A connected client; `client.heard` is a queue of (namespace, event, arguments)."""
        client = socketio.Client(reconnection=False)
        client.heard = queue.Queue()
        for namespace in namespaces:
            client.on("*", self.listener(client, namespace), namespace=namespace)
            client.on("disconnect", self.ending(client, namespace), namespace=namespace)
        self.addCleanup(self.go, client)
        client.connect(
            server.url, transports=transports or self.transports, socketio_path="websockets",
            namespaces=list(namespaces), auth=auth, wait_timeout=WAIT_SECONDS,
        )
        return client

    @staticmethod
    def listener(client, namespace):
        return lambda event, *args: client.heard.put((namespace, event, list(args)))

    @staticmethod
    def ending(client, namespace):
        return lambda reason: client.heard.put((namespace, "disconnect", reason))

    def next(self, client, event, namespace="/"):
        """The next of that event; others before it are passed over."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                heard = client.heard.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                self.fail(f"no {event} came in {namespace} within {WAIT_SECONDS} s")
            if heard[:2] == (namespace, event):
                return heard[2]

    def test_connects_and_settles_on_the_right_transport(self):
        client = self.connected()
        self.assertEqual(client.transport(), self.transports[-1])
        self.assertEqual(client.call("handshake", timeout=WAIT_SECONDS)["transport"], self.transports[-1])
        self.assertEqual(client.call("whoami", timeout=WAIT_SECONDS)["id"], client.get_sid())
        self.assertEqual(self.next(client, "auth"), [{}])

    def test_events_come_back(self):
        values = [None, True, -1, 1.5, "déjà vu 🏠", [], {}, [1, [2, {"a": [None]}]], {"k": {"ü": [1]}}, "x" * 900_000]
        client = self.connected()
        client.emit("message", tuple(values))
        self.assertEqual(self.next(client, "message-back"), values)

    def test_many_events_keep_their_order(self):
        client = self.connected()
        for index in range(300):
            client.emit("message", (index, bytes([index % 256])) if index % 2 else index)
        received = [self.next(client, "message-back") for _ in range(300)]
        self.assertEqual([args[0] for args in received], list(range(300)))

    def test_binary_both_ways(self):
        client = self.connected()
        sent = [b"\x00\x01\xff", "text", {"deep": [b"", {"deeper": bytes(range(256))}]}]
        client.emit("message", tuple(sent))
        self.assertEqual(self.next(client, "message-back"), sent)
        self.assertEqual(client.call("bin", 1000, timeout=WAIT_SECONDS), bytes(i % 251 for i in range(1000)))
        mixed = {"a": b"\x01\x02\x03", "list": ["x", b"\x04", {"deep": b""}], "n": None}
        self.assertEqual(client.call("mixed", timeout=WAIT_SECONDS), mixed)

    def test_acknowledgements_both_ways(self):
        client = self.connected()
        self.assertEqual(client.call("message-with-ack", {"a": [1]}, timeout=WAIT_SECONDS), {"a": [1]})
        several = client.call("message-with-ack", (1, "two", b"three"), timeout=WAIT_SECONDS)
        self.assertEqual(list(several), [1, "two", b"three"])
        client.on("question", lambda text, data: (data, text))
        answer = client.call("request", (10_000, "question", "left", b"right"), timeout=WAIT_SECONDS)
        self.assertEqual(answer, [None, b"right", "left"])

    def test_several_namespaces_on_one_connection(self):
        client = self.connected(namespaces=("/", "/custom"))
        self.assertNotEqual(client.get_sid("/"), client.get_sid("/custom"))
        client.emit("message", "hello", namespace="/custom")
        self.assertEqual(self.next(client, "message-back", "/custom"), ["hello"])
        client.emit("io-emit", ("/custom", "news", 1))
        self.assertEqual(self.next(client, "news", "/custom"), [1])

    def test_a_namespace_asks_for_authorization(self):
        client = self.connected(namespaces=("/auth",), auth={"token": "secret"})
        self.assertEqual(self.next(client, "auth", "/auth"), [{"token": "secret"}])
        with self.assertRaises(socketio.exceptions.ConnectionError) as refused:
            self.connected(namespaces=("/auth",), auth={"token": "wrong"})
        self.assertIn("/auth", str(refused.exception))

    def test_an_unknown_namespace_is_refused(self):
        with self.assertRaises(socketio.exceptions.ConnectionError):
            self.connected(namespaces=("/nope",))

    def test_broadcasts_and_rooms(self):
        sender, member, outsider = (self.connected() for _ in range(3))
        room = f"room of {sender.get_sid()}"
        rooms = member.call("join", room, timeout=WAIT_SECONDS)
        self.assertEqual(rooms, sorted([member.get_sid(), room]))
        sender.emit("to", ({"rooms": room}, "news", b"bytes"))
        sender.emit("broadcast", ("end", 1))
        self.assertEqual(self.next(member, "news"), [b"bytes"])
        heard = self.next(outsider, "auth") and outsider.heard.get(timeout=WAIT_SECONDS)
        self.assertEqual(heard, ("/", "end", [1]), "who is not in the room hears nothing of it")

    @staticmethod
    def go(client):
        """Closes the connection when all is sent: this client forgets what waits behind a POST, its farewell too, and then
        stays until the server's next ping."""
        if client.eio.state == "connected":
            client.eio.queue.join()
        client.disconnect()

    def leave(self, client):
        """Leaves the namespace, and goes."""
        client._send_packet(client.packet_class(socketio.packet.DISCONNECT))
        self.go(client)

    def test_disconnections(self):
        observer = self.connected(transports=["websocket"])
        for end, expected in (
            (self.leave, "client namespace disconnect"),
            (lambda client: client.emit("disconnect-me", True), "server namespace disconnect"),
        ):
            client = self.connected()
            key = f"key of {client.get_sid()}"
            self.assertEqual(client.call("track", key, timeout=WAIT_SECONDS), "ok")
            sid = client.get_sid()
            end(client)
            self.next(client, "disconnect")
            self.assertEqual(self.next(observer, "rooms-at-disconnecting"), [key, [sid]])
            reasons = []
            while not reasons:
                reasons = observer.call("reason", key, timeout=WAIT_SECONDS)
            self.assertEqual(reasons, [expected])


class PollingThenUpgrade(Tests, unittest.TestCase):
    transports = ["polling", "websocket"]


class PollingOnly(Tests, unittest.TestCase):
    transports = ["polling"]


class WebSocketOnly(Tests, unittest.TestCase):
    transports = ["websocket"]


if __name__ == "__main__":
    unittest.main()
