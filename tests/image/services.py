"""What the server talks to: a Redis that takes TLS alone, and a name server that knows one name."""

import socket
import struct
import subprocess
import threading


def certificates(directory, names):
    """An authority of the test's own (ca.pem), and a certificate of it (server.pem, server.key) for these names."""

    def openssl(arguments):
        subprocess.run(["openssl", *arguments.split()], cwd=directory, check=True, capture_output=True)

    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    openssl(f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=kinglet-test")
    openssl(f"req {key} -keyout server.key -out server.csr -subj /CN=redis")
    (directory / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names -out server.pem")


def redis_with_tls(directory, port, user):
    """One with this user, as in a file of ACLs, and no other."""
    words = ["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""]
    words += ["--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.pem"]
    words += ["--tls-auth-clients", "no", "--user", "default", "off", "--user", *user.split()]
    redis = subprocess.Popen(words, cwd=directory, stdout=subprocess.PIPE, text=True)
    said = []
    for line in redis.stdout:
        said.append(line)
        if "Ready to accept connections" in line:
            threading.Thread(target=lambda: list(redis.stdout), daemon=True).start()
            return redis
    raise AssertionError(f"redis-server did not start: {said}")


class NameServer:
    """Answers 127.0.0.1 for one name, and that there is no other. Listens on port 53, as resolvers cannot be told another."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        (kind,) = struct.unpack_from(">H", query, at + 1)
        known = ".".join(labels) == self.name
        addresses = 1 if known and kind == 1 else 0
        flags = 0x8580 if known else 0x8583
        answer = query[:2] + struct.pack(">HHHHH", flags, 1, addresses, 0, 0) + question
        if addresses:
            answer += struct.pack(">HHHIH4s", 0xC00C, 1, 1, 60, 4, socket.inet_aton("127.0.0.1"))
        return answer
