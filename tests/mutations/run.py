#!/usr/bin/env python3
"""Makes each fault of this folder in a copy of the source, and looks how long the simulation takes to find it.

Arguments name the faults that are tried; without any, all are. Their rows in the table of README.md are written anew. SECONDS
bounds each search. The exit code is 1 if a fault is not found, or an invariant has no fault that is.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPY = ROOT / "target/mutations/source"
# Not that of the source itself: cargo would take what it built of one for what it would build of the other.
TARGET = ROOT / "target/mutations/target"
SECONDS = os.environ.get("SECONDS", "60")
FAILED = re.compile(r"seed (\d+) failed in step (\d+), at (\S+?): (.*)")
TABLE = "| fault | breaks | found by seed | in step | after | as |\n|---|---|---|---|---|---|\n"
NOT_THE_SAME = "is not the same history twice"
NOT_FOUND = "**not found**"
# Those of README.md.
INVARIANTS = set("123456789")


def copy():
    """Copies the source. Files that have not changed keep their times, so that cargo need not build everything again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    for old in COPY.rglob("*.rs"):
        if str(old.relative_to(COPY)) not in names:
            old.unlink()
    for name in names:
        source, to = ROOT / name, COPY / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != source.read_bytes():
            shutil.copyfile(source, to)


def build():
    """Builds the simulation of the copy; gives its program."""
    built = subprocess.run(
        ["cargo", "test", "--profile", "mutations", "--lib", "--no-run"],
        cwd=COPY,
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
        stderr=subprocess.PIPE,
        text=True,
    )
    if built.returncode != 0:
        sys.exit(built.stderr)
    return COPY / re.findall(r"Executable .*\((.*)\)", built.stderr)[-1]


def search(program):
    """Runs seeds until one fails: gives the row of the table, without the fault."""
    began = time.monotonic()
    running = subprocess.Popen(
        [program, "simulation::whatever", "--nocapture"],
        cwd=COPY,
        env={**os.environ, "SECONDS": SECONDS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said = []
    for line in running.stdout:
        said.append(line)
        if NOT_THE_SAME in line:
            break
        if found := FAILED.search(line):
            seed, step, place, message = found.groups()
            running.kill()
            message = message.replace("|", "\\|")
            message = message if len(message) <= 90 else message[:90] + " …"
            return f"| {seed} | {step} | {time.monotonic() - began:.1f} s | {message} |"
    if running.wait() != 0:
        sys.exit("the simulation fails by itself:\n" + "".join(said[-30:]))
    return f"| {NOT_FOUND} | | {SECONDS} s | |"


def try_fault(patch):
    """Makes a fault, searches it, and takes it back."""
    subprocess.run(["git", "apply", "--unsafe-paths", f"--directory={COPY}", patch], cwd="/", check=True)
    try:
        row = search(build())
    finally:
        copy()
    print(patch.stem, row, flush=True)
    return row


def read(patch):
    """What a patch says of itself: its fault, and the numbers of the invariants that this breaks."""
    fault, breaks = patch.read_text().splitlines()[:2]
    return fault, breaks.removeprefix("breaks ")


def judge(rows):
    """Says what the table shows: how many faults are found, and what is not. Gives the exit code."""
    lost = [fault for fault, row in rows.items() if NOT_FOUND in row]
    broken = {number for row in rows.values() if NOT_FOUND not in row for number in row.split(" | ")[1].split()}
    untested = sorted(INVARIANTS - broken)
    print(f"\n{len(rows) - len(lost)} of {len(rows)} faults are found.")
    for fault in lost:
        print(f"Not found: {fault}.")
    for number in untested:
        print(f"No fault that is found breaks invariant {number}.")
    return 1 if lost or untested else 0


def main():
    patches = sorted(HERE.glob("*.patch"))
    faults = {patch: read(patch) for patch in patches}
    readme = HERE / "README.md"
    copy()
    for patch in patches:
        if not sys.argv[1:] or patch.stem in sys.argv[1:]:
            row = try_fault(patch)
            fault, breaks = faults[patch]
            rows = known(readme)
            rows[fault] = f"| {fault} | {breaks} {row}"
            text = readme.read_text().split(TABLE)[0]
            listed = "".join(f"{rows[fault]}\n" for fault, _ in faults.values() if fault in rows)
            readme.write_text(text + TABLE + listed)
    sys.exit(judge(known(readme)))


def known(readme):
    """The rows of the table, by their faults."""
    lines = readme.read_text().split(TABLE)[1].splitlines()
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


main()
