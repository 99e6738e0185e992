"""What `crier --version` says: the version, the commit of the checkout, and the model.

Imports no more than it must, and runs no git.
"""

from pathlib import Path

from bot import __version__


def describe() -> str:
    """Return the version, the commit where there is one, and the model with its place."""
    commit = commit_of(Path(__file__).resolve().parent.parent)
    return f"crier {__version__}{f' (commit {commit[:12]})' if commit else ''}\n{_model()}"


def commit_of(checkout: Path) -> str:
    """Return the commit that is checked out; empty where this is no checkout of git's.

    Source: gitrepository-layout(5): a worktree's `.git` is a file that names its folder, whose
    `commondir` names the repository; a branch is a file or a line in packed-refs.
    """
    try:
        folder = checkout / ".git"
        if folder.is_file():
            folder = checkout / folder.read_text().removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        branch = head.removeprefix("ref:").strip()
        common = folder / "commondir"
        shared = folder / common.read_text().strip() if common.exists() else folder
        if (shared / branch).exists():
            return (shared / branch).read_text().strip()
        for line in (shared / "packed-refs").read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == branch:
                return commit
    except (OSError, UnicodeDecodeError):
        pass
    return ""


def _model() -> str:
    from audio.kokoro.model_files import MODELS, VOICES_FILE, resolve_kind  # noqa: PLC0415  # slow to import
    from bot.settings import SettingsError, load  # noqa: PLC0415  # slow to import

    try:
        settings, _ = load(ask_keychain=False)
    except SettingsError as exc:
        return f"model: not known, since a setting is wrong. {exc}"
    kind = resolve_kind(settings.kokoro_model)
    missing = [
        file.name
        for file in (MODELS[kind], VOICES_FILE)
        if not (settings.model_dir / file.name).exists()
    ]
    lacks = f"; missing: {', '.join(missing)} (`crier models` fetches it)" if missing else ""
    return f"model: Kokoro-82M v1.0, {kind}, in {settings.model_dir}{lacks}"
