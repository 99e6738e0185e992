"""Exit codes, and the errors that end a command with a message. Standard library only.

Every error class of bot; the message of each is written for a person:

    errors.CommandError                     a command failed: exit code 1
    ├── errors.UsageError                   wrong usage or configuration: exit code 2
    │   └── settings.SettingsError
    └── client.ClientError                  exit code 1 or 2
        └── client.NotRunningError
    keychain.KeychainError
    core.database.InboxError                the database can't be used
    └── core.lock.InUseError
    core.growing.RepeatedError              a text came twice with the same key
    core.intake.RefusedError                a message is not accepted
    core.composing.ComposeError
    core.questions.NobodyToAskError
    core.rooms.UnknownRoomError
    core.when.WhenError                     a time that is not understood
    manners.processes.ProgramError          a program of the system failed
    chat.decode.AttachmentError
    └── chat.decode.SilentError
    chat.sandbox.BotApiError                the sandbox's answer to an invalid call
    home.broker.BrokerError
    http.guard.Refused                      the answer to a request
    http.live.BrokenOffError
    doctor.check.CheckSkipped
    doctor.mac_sound.NeverHeardError        a check of --mac
    doctor.sound.DeviceUnavailableError
"""

OK, FAILED, WRONG_USAGE = 0, 1, 2


class CommandError(Exception):
    """A command failed; the message says why, and what to do."""

    exit_code = FAILED


class UsageError(CommandError):
    """A command or a setting is wrong; the message says which, and what to do."""

    exit_code = WRONG_USAGE
