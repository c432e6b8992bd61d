"""Nothing public is missing from the documentation: names, methods, their parameters, commands, options, settings, extras."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path

import pytest

import lamina
from lamina.keeping.arguments import Conditions, ScopeArguments
from tests.docs.pages import ROOT, pages

DOCS = ROOT / "docs"
PROSE = "\n".join(page.read_text(encoding="utf-8") for page in pages() if "reference" not in page.parts)
"""All that was written by hand; the generated reference does not count as an explanation."""
KEYWORDS = {"whose": ScopeArguments, "conditions": Conditions}


def public_methods(kind: type) -> list[str]:
    return [name for name, value in inspect.getmembers(kind) if not name.startswith("_") and callable(value)]


@pytest.mark.parametrize("name", [name for name in lamina.__all__ if not name.startswith("__")])
def test_every_public_name_is_explained(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", PROSE), f"lamina.{name} is in no page of docs/"


@pytest.mark.parametrize("name", [name for name in lamina.__all__ if not name.startswith("__")])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    home = getattr(lamina, name).__module__
    reference = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    assert re.search(rf"^::: ({re.escape(home)}|lamina)(\.{name})?$", reference, re.MULTILINE), (
        f"no ':::' line gives {home}.{name}"
    )


def test_every_method_of_memory_is_explained() -> None:
    missing = [name for name in public_methods(lamina.Memory) if not re.search(rf"\b{name}\(|`{name}`", PROSE)]
    assert not missing, f"methods of Memory in no page of docs/: {missing}"


def parameters(method: str) -> list[str]:
    """The names a caller may use, those that come in as `**whose` or `**conditions` among them."""
    names: list[str] = []
    for name, parameter in list(inspect.signature(getattr(lamina.Memory, method)).parameters.items())[1:]:
        names += KEYWORDS[name].__annotations__ if parameter.kind is inspect.Parameter.VAR_KEYWORD else [name]
    return names


def test_every_parameter_of_memory_is_explained() -> None:
    missing = [
        f"{method}({name}=…)"
        for method in ["__init__", *public_methods(lamina.Memory)]
        for name in parameters(method)
        if not re.search(rf"`{name}[`=]|\b{name}=", PROSE)
    ]
    assert not missing, f"parameters in no page of docs/: {missing}"


def test_async_memory_has_the_methods_of_memory() -> None:
    assert set(public_methods(lamina.Memory)) - {"close"} <= set(public_methods(lamina.AsyncMemory)) | {"aclose"}


def test_every_command_is_explained_in_the_guide() -> None:
    from tests.docs.cli import tree

    guide = (DOCS / "guides" / "cli.md").read_text(encoding="utf-8")
    missing = [name for name in tree() if name and f"lamina {name}" not in guide]
    assert not missing, f"commands missing from docs/guides/cli.md: {missing}"


def test_every_option_is_in_the_reference() -> None:
    from tests.docs.cli import options, tree

    reference = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `lamina ?(.*?)`\n(.*?)(?=^## |\Z)", reference, re.MULTILINE | re.DOTALL))
    missing = [
        f"lamina {name} {option}"
        for name, command in tree().items()
        for option in sorted(options(command))
        if f"`{option}`" not in sections.get(name, "") and option != "--help"
    ]
    assert not missing, f"run `make cli-reference`: {missing}"


def test_the_command_reference_is_up_to_date() -> None:
    path = DOCS / "cli_reference.py"
    specification = importlib.util.spec_from_file_location("cli_reference", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert (DOCS / "reference" / "cli.md").read_text(encoding="utf-8") == module.render(), "run `make cli-reference`"


def test_every_extra_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    missing = [name for name in project["optional-dependencies"] if f"`{name}`" not in PROSE and f"lamina[{name}]" not in PROSE]
    assert not missing, f"extras in no page of docs/: {missing}"


def test_every_setting_from_the_environment_is_explained() -> None:
    used: set[str] = set()
    for path in Path(lamina.__file__).parent.rglob("*.py"):
        used |= set(re.findall(r"LAMINA_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
    missing = sorted(name for name in used if name not in PROSE)
    assert not missing, f"settings in no page of docs/: {missing}"


def test_the_changelog_and_the_package_name_the_same_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == lamina.__version__


INNER = {"documents", "log", "mem0_filters", "mem0_forms"}
"""Modules of `integrations` that adapters stand on, and that nobody imports from."""


def test_every_adapter_is_explained() -> None:
    missing = []
    for path in sorted((ROOT / "src" / "lamina" / "integrations").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            if public and path.stem not in INNER and not re.search(rf"\b{node.name}\b", PROSE):
                missing.append(f"{path.stem}.{node.name}")
    assert not missing, f"names of adapters in no page of docs/: {missing}"
