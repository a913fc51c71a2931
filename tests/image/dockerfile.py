"""The Dockerfile as a list of instructions: as much of its grammar as ours needs."""

import json
import re


class Dockerfile:
    def __init__(self, text):
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        logical = re.sub(r"\\\n\s*", "", "\n".join(lines))
        self.instructions = [tuple(line.split(None, 1)) for line in logical.splitlines() if line.strip()]

    def stages(self):
        """The instructions of each stage, its FROM being the first."""
        starts = [at for at, (name, _) in enumerate(self.instructions) if name == "FROM"]
        return [self.instructions[start:end] for start, end in zip(starts, starts[1:] + [None])]

    def copied(self):
        """What is copied out of the build's context."""
        copies = [value.split() for name, value in self.instructions if name == "COPY"]
        return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]

    def last(self, name):
        """The value of the last stage's instruction of that name, of which there is one."""
        (value,) = [value for instruction, value in self.stages()[-1] if instruction == name]
        return value

    def user(self):
        return self.last("USER")

    def entrypoint(self):
        return json.loads(self.last("ENTRYPOINT"))

    def health_command(self):
        return json.loads(self.last("HEALTHCHECK").partition("CMD ")[2])
