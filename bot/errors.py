"""Exit codes, and the errors that end a command with a message. Standard library only.

CommandError                     exit 1
├── UsageError                   exit 2
│   └── settings.SettingsError
└── client.ClientError
└── client.NotRunningError

"""

OK, FAILED, WRONG_USAGE = 0, 1, 2


class CommandError(Exception):
    """A command can't do what it should; the message says why, and what to do."""

    exit_code = FAILED


class UsageError(CommandError):
    """A command or a setting is wrong; the message says what, and what to do."""

    exit_code = WRONG_USAGE
