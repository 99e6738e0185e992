"""Attempts: work in progress when the process died is counted, and nothing else."""

from pathlib import Path

from bot.core.attempts import Attempts


def test_attempts_count_only_runs_that_died_during_the_work(tmp_path: Path) -> None:
    """Finished work, and work that never started, is not blamed; work in progress is."""
    path = tmp_path / "attempts.json"
    run = Attempts(path)
    run.start("message:1")
    run.start("message:2")
    run.finish("message:1")

    later = Attempts(path)

    assert (later.deaths("message:1"), later.deaths("message:2")) == (0, 1)


def test_attempts_add_up_over_runs_until_there_is_progress(tmp_path: Path) -> None:
    """Two deaths in a row count as two; a run that got further starts the count again."""
    path = tmp_path / "attempts.json"
    Attempts(path).start("message:1")
    Attempts(path).start("message:1")
    later = Attempts(path)

    assert later.deaths("message:1") == 2

    later.forget_deaths("message:1")

    assert later.deaths("message:1") == 0


def test_attempts_blame_nothing_when_the_process_ends_on_purpose(tmp_path: Path) -> None:
    """After a stop, an update or a logout nothing is blamed."""
    path = tmp_path / "attempts.json"
    run = Attempts(path)
    run.start("message:1")
    run.close()

    assert Attempts(path).deaths("message:1") == 0


def test_attempts_survive_a_damaged_file(tmp_path: Path) -> None:
    """A damaged file counts nothing, and later work is recorded."""
    path = tmp_path / "attempts.json"
    path.write_text("{")
    run = Attempts(path)
    run.start("message:1")

    assert Attempts(path).deaths("message:1") == 1


def test_attempts_do_not_blame_suspended_work(tmp_path: Path) -> None:
    """Paused work is not blamed for a death; resumed work is."""
    path = tmp_path / "attempts.json"
    run = Attempts(path)
    run.start("message:1")
    run.start("update:2")
    run.suspend("message:")
    paused = Attempts(path)
    run.resume()
    resumed = Attempts(path)

    assert (paused.deaths("message:1"), paused.deaths("update:2")) == (0, 1)
    assert resumed.deaths("message:1") == 1


def test_attempts_count_little_while_the_result_is_played(tmp_path: Path) -> None:
    """A death after the work counts a fifth, unless it left the trace of a native crash."""
    path = tmp_path / "attempts.json"
    run = Attempts(path)
    run.start("message:1")
    run.mark_playing("message:1")
    left = path.read_text()
    killed = Attempts(path).deaths("message:1")
    path.write_text(left)
    crashed = Attempts(path, crashed=True).deaths("message:1")

    assert (killed, crashed) == (0.2, 1.0)


def test_attempts_forget_ended_messages(tmp_path: Path) -> None:
    """Deaths of messages that no longer exist are removed."""
    path = tmp_path / "attempts.json"
    run = Attempts(path)
    run.start("message:1")
    run.start("message:2")
    later = Attempts(path)
    later.forget_all_but("message:", {"message:2"})

    assert (later.deaths("message:1"), later.deaths("message:2")) == (0, 1)
