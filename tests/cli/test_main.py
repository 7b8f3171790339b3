import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowlens.cli import help as pages
from flowlens.cli import main
from flowlens.cli.verbs import VERBS


def spawn(*args: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "flowlens", *args]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, input=stdin)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists every verb by its job, with an example, and is what no argument gives."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == told
    listed = [verb for verbs in pages.JOBS.values() for verb, _, _ in verbs]
    assert sorted(listed) == sorted(VERBS)
    for verb in listed:
        assert f"$ {pages.example(verb)}" in told
        assert pages.example(verb).startswith(f"flowlens {verb}")
    assert max(map(len, told.splitlines())) <= 100


def test_help_imports_nothing() -> None:
    """The help is on the screen before any library is loaded."""
    code = (
        "import sys; from flowlens.cli import main; main(['--help']); "
        "print(sorted({'polars', 'typer', 'rich', 'boto3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_help_is_fast() -> None:
    """The help takes at most 150 ms of processor more than the interpreter (best of five)."""

    def best(*args: str) -> float:
        times = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *args], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    assert best("-m", "flowlens", "--help") - best("-c", "pass") <= 0.150


@pytest.mark.parametrize("verb", [verb for verbs in pages.JOBS.values() for verb, _, _ in verbs])
def test_verb_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb explains its options and ends with its example."""
    assert main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: flowlens" in told
    assert f"Example: {pages.example(verb)}"[:60] in " ".join(told.split())


@pytest.mark.parametrize("verb", ["records", "conversations", "edges", "top", "findings"])
def test_common_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The common options have the same names on every verb."""
    assert main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    for option in (
        "--inventory", "--expected", "--dns", "--aws-ranges", "--asn", "--learn-until",
        "--format", "--since", "--until", "--last", "--where", "--profile", "--region",
        "--endpoint-url", "--strict", "--redact", "--output", "--as", "--limit",
    ):  # fmt: skip
        assert option in told


@pytest.mark.parametrize(
    ("typed", "offered"), [("rec", "records"), ("records --inv", "--inventory")]
)
def test_completion(
    typed: str,
    offered: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The shell is told how verbs and options go on."""
    words = f"flowlens {typed}"
    monkeypatch.setenv("_FLOWLENS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit) as done:
        main([])
    assert not done.value.code
    assert capsys.readouterr().out.split() == [offered]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("flowlens 0.")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["recrds", "x"], "No such command 'recrds'"),
        (["records"], "Missing argument"),
        (["records", "--inventry", "x"], "No such option"),
        (["records", "x", "-n", "-1"], "--limit"),
        (["findings", "x", "--fail-on", "dire"], "dire"),
    ],
)
def test_wrong_use(args: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is one line that names the help, and exit code 2."""
    assert main(args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("flowlens: ")
    assert len(told.err.splitlines()) == 1
    assert why in told.err
    assert "--help" in told.err


@pytest.mark.parametrize("given", ["yesterday", "99999999999999999999"])
def test_wrong_present(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong SOURCE_DATE_EPOCH is wrong use, named in one line."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    assert main(["allowlist", "check", expected]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"flowlens: SOURCE_DATE_EPOCH={given!r} is no time; expected seconds since 1970"
    ]


def test_module_and_lazy_names() -> None:
    """``import flowlens`` loads no engine, and its names are there when they are used."""
    code = (
        "import sys, flowlens; print('polars' in sys.modules); "
        "import flowlens.findings, flowlens.edges; "
        "print(callable(flowlens.edges), callable(flowlens.findings)); "
        "print(all(callable(getattr(flowlens, name)) for name in flowlens.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().split() == ["False", "True", "True", "True"]


def test_unknown_name() -> None:
    """A name the package does not have is the usual error."""
    import flowlens

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = flowlens.nothing  # type: ignore[attr-defined]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    line = "2 1 eni-0a 10.0.1.5 10.0.9.9 40000 22 6 1 40 1795258800 1795258860 ACCEPT OK\n"
    path = tmp_path / "long.log"
    path.write_text(line * 30_000)  # many times what a pipe holds
    return path


@pytest.mark.parametrize("form", ["tsv", "json", "ndjson", "csv", "md"])
def test_closed_pipe(long: Path, form: str) -> None:
    """A reader that leaves early, such as head, ends the run quietly."""
    command = [sys.executable, "-m", "flowlens", "records", str(long), "--as", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        told = child.stderr.read().decode()
        code = child.wait(timeout=120)
    assert (code, told) == (0, "")


def test_interrupt() -> None:
    """Ctrl-C ends with 130 and says that the result is partial."""
    command = [sys.executable, "-m", "flowlens", "records", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        told = child.communicate(timeout=60)[1].decode()
    assert child.returncode == 130
    assert told.splitlines()[-1] == "flowlens: interrupted; what was written is partial"


def test_stdin() -> None:
    """A hyphen reads standard input."""
    line = b"2 1 eni-0a 10.0.1.5 10.0.9.9 40000 22 6 1 40 1795258800 1795258860 ACCEPT OK\n"
    done = spawn("records", "-", "--as", "ndjson", stdin=line)
    assert done.returncode == 0
    assert b'"srcaddr":"10.0.1.5"' in done.stdout
    assert done.stderr == b""
