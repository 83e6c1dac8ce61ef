"""Files and what is kept of them: other weights under an old name, a cache that others can write to, files that become
shorter, outputs that replace others, and processes that are stopped. Each part is a function; all are run."""
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import time

DTQC = os.path.abspath(os.environ["DTQC"])
HIDDEN, VOCABULARY, POSITIONS, FFN = 64, 400, 8, 64


def check(truth, *what):
    if not truth:
        raise SystemExit("FAILED: " + " ".join(str(w) for w in what))


def run(*arguments, code=0, **how):
    """dtqc's output and messages; its exit code must be `code` (negative: a signal's)."""
    p = subprocess.run([DTQC, *map(str, arguments)], capture_output=True, text=True, check=False, **how)
    check(p.returncode == code, arguments, "exit code", p.returncode, "not", code, p.stdout, p.stderr)
    return p.stdout, p.stderr


# ---- a model ---------------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    header, at, data = {}, 0, b""
    for name, dtype, shape, raw in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def write_weights(path, which):
    """A checkpoint whose embeddings are the same for every `which`, so that no start of the file tells them apart."""
    shapes = [("embeddings.word", [VOCABULARY, HIDDEN]), ("embeddings.position", [POSITIONS, HIDDEN]),
              ("embeddings.norm.weight", [HIDDEN]), ("embeddings.norm.bias", [HIDDEN])]
    for n in ("query", "key", "value", "attention.output"):
        shapes += [(f"layer.0.{n}.weight", [HIDDEN, HIDDEN]), (f"layer.0.{n}.bias", [HIDDEN])]
    shapes += [("layer.0.ffn.up.weight", [FFN, HIDDEN]), ("layer.0.ffn.up.bias", [FFN]),
               ("layer.0.ffn.down.weight", [HIDDEN, FFN]), ("layer.0.ffn.down.bias", [HIDDEN])]
    for n in ("attention", "ffn"):
        shapes += [(f"layer.0.{n}.norm.weight", [HIDDEN]), (f"layer.0.{n}.norm.bias", [HIDDEN])]
    tensors = []
    for name, shape in shapes:
        r = random.Random(name if name.startswith("embeddings") else name + which)
        middle = 1.0 if name.endswith("norm.weight") else 0.0
        numbers = [middle + r.uniform(-0.5, 0.5) for _ in range(shape[0] * (shape[1] if len(shape) > 1 else 1))]
        tensors.append((name, "F32", shape, struct.pack(f"<{len(numbers)}f", *numbers)))
    write_safetensors(path, tensors)
    os.utime(path, (315532800, 315532800))  # as reproducible archives have it


class Model:
    """m.yaml with the weights w.safetensors, its input, and a cache, in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = dict(os.environ, DTQC_CACHE=self.at("cache"), TMPDIR=self.at("tmp"))
        os.mkdir(self.at("tmp"))
        for which in "AB":
            write_weights(self.at(which), which)
        self.write_model("m.yaml", "gelu")
        write_safetensors(self.at("in"), [("tokens", "U32", [6], struct.pack("<6I", 0, 7, 14, 1, 8, 15))])
        self.put("A")

    def at(self, name):
        return os.path.join(self.directory, name)

    def write_model(self, name, activation):
        with open(self.at(name), "w", encoding="utf8") as f:
            f.write(f"tokens: 6\ntransformer: {{layers: 1, hidden: {HIDDEN}, heads: 2, ffn: {FFN}, positions: {POSITIONS}, "
                    f"vocabulary: {VOCABULARY}, pooling: mean, activation: {activation}}}\n"
                    "weights: {safetensors: w.safetensors}\n")

    def put(self, which):
        """Other weights under the name: same size, same time, and where the system gives it, same inode."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at("w.safetensors"))
        shutil.copy2(self.at(which), self.at("w.safetensors"))

    def overwrite(self, which):
        """The same in place: same inode."""
        with open(self.at(which), "rb") as f, open(self.at("w.safetensors"), "r+b") as to:
            to.write(f.read())
        os.utime(self.at("w.safetensors"), (315532800, 315532800))

    def run(self, *arguments, model="m.yaml", **how):
        return run("run", self.at(model), "--input", self.at("in"), *arguments, env=self.environment, **how)

    def output(self, *arguments, **how):
        return self.run(*arguments, **how)[0].strip().splitlines()[-1]

    def host(self, *arguments, **how):
        return self.output("--engine=host", "--linear=int8", *arguments, **how)


