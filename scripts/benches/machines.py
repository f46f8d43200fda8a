"""Shared by the benches that need machines: booted containers with this machine's Debian mirror."""
import atexit, os, pathlib, statistics, subprocess, sys, time

TOP = pathlib.Path(__file__).resolve().parents[2]
BED = TOP / "scripts/bed"
SECRET = "0123456789ABCDEF0123456789ABCDEF"
# A shell command that returns once Prosody listens for the web page's logins.
ANSWERS = "until ss -Hltn 'sport = 5280' | grep -q .; do sleep 0.02; done"


def run(words, **more):
    """Returns a command's standard output; if it fails, exits with all of its output."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Machine:
    """A container of a bed layer whose apt uses the mirror of `suite`; `folders`: here -> there, read-only."""

    def __init__(self, name, layer, suite, folders):
        self.name = f"bench-{os.getpid()}-{name}"
        atexit.register(subprocess.run, [BED / "down", self.name], stderr=subprocess.DEVNULL)
        binds = [f"--bind-ro={here}:{there}" for here, there in folders.items()]
        run([BED / "up", self.name, layer, "--no-sync", *binds])
        self.mirror = subprocess.Popen([BED / "mirror", self.name, suite], stdout=subprocess.PIPE, text=True)
        if self.mirror.stdout.readline() != "ready\n":
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: the container has no mirror")
        self.sh("apt-get -q update")
        self.entry = self.entering()

    def sh(self, script, **more):
        return run([BED / "exec", self.name, "sh", "-c", script], **more)

    def entering(self):
        """The median time to run nothing in the container, in seconds."""
        samples = []
        for _ in range(9):
            begin = time.perf_counter()
            self.sh("true")
            samples.append(time.perf_counter() - begin)
        return statistics.median(samples)

    def down(self):
        self.mirror.terminate()
        self.mirror.wait()
        run([BED / "down", self.name])
