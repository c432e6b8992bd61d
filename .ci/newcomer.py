"""A newcomer's path, timed: a clean environment, the wheel, and what the documentation says to do, run as it is written there.

    python .ci/newcomer.py build/dist/lamina-0.1.0-py3-none-any.whl

Nothing of the checkout is used but the wheel, the pages and the examples, copied as text; everything runs in an empty folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LIMIT: Final = 300.0  # seconds: the five minutes that the quickstart promises
sys.path.insert(0, str(ROOT))

from tests.docs.pages import blocks  # noqa: E402


class Newcomer:
    """The steps of the path, each with the seconds it took.

    Parameters: `wheel` to install; `folder`, an empty one, to work in.
    """

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel = wheel
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = folder / "venv"
        self.took: list[tuple[str, float]] = []

    def run(self, name: str, command: list[str]) -> str:
        """One step; what it printed. Stops the whole path where it fails."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "PYTHON", "VIRTUAL_ENV"))
        }
        variables["PATH"] = f"{self.environment / 'bin'}{os.pathsep}{variables['PATH']}"
        variables["HOME"] = str(self.folder)
        start = time.perf_counter()
        done = subprocess.run(command, cwd=self.work, env=variables, capture_output=True, text=True, check=False, timeout=LIMIT)
        self.took.append((name, time.perf_counter() - start))
        print(f"{self.took[-1][1]:7.1f} s  {name}", flush=True)
        if done.returncode:
            sys.exit(f"the newcomer is stuck at '{name}':\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def install(self, extras: str = "") -> None:
        """Install the wheel with the pinned versions."""
        wanted = f"{self.wheel}[{extras}]" if extras else str(self.wheel)
        pip = [str(self.environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self.run(
            f"pip install {'the wheel' if not extras else f'lamina[{extras}]'}",
            [*pip, "-c", str(ROOT / "constraints.txt"), wanted],
        )

    def python(self, name: str, source: str) -> str:
        """Run Python source that was copied from somewhere."""
        script = self.work / "copied.py"
        script.write_text(source, encoding="utf-8")
        return self.run(name, ["python", str(script)])


def code(page: str, language: str, heading: str | None = None) -> str:
    """The blocks of a language of a page that are to be run, joined; below one heading, if it is given."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if heading is not None:
        text = text[text.index(f"\n## {heading}\n") + 1 :]
        following = text.find("\n## ", 1)
        text = text if following < 0 else text[:following]
    found = "\n".join(block.text for block in blocks(text) if block.language == language and block.not_run is None)
    if not found:
        sys.exit(f"docs/{page} has no {language} to copy")
    return found


def main(wheel: Path, folder: Path) -> None:
    """Walk the path in an empty folder."""
    path = Newcomer(wheel.resolve(), folder)
    path.run("python -m venv", [sys.executable, "-m", "venv", str(path.environment)])
    path.install()
    where = path.run("import lamina", ["python", "-c", "import lamina; print(lamina.__file__)"])
    if not where.startswith(str(path.environment)):
        sys.exit(f"not the wheel was imported, but {where}")
    path.run("lamina demo", ["lamina", "demo"])
    path.python("quickstart: ten lines", code("quickstart.md", "python"))
    path.run("quickstart: from the shell", ["bash", "-euo", "pipefail", "-c", code("quickstart.md", "bash", "From the shell")])
    path.install("mcp,langgraph")
    path.python("an MCP call (examples/mcp_client.py)", (ROOT / "examples" / "mcp_client.py").read_text(encoding="utf-8"))
    path.python("an adapter (docs/integrations/langgraph.md)", code("integrations/langgraph.md", "python"))
    total = sum(seconds for _, seconds in path.took)
    print(f"{total:7.1f} s  in all, of {LIMIT:.0f}")
    if total > LIMIT:
        sys.exit("the path takes longer than the five minutes that are promised")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as place:
        main(Path(sys.argv[1]), Path(place))
