import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flowlens.cli.reach import divide
from flowlens.errors import UsageError

Run = Callable[..., tuple[int, str, str]]
CASE = Path(__file__).parents[2] / "data" / "case"
INVENTORY = ("-i", str(CASE / "inventory"))


def test_words_are_told_apart(tmp_path: Path) -> None:
    """What exists as logs is SRC wherever it stands; names fill FROM and TO in their order."""
    logs = str(tmp_path)
    assert divide([]) == (None, None, [])
    assert divide(["payments", logs, "10.0.0.0/8"]) == ("payments", "10.0.0.0/8", [logs])
    assert divide(["s3://bucket/logs", "-", "2001:db8::/32"]) == (
        "2001:db8::/32", None, ["s3://bucket/logs", "-"],
    )  # fmt: skip
    assert divide(["shop-db"], "payments") == ("payments", "shop-db", [])
    with pytest.raises(UsageError, match=r"'flow\.log\.gz' is no file"):
        divide(["flow.log.gz"])
    with pytest.raises(UsageError, match="'c' is one name too many"):
        divide(["a", "b", "c"])


def test_who_reaches_what(run: Run) -> None:
    """Towards a database only its port is left, with the rule that lets it out."""
    code, out, _ = run("reach", "payments", "shop-db", *INVENTORY, "--as", "json")
    told = json.loads(out)
    (row,) = told["rows"]
    assert (code, told["schema"]) == (0, "flowlens.reach/1")
    assert (row["blocks"], row["protocol"], row["first_port"]) == (["10.20.2.50"], "tcp", 5432)
    assert (row["end_to_end"], row["rules"]) == ("allow", ["sgr-00000000000000003"])


def test_what_a_change_changes(run: Run, tmp_path: Path) -> None:
    """Without a rule its traffic is lost; a file of rules gives some of it back."""
    rule = tmp_path / "rule.json"
    rule.write_text(
        '{"GroupId": "sg-0000000000000a002", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,'
        ' "CidrIpv4": "192.0.2.0/24"}'
    )
    asked = ("--without", "sgr-00000000000000003", "--with", str(rule))
    code, out, _ = run("reach", "payments", "192.0.2.9", *INVENTORY, *asked)
    rows = [dict(zip(out.splitlines()[0].split("\t"), line.split("\t"), strict=True))
            for line in out.splitlines()[1:]]  # fmt: skip
    assert code == 0
    assert {row["change"] for row in rows} == {"lost"}
    assert "443" not in {row["first_port"] for row in rows}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("pyaments", *INVENTORY), "did you mean payments?"),
        (("payments",), "reach needs an inventory; try -i inventory/"),
        (("--ways", "--without", "sgr-1", *INVENTORY), "--ways is about what is"),
        (("--without", "sgr-1", *INVENTORY), "'sgr-1' is not in the inventory"),
    ],
)
def test_wrong_use(run: Run, args: tuple[str, ...], said: str) -> None:
    """Wrong words are one line, with what to try, and exit code 2."""
    code, out, err = run("reach", *args)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def test_pictures(run: Run, tmp_path: Path) -> None:
    """The extension decides: a picture, a graph, or a table."""
    for name, start in (("may.svg", "<?xml"), ("may.csv", "source,")):
        path = tmp_path / name
        assert run("reach", "payments", *INVENTORY, "-o", str(path))[0] == 0
        assert path.read_text().startswith(start)
