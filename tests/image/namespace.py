"""What stands in for a container engine: namespaces, a read-only root, a user without rights, and a network of its own."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

INSIDE = "KINGLET_IMAGE_TEST_INSIDE"
UNSHARE, CHROOT, MOUNT = (shutil.which(tool) or tool for tool in ("unshare", "chroot", "mount"))
DEADLINE_SECONDS = 30


def enter(script):
    """Runs the script again with mounts and a network of its own, which end with it; tells why if that is not permitted."""
    if os.environ.get(INSIDE):
        loopback_up()
        return None
    if os.geteuid() != 0:
        return "it needs root, to make a root directory of its own"
    probe = subprocess.run([UNSHARE, "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        return f"namespaces are not permitted here: {probe.stderr.strip()}"
    os.environ[INSIDE] = "1"
    os.execv(UNSHARE, [UNSHARE, "--mount", "--net", sys.executable, script, *sys.argv[1:]])


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        get_flags, set_flags, up = 0x8913, 0x8914, 0x1
        answer = fcntl.ioctl(any_socket, get_flags, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def make_read_only(root):
    """From now on nothing in this directory can be written, by root neither."""
    subprocess.run([MOUNT, "--bind", root, root], check=True)
    subprocess.run([MOUNT, "-o", "remount,bind,ro", root], check=True)


def wait_for(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what()} did not come")
        time.sleep(0.02)


class Container:
    """A command as process 1 in that root, with an environment of its own."""

    def __init__(self, root, user, command, environment):
        words = [UNSHARE, "--pid", "--fork", f"--mount-proc={root}/proc"]
        words += [CHROOT, f"--userspec={user}", "--groups=", root, *command]
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def wait_for_log(self, part):
        def said():
            assert self.process.poll() is None, f"it ended: {self.log}"
            return any(part in line for line in list(self.log))

        wait_for(said, lambda: f"{part!r} in {self.log}")

    def pids(self):
        """Its process as it is seen from here; none if it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
                return [int(pid) for pid in children.read().split()]
        except FileNotFoundError:
            return []

    def pid(self):
        (pid,) = self.pids()
        return pid

    def status(self):
        """The fields of /proc/PID/status."""
        with open(f"/proc/{self.pid()}/status", encoding="ascii") as status:
            return {name: value.split() for name, _, value in (line.partition(":") for line in status)}

    def stop(self, sent):
        os.kill(self.pid(), sent)
        return self.end()

    def end(self):
        code = self.process.wait(DEADLINE_SECONDS)
        self.reader.join(DEADLINE_SECONDS)
        return code

    def kill(self):
        """Ends it, unless it has ended by itself."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.end()
        self.process.stderr.close()