# ---- weights ---------------------------------------------------------------------------------------------------------


def other_weights_under_the_name(m):
    right = {}
    for which in "AB":
        m.put(which)
        right[which] = m.host("--no-cache")
    check(right["A"] != right["B"], "the checkpoints give the same")
    for replace in (m.put, m.overwrite):
        for which in "ABAB":
            replace(which)
            check(m.host() == right[which], "stale weights after", replace.__name__)
            check(m.host() == right[which], "stale weights, warm, after", replace.__name__)
    linked = m.at("linked")  # a link is turned to another file
    os.unlink(m.at("w.safetensors"))
    for which in "AB":
        os.symlink(which, linked)
        os.rename(linked, m.at("w.safetensors"))
        check(m.host() == right[which], "stale weights behind a link")
    m.put("A")


def remembered_identities(m):
    """A file that is old enough is hashed once, and again as soon as its change time says that somebody touched it."""
    m.put("A")
    old = time.time()
    while m.host() and not os.path.exists(m.at("cache/identities")):
        check(time.time() - old < 300, "identities are never remembered")
        time.sleep(0.3)
    right = m.host("--no-cache")
    check(m.host() == right, "remembered weights")
    m.overwrite("B")  # size, inode and time of modification are those that are remembered
    check(m.host() == m.host("--no-cache") != right, "a remembered identity of what is not there any more")
    m.put("A")


def programs_know_their_weights(m):
    program, ir, executable = m.at("p.dtq"), m.at("g.dtir"), m.at("exe")
    m.put("A")
    run("compile", m.at("m.yaml"), "-o", program, env=m.environment)
    run("compile", m.at("m.yaml"), "--emit=ir", "-o", ir, env=m.environment)
    dumped = run("compile", m.at("m.yaml"), "-o", m.at("q.dtq"), "--dump-ir=graph", env=m.environment)[0]
    check("file_hash" in dumped, "a dump does not say which file it is of")
    run("compile", m.at("m.yaml"), "--emit=exe", "--host-cpu=x86-64-v2", "-o", executable, env=m.environment)
    right = run("run", program, "--input", m.at("in"), env=m.environment)[0]
    run("compile", ir, "-o", m.at("r.dtq"), env=m.environment)
    m.overwrite("B")
    _, said = run("run", program, "--input", m.at("in"), code=1, env=m.environment)
    check("is not the file that the program was compiled from" in said, said)
    _, said = run("compile", ir, "-o", m.at("r.dtq"), code=1, env=m.environment)
    check("is not the file that the IR was made from" in said, said)
    p = subprocess.run([executable, "--input", m.at("in")], capture_output=True, text=True, check=False)
    check(p.returncode == 1 and "is not the file that the program was compiled from" in p.stderr, p.stderr)
    m.put("A")
    check(run("run", program, "--input", m.at("in"), env=m.environment)[0] == right, "the right weights are back")


def programs_know_their_vocabulary(m):
    """Another vocabulary gives the same text other tokens: a program that was made with the first one says so."""
    tests = os.path.join(os.environ["ROOT"], "tests")
    shutil.copy(os.path.join(tests, "unit/frontend/tokenizer/wordpiece_vocab.txt"), m.at("vocab.txt"))
    with open(os.path.join(tests, "cli/data/tiny.yaml"), encoding="utf8") as f, \
            open(m.at("tiny.yaml"), "w", encoding="utf8") as to:
        to.write(f.read().replace("../../unit/frontend/tokenizer/wordpiece_vocab.txt", "vocab.txt"))
    program, executable = m.at("tiny.dtq"), m.at("tiny")
    run("compile", m.at("tiny.yaml"), "--seq", "4", "-o", program, env=m.environment)
    run("compile", m.at("tiny.yaml"), "--seq", "4", "--emit=exe", "--host-cpu=x86-64-v2", "-o", executable, env=m.environment)
    run("run", program, "--text", "a cat", env=m.environment)
    with open(m.at("vocab.txt"), encoding="utf8") as f:
        words = f.read().splitlines()
    words[-1], words[-2] = words[-2], words[-1]
    with open(m.at("vocab.txt"), "w", encoding="utf8") as f:
        f.write("\n".join(words) + "\n")
    for command in ([DTQC, "run", program], [executable]):
        p = subprocess.run([*command, "--text", "a cat"], capture_output=True, text=True, check=False)
        check(p.returncode == 1 and "vocab.txt: error: is not the file that the program was compiled with" in p.stderr,
              p.returncode, p.stderr)


