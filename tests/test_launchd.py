"""The LaunchAgent template."""

import plistlib
import re

from bot.settings import CHECKOUT

TEMPLATE = CHECKOUT / "launchd" / "org.crier.bot.plist"


def test_the_template_is_a_valid_agent() -> None:
    """It parses, and says what launchd needs to keep a speaking program alive."""
    agent = plistlib.loads(TEMPLATE.read_bytes())

    assert agent["Label"] == "org.crier.bot"
    assert agent["ProcessType"] == "Interactive"
    assert agent["Nice"] == -10
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["ExitTimeOut"] == 20
    assert agent["ProgramArguments"] == ["@CHECKOUT@/.venv/bin/crier", "run"]


def test_the_template_holds_no_secret() -> None:
    """A plist is readable by everybody: no environment, no token."""
    text = TEMPLATE.read_text()

    assert "EnvironmentVariables" not in plistlib.loads(TEMPLATE.read_bytes())
    assert not re.search(r"TOKEN|\d{6,}:", text)
