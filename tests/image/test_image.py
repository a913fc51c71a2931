"""The image without an engine: the release binary in the root that the Dockerfile's last stage copies, and in nothing else.

The Dockerfile says who runs it and how; what stands in for the engine is in namespace.py.
"""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import socketio
import yaml

import namespace
from dockerfile import Dockerfile
from namespace import Container, wait_for
from services import NameServer, certificates, redis_with_tls

PROJECT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = Dockerfile((PROJECT / "Dockerfile").read_text())
BINARY = pathlib.Path(os.environ.get("KINGLET_BIN", PROJECT / "target/release/kinglet"))
NOT_PERMITTED = namespace.enter(__file__)

# One name that the container's hosts file has, and one that only a name server knows.
IN_HOSTS, IN_DNS = "redis.hosts.test", "redis.dns.test"
REDIS_PORT, PASSWORD = 6379, "a-password"
# The users that the page on operations recommends: for one namespace, and for any.
RIGHTS, _ = re.findall(r"^ *user (kinglet on >PASSWORD .*)", (PROJECT / "docs/operations.md").read_text(), re.MULTILINE)
LARGEST_IMAGE = 30_000_000


class Recipe(unittest.TestCase):
    """What reading the Dockerfile tells."""

    def test_the_last_stage_is_the_root_and_how_it_is_run(self):
        first, *rest = DOCKERFILE.stages()[-1]
        self.assertEqual(first, ("FROM", "scratch"))
        self.assertEqual(DOCKERFILE.last("COPY"), "--from=build /image /")
        self.assertEqual(DOCKERFILE.last("STOPSIGNAL"), "SIGTERM")
        self.assertEqual(
            sorted(name for name, _ in rest),
            ["COPY", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "STOPSIGNAL", "USER"],
        )
        build = DOCKERFILE.stages()[-2]
        self.assertEqual(build[-1], ("RUN", "image/root.sh target/release/kinglet /image"))

    def test_the_context_is_what_is_copied(self):
        patterns = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
        self.assertEqual(patterns, ["*", *(f"!{source}" for source in DOCKERFILE.copied())])

    def test_the_servers_of_compose_run_as_the_image_can(self):
        server = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]["kinglet"]
        self.assertEqual((server["build"], server["read_only"], server["cap_drop"]), (".", True, ["ALL"]))
        readme = (PROJECT / "README.md").read_text()
        for name in server["environment"]:
            self.assertIn(f"| `{name}` |", readme)

    def test_every_source_of_the_program_is_copied(self):
        sources = BINARY.with_suffix(".d").read_text().partition(": ")[2].split()
        self.assertTrue(sources)
        copied = [str(PROJECT / source) + "/" for source in DOCKERFILE.copied()]
        for source in sources:
            self.assertTrue(source.startswith(tuple(copied)), source)

    def test_the_layer_of_the_dependencies_has_every_file_that_the_manifests_name(self):
        build = DOCKERFILE.stages()[0]
        (script,) = [value for name, value in build if name == "RUN" and "touch src/lib.rs benches" in value]
        script, builds = re.subn(r"cargo build .*", "cargo metadata --no-deps --format-version 1", script)
        self.assertEqual(builds, 1)
        with tempfile.TemporaryDirectory() as directory:
            for manifest in ("Cargo.toml", "Cargo.lock", "perf/Cargo.toml"):
                self.assertIn(manifest, DOCKERFILE.copied())
                path = pathlib.Path(directory, manifest)
                path.parent.mkdir(exist_ok=True)
                shutil.copy(PROJECT / manifest, path)
            ended = subprocess.run(["sh", "-c", script], cwd=directory, capture_output=True, text=True)
            self.assertEqual(ended.returncode, 0, ended.stderr)
            self.assertIn("kinglet", [package["name"] for package in json.loads(ended.stdout.splitlines()[-1])["packages"]])


