"""Lays out the pages of the site: python .ci/pages.py FOLDER.

The files of the repository link to one another by their places there. On the site README.md is the
first page and all pages lie in one folder, so links are written anew. Links to code lead to
$REPOSITORY, the address at which a browser sees the repository's files; where it is unset, only
their words remain.
"""

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

ROOT = Path(__file__).resolve().parents[1]
# Files outside docs/ that are pages, and their names on the site.
OTHERS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "charlm/kernels/README.md": "kernels.md",
    "data/SOURCE.md": "source.md",
}
# Blocks and spans of code, in which nothing is a link; else a link's words and where it leads; or
# the place of a picture that is set in HTML.
PARTS = re.compile(
    r"^```.*?^```$|`[^`\n]*`|(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)|(<img src=\")([^\"]+)",
    re.DOTALL | re.MULTILINE,
)
PYTHON = """# From Python

What `import charlm` offers. Nothing is printed; what goes wrong raises a `charlm.CharlmError`.
"""


def pages() -> dict[str, str]:
    """Files of the repository that are pages, and their names on the site."""
    docs = {f"docs/{path.name}": path.name for path in sorted((ROOT / "docs").glob("*.md"))}
    return {**OTHERS, **docs}


def moved(text: str, file: str, repository: str) -> str:
    """The text of a page with its links as they are on the site."""

    def link(part: re.Match[str]) -> str:
        words, target, image, picture = part.groups()
        if picture:
            return f"{image}{place(picture, file) or picture}"
        if not words or re.match(r"[a-z]+:|#", target):
            return part[0]
        at = place(target, file)
        if at is None and repository:
            at = f"{repository}/{in_repository(target, file)}"
        return words.strip("[]") if at is None else f"{words}({at})"

    return PARTS.sub(link, text)


def place(target: str, file: str) -> str | None:
    """Where a link of a file leads on the site; None if that is not part of it."""
    path, _, anchor = target.partition("#")
    at = in_repository(path, file)
    anchor = f"#{anchor}" if anchor else ""
    if at in pages():
        return pages()[at] + anchor
    is_picture = at.startswith("docs/images/") and at.endswith(".png")
    return relpath(at, "docs") if is_picture else None


def in_repository(target: str, file: str) -> str:
    """The place in the repository that a link of a file leads to."""
    return normpath(str(PurePosixPath(file).parent / target))


def reference() -> str:
    """The page about the Python package: what charlm/__init__.py imports for type checkers."""
    source = (ROOT / "charlm" / "__init__.py").read_text(encoding="utf-8")
    found = re.findall(r"^    from (charlm\.[\w.]+) import (.+)$", source, re.MULTILINE)
    homes = {name: module for module, names in found for name in names.split(", ")}
    first = ["train", "load", "Run", "resume"]
    order = [*first, *sorted(homes.keys() - set(first), key=str.lower)]
    return "\n".join([PYTHON, *(f"::: {homes[name]}.{name}\n" for name in order)])


def main(folder: Path) -> None:
    """Write all pages, and copy the pictures."""
    repository = os.environ.get("REPOSITORY", "").rstrip("/")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file, name in pages().items():
        text = (ROOT / file).read_text(encoding="utf-8")
        (folder / name).write_text(moved(text, file, repository), encoding="utf-8", newline="\n")
    (folder / "python.md").write_text(reference(), encoding="utf-8", newline="\n")
    shutil.copytree(
        ROOT / "docs" / "images",
        folder / "images",
        ignore=lambda _, names: [name for name in names if not name.endswith(".png")],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
