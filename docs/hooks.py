"""What mkdocs does with each page: links to files of the repository outside of docs/ lead to the repository."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()\.\./[^)\s#]+")


def on_page_markdown(markdown, page, config, files):
    """Return the page with such links made absolute; a link to nothing stays, and the build warns of it."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def absolute(link: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[0]))
        if path.startswith(("docs/", "../")) or not (ROOT / path).exists():
            return link[0]
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{path}"

    return _LINK.sub(absolute, markdown)