@unittest.skipIf(NOT_PERMITTED, NOT_PERMITTED)
class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        # The server's user reads the root through it.
        cls.directory.chmod(0o755)
        certificates(cls.directory, [IN_HOSTS, IN_DNS])
        cls.redis = redis_with_tls(cls.directory, REDIS_PORT, RIGHTS.replace("PASSWORD", PASSWORD))
        cls.addClassCleanup(cls.redis.wait)
        cls.addClassCleanup(cls.redis.terminate)
        NameServer(IN_DNS)

        cls.root = cls.directory / "root"
        subprocess.run([PROJECT / "image/root.sh", BINARY, cls.root], check=True)
        cls.size = sum(path.stat().st_size for path in cls.root.rglob("*") if path.is_file())
        # What an engine lays into every container, and the certificate that somebody mounts.
        (cls.root / "proc").mkdir()
        (cls.root / "etc/hosts").write_text(f"127.0.0.1 localhost {IN_HOSTS}\n")
        (cls.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        shutil.copy(cls.directory / "ca.pem", cls.root / "etc/redis-ca.pem")
        namespace.make_read_only(cls.root)
        cls.addClassCleanup(lambda: subprocess.run(["umount", cls.root], check=True))

    def container(self, command, environment):
        container = Container(str(self.root), DOCKERFILE.user(), command, environment)
        self.addCleanup(container.kill)
        return container

    def server(self, port, redis=None, **settings):
        environment = {"PORT": str(port), **settings}
        if redis:
            environment["REDIS_URL"] = f"rediss://kinglet:{PASSWORD}@{redis}:{REDIS_PORT}"
            environment["KINGLET_REDIS_CA"] = "/etc/redis-ca.pem"
        server = self.container(DOCKERFILE.entrypoint(), environment)
        server.wait_for_log("listens on")
        return server

    def health(self, port):
        check = self.container(DOCKERFILE.health_command(), {"PORT": str(port)})
        return check.end(), "".join(check.log)

    def client(self, port):
        client = socketio.Client()
        heard = queue.Queue()
        client.on("message-from-client", heard.put)
        client.connect(f"http://127.0.0.1:{port}", socketio_path="/websockets", transports=["websocket"])
        self.addCleanup(client.disconnect)
        return client, heard

    def test_the_image_is_small(self):
        self.assertLess(self.size, LARGEST_IMAGE)
        print(f"the image holds {self.size / 1e6:.1f} MB", file=sys.stderr)

    def test_it_runs_as_process_1_without_rights_in_a_root_that_nobody_can_write(self):
        server = self.server(3000)
        status = server.status()
        user, group = DOCKERFILE.user().split(":")
        self.assertNotEqual(user, "0")
        self.assertEqual((status["Uid"], status["Gid"], status["Groups"]), ([user] * 4, [group] * 4, []))
        self.assertEqual({int(status[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {0})
        self.assertEqual(status["NSpid"][-1], "1")
        root = f"/proc/{server.pid()}/root"
        self.assertTrue(os.path.samefile(root, self.root), os.readlink(root))
        for path in ("file", "etc/file"):
            with self.assertRaisesRegex(OSError, "Read-only file system"):
                open(f"{root}/{path}", "w")  # pylint: disable=consider-using-with

    def test_the_health_check_tells_whether_it_answers(self):
        server = self.server(3000)
        self.assertEqual(self.health(3000), (0, ""))
        self.assertEqual(server.stop(signal.SIGTERM), 0)
        code, said = self.health(3000)
        self.assertEqual(code, 1)
        self.assertIn("127.0.0.1:3000 does not answer", said)

    def test_the_signal_of_the_image_ends_it_with_0_and_clients_learn_of_it(self):
        server = self.server(3000, KINGLET_DRAIN="100ms")
        client, _ = self.client(3000)
        gone = queue.Queue()
        client.on("disconnect", lambda *_: gone.put(True))
        self.assertEqual(server.stop(signal.Signals[DOCKERFILE.last("STOPSIGNAL")]), 0)
        self.assertTrue(gone.get(timeout=namespace.DEADLINE_SECONDS))

    def test_the_health_check_fails_from_the_signal_on(self):
        server = self.server(3000, KINGLET_DRAIN="60m")
        self.client(3000)
        os.kill(server.pid(), signal.SIGTERM)
        server.wait_for_log("draining: 1 clients")
        code, said = self.health(3000)
        self.assertEqual(code, 1)
        self.assertIn("503", said)

    def test_two_of_them_are_one_server_by_a_redis_whose_name_is_resolved_and_whose_certificate_is_checked(self):
        for port, name in ((3000, IN_HOSTS), (3001, IN_DNS)):
            self.server(port, redis=name).wait_for_log(f"Redis at rediss://{name}:{REDIS_PORT}/0 is there")
        one, _ = self.client(3000)
        _, heard = self.client(3001)
        one.emit("message-from-client", "across")
        self.assertEqual(heard.get(timeout=namespace.DEADLINE_SECONDS), "across")

    def test_a_redis_that_the_certificate_does_not_name_is_refused(self):
        server = self.server(3000, redis="localhost")
        server.wait_for_log("is away, serving without it")
        self.assertEqual(self.health(3000), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