# ---- the cache -------------------------------------------------------------------------------------------------------


def fnv1a(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def the_cache_is_ours_alone(m):
    """An entry whose code is another model's, well-formed in every way, is what somebody else would put there."""
    cache = m.at("cache")

    def entry():
        return [os.path.join(cache, n) for n in os.listdir(cache) if n.startswith("host-")][0]

    def object_of(path):
        with open(path, "rb") as f:
            data = f.read()
        keys = struct.unpack("<Q", data[8:16])[0]
        return data[:8], data[32:32 + keys], data[32 + keys:]

    def empty():
        shutil.rmtree(cache, ignore_errors=True)

    m.write_model("other.yaml", "relu")
    right, wrong = m.host("--no-cache"), m.host("--no-cache", model="other.yaml")
    check(right != wrong, "the models give the same")
    empty()
    m.host(model="other.yaml")
    code = object_of(entry())[2]
    empty()
    m.host()
    path = entry()
    magic, key, _ = object_of(path)
    poison = magic + struct.pack("<QQQ", len(key), len(code), fnv1a(key + code)) + key + code

    def place(at=path, mode=0o600):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(at)
        with open(at, "wb") as f:
            f.write(poison)
        os.chmod(at, mode)

    place()
    check(m.host() == wrong, "the poison is none: this test cannot fail")
    for mode in (0o666, 0o620, 0o602):
        place(mode=mode)
        check(m.host() == right, f"executed an entry of mode {mode:o}")
    target = m.at("target")
    place(at=target)
    os.unlink(path)
    os.symlink(target, path)
    check(m.host() == right, "executed what a link led to")
    with open(target, "rb") as f:
        check(f.read() == poison, "wrote to what a link led to")
    for mode in (0o777, 0o770, 0o707, 0o1777):
        place()
        os.chmod(cache, mode)
        out, said = m.run("--engine=host", "--linear=int8")
        check(out.strip().splitlines()[-1] == right, f"executed an entry in a directory of mode {mode:o}")
        check("can be written by others" in said and said.count("warning") == 1, said)
        os.chmod(cache, 0o700)
    beside = f"{cache}.{os.geteuid()}"
    check(stat.S_IMODE(os.stat(beside).st_mode) == 0o700 and os.listdir(beside), "nothing was kept beside")
    shutil.rmtree(beside)
    os.rename(cache, m.at("elsewhere"))
    os.symlink("elsewhere", cache)
    out, said = m.run("--engine=host", "--linear=int8")
    check(out.strip().splitlines()[-1] == right and "is a link" in said, said)
    os.unlink(cache)
    os.rename(m.at("elsewhere"), cache)
    shutil.rmtree(beside)
    if os.geteuid() == 0:
        place()
        os.chown(path, 12345, 12345)
        check(m.host() == right, "executed another user's entry")
        place()
        os.chown(cache, 12345, 12345)
        out, said = m.run("--engine=host", "--linear=int8")
        check(out.strip().splitlines()[-1] == right and "belongs to user 12345" in said, said)
        os.chown(cache, 0, 0)
        shutil.rmtree(beside)
    place()
    os.chmod(cache, 0o755)  # as a version before this one left it: others could only read
    check(m.host() == wrong and stat.S_IMODE(os.stat(cache).st_mode) == 0o700, "a directory that was ours all the time")
    empty()
    m.host(umask=0)
    for at, mode in [(cache, 0o700)] + [(os.path.join(cache, n), 0o600) for n in os.listdir(cache)]:
        check(stat.S_IMODE(os.stat(at).st_mode) == mode, "with umask 0", at, oct(os.stat(at).st_mode))
    empty()


def a_cache_that_cannot_be_written(m):
    right = m.host("--no-cache")
    with open(m.at("cache"), "w", encoding="utf8"):
        pass
    out, said = m.run("--engine=host", "--linear=int8")
    check(out.strip().splitlines()[-1] == right and "is no directory" in said, said)
    shutil.rmtree(f"{m.at('cache')}.{os.geteuid()}")
    os.unlink(m.at("cache"))


def full_disk(m):
    """A cache on a disk with no room for it: a mount of one page for root, a limit on files for others."""
    right, mount = m.host("--no-cache"), m.at("cache")
    os.mkdir(mount, 0o700)
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,mode=700", "none", mount], capture_output=True, check=False).returncode == 0
    try:
        check(m.host(preexec_fn=None if mounted else limited(2048, True)) == right, "a full cache")
        check(not [n for n in os.listdir(mount) if "part" in n or n.startswith("host-")], os.listdir(mount))
    finally:
        if mounted:
            subprocess.run(["umount", mount], check=True)
    shutil.rmtree(mount)


# ---- files that change while they are read ---------------------------------------------------------------------------


def maps(pid, name):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        with open(f"/proc/{pid}/maps", encoding="utf8") as f:
            return name in f.read()
    return False


def while_it_runs(m, change, *arguments):
    """Exit code and messages of a long run whose weights are changed when it has mapped them."""
    p = subprocess.Popen([DTQC, "run", m.at("m.yaml"), "--input", m.at("in"), "--repeat=1000000", *arguments],
                         env=m.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.time() + 300
    while not maps(p.pid, "w.safetensors") and p.poll() is None and time.time() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    change()
    try:
        _, said = p.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        p.kill()
        raise SystemExit("FAILED: it runs on weights that are gone") from None
    return p.returncode, said


def weights_that_become_shorter(m):
    for arguments in (["--engine=host", "--linear=fp32", "--no-cache"], ["--engine=fp32"], ["--engine=ref", "--linear=fp32"]):
        m.put("A")
        code, said = while_it_runs(m, lambda: os.truncate(m.at("w.safetensors"), 5000), *arguments)
        check(code == 1 and "w.safetensors: error: became shorter while dtqc read it" in said, arguments, code, said)
    m.put("A")


def kept_weights_that_become_shorter(m):
    m.put("A")
    m.host()
    kept = [n for n in os.listdir(m.at("cache")) if n.startswith("weights-")][0]
    # Several threads meet the missing pages at once; one of them answers.
    code, said = while_it_runs(m, lambda: os.truncate(m.at("cache/" + kept), 0), "--engine=host", "--linear=int8",
                               "--threads=8")
    check(code == 1 and f"cache/{kept}: error: became shorter while dtqc read it" in said, code, said)
    check(said.count("became shorter") == 1, said)
    check(m.host() == m.host("--no-cache"), "a cut store is used")


def weights_that_are_written_to(m):
    # On a busy machine a run may be over before its weights are written to: then a longer one is.
    for repeat in (3000, 30000, 300000):
        m.put("A")
        p = subprocess.Popen([DTQC, "run", m.at("m.yaml"), "--input", m.at("in"), f"--repeat={repeat}", "--engine=host",
                              "--linear=fp32"], env=m.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not maps(p.pid, "w.safetensors") and p.poll() is None:
            pass
        m.overwrite("B")
        out, said = p.communicate(timeout=300)
        if p.returncode != 0:
            break
    check(p.returncode == 1 and ("was written to while it was in use" in said or "changed" in said or "not the file" in said),
          p.returncode, out, said)
    m.put("A")


# ---- outputs ---------------------------------------------------------------------------------------------------------


def left(m):
    return [n for n in os.listdir(m.directory) if ".part" in n] + os.listdir(m.at("tmp"))


def compile_to(m, path, *arguments, **how):
    return run("compile", m.at("m.yaml"), "-o", path, *arguments, env=m.environment, **how)


def outputs_keep_what_they_replace(m):
    path, other = m.at("out.dtq"), m.at("other.dtq")
    compile_to(m, path)
    with open(path, "rb") as f:
        whole = f.read()
    os.chmod(path, 0o640)
    compile_to(m, path)
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o640, "the mode is lost")
    os.link(path, other)
    compile_to(m, path)
    check(os.path.samefile(path, other), "a hard link is cut")
    link = m.at("link.dtq")
    os.symlink("out.dtq", link)
    compile_to(m, link)
    check(os.path.islink(link) and os.path.samefile(link, other), "a link is replaced")
    os.unlink(path)
    os.unlink(other)
    compile_to(m, link)
    check(os.path.islink(link) and os.path.isfile(path), "a link to what is not there yet is replaced")
    with open(path, "rb") as f:
        check(f.read() == whole, "another program")
    compile_to(m, m.at("open.dtq"), umask=0)
    check(stat.S_IMODE(os.stat(m.at("open.dtq")).st_mode) == 0o666, "the umask is not kept to")
    compile_to(m, m.at("masked"), "--emit=exe", "--host-cpu=x86-64-v2", umask=0o027)
    check(stat.S_IMODE(os.stat(m.at("masked")).st_mode) == 0o750, "an executable of another mode")
    check(not left(m), left(m))


def limited(bytes_, ignored):
    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN if ignored else signal.SIG_DFL)
    return before


def writes_that_fail(m):
    path = m.at("full.dtq")
    with open(path, "w", encoding="utf8") as f:
        f.write("old")
    _, said = compile_to(m, "/dev/full", code=1)
    check("No space left on device" in said, said)
    _, said = compile_to(m, path, code=1, preexec_fn=limited(1024, True))
    check("File too large" in said, said)
    _, said = compile_to(m, path, code=-signal.SIGXFSZ, preexec_fn=limited(1024, False))
    with open(path, encoding="utf8") as f:
        check(f.read() == "old", "an output is half written")
    check(not left(m), left(m))


def stopped(m):
    """A linker that takes its time leaves a half-made executable and an object, until it is stopped."""
    linker = m.at("cc")
    with open(linker, "w", encoding="utf8") as f:
        f.write("#!/bin/sh\necho half >\"$2\"\nsleep 100\necho more >\"$2\"\n")
    os.chmod(linker, 0o755)
    path = m.at("slow")
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        p = subprocess.Popen([DTQC, "compile", m.at("m.yaml"), "--emit=exe", "--host-cpu=x86-64-v2", "-o", path],
                             env=dict(m.environment, CC=linker), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             start_new_session=True)
        end = time.time() + 300
        while not (len(left(m)) == 2 and any(os.path.getsize(m.at(n)) for n in left(m) if n.startswith("slow"))):
            check(time.time() < end and p.poll() is None, "the linker never ran", left(m))
            time.sleep(0.02)
        p.send_signal(how)
        p.wait(timeout=300)
        p.stderr.read()  # until the linker is gone, too
        check(p.returncode == -how, how, p.returncode)
        check(not left(m) and not os.path.exists(path), how, left(m))


def out_of_memory(m):
    def before():
        resource.setrlimit(resource.RLIMIT_AS, (220 << 20, 220 << 20))

    _, said = run("compile", "bert-large", "--seq", "1..512", "-o", m.at("large.dtq"), code=1, preexec_fn=before)
    check("out of memory" in said and "bytes are needed" in said, said)
    check(not left(m) and not os.path.exists(m.at("large.dtq")), left(m))


def main():
    parts = [other_weights_under_the_name, remembered_identities, programs_know_their_weights, programs_know_their_vocabulary, the_cache_is_ours_alone,
             a_cache_that_cannot_be_written, full_disk, weights_that_become_shorter,
             kept_weights_that_become_shorter, weights_that_are_written_to,
             outputs_keep_what_they_replace, writes_that_fail, stopped, out_of_memory]
    wanted = os.environ.get("PARTS", "").split()
    with tempfile.TemporaryDirectory() as directory:
        m = Model(directory)
        for part in parts:
            if not wanted or part.__name__ in wanted:
                start = time.time()
                part(m)
                print(f"{part.__name__.replace('_', ' ')}: {time.time() - start:.1f} s")


main()
