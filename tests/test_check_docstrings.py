"""The script that refuses docstrings which begin with Be, Have, Let, Tell or Say."""

import importlib.util

from bot.paths import CHECKOUT


def test_check_docstrings_refuses_five_verbs() -> None:
    """Each kind of docstring is checked, by its first word as a whole."""
    spec = importlib.util.spec_from_file_location(
        "check_docstrings", CHECKOUT / "scripts" / "check_docstrings.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    source = '''"""Tell what is here."""
class Best:
    """Bear with it."""
    async def hold(self):
        """
        Have, and hold.
        """
def letters():
    """Letters that can be said."""
    "Say nothing."
'''

    assert list(script.refused_docstrings(source)) == [(1, "Tell"), (5, "Have")]
