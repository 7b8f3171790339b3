import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowlens.inventory import policy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"```console\n\$ (.*?[^\\])\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[c.split()[1] for c, _ in SHOWN])
def test_the_readme_shows_what_the_commands_print(
    command: str, output: str, tmp_path: Path
) -> None:
    """Every command line of the README runs as it stands, with the output that stands below."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "FLOWLENS_OFFLINE": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == output


def test_the_readme_has_five_command_lines() -> None:
    """They are what a newcomer tries first."""
    assert len(SHOWN) == 5


def test_the_readme_has_the_exact_policy() -> None:
    """What people paste into IAM is what the code asks for."""
    (block,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert json.loads(block) == policy()
