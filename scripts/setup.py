"""Set everything up: what `make setup` runs. Needs only a Python of 3.8 or newer.

Installs a private uv, creates `.venv` with a Python of 3.11 to 3.13, installs the hash-pinned
requirements and the system's PortAudio, and fetches the model files. A second run finds the stamp
of the first and returns at once. Every failure is one message that says what to do next.

Whatever uv and Python are on the PATH, another program may update or remove them. So uv is always
the pinned one, in `.uv`; on a Mac, Python is uv's own build, in `.python`.
"""

import argparse
import ctypes.util
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PRIVATE_UV = ROOT / ".uv"
PRIVATE_PYTHON = ROOT / ".python"
STAMP = VENV / "crier-setup"
PYTHONS = ">=3.11,<3.14"
OLDEST_PYTHON = (3, 8)

# For the environment and the model files; measured on Linux: 600 MB.
NEEDED_MB = 1500
OLDEST_MACOS = 14

# espeak-ng ends the process if the path of its data is longer. Source: N_PATH_HOME in its speech.h,
# of 160 bytes with the final zero; measured.
ESPEAK_PATH_BYTES = 159
ESPEAK_DATA = ".venv/lib/python3.13/site-packages/espeakng_loader/espeak-ng-data"

# Variables of a shell that would lead uv, pip or Python to other folders or versions. Whoever has a
# mirror of uv's Pythons keeps it.
MISLEADING = re.compile(
    r"(UV_(?!PYTHON_INSTALL_MIRROR|PYTHON_DOWNLOADS_JSON_URL)"
    r"(PYTHON|MANAGED|NO_MANAGED|NO_PYTHON|SYSTEM_PYTHON|BREAK_SYSTEM|PROJECT|TARGET|PREFIX"
    r"|CONSTRAINT|OVERRIDE|EXCLUDE|NO_BINARY).*"
    r"|PIP_(USER|TARGET|PREFIX|ROOT|PYTHON|REQUIRE_VIRTUALENV|CONSTRAINT|NO_BINARY|REQUIREMENT)"
    r"|PYTHON(HOME|PATH)|VIRTUAL_ENV|CONDA_PREFIX|__PYVENV_LAUNCHER__)"
)
# Set by the first start, so that there is no third.
STARTED_NATIVELY = "CRIER_STARTED_NATIVELY"

LANGUAGES = ("japanese", "chinese")
# Lists those that were added, so that the next set-up installs them again.
ADDED = VENV / "crier-languages"

DEBIAN_RUN = {"libportaudio2": "PortAudio, which plays the sound"}
DEBIAN_BROWSER = {
    "chromium": "a browser for the page's tests",
    "chromium-driver": "steers it",
}
DEBIAN_TEST = {
    "pulseaudio": "the tests' loudspeakers",
    "pulseaudio-utils": "listens to them",
    "libasound2-plugins": "joins them to ALSA",
    "dbus": "the tests' players are paused over it",
    "mosquitto": "the tests' MQTT broker",
    "zsh": "completes commands in a test",
}


class SetupError(Exception):
    """Set-up can't continue; the message says why and what to do."""


def main() -> int:
    """Set up; return the exit code."""
    parser = argparse.ArgumentParser(description="Set Crier up.")
    parser.add_argument("--dev", action="store_true", help="include what the tests need")
    parser.add_argument("--browser", action="store_true", help="a browser for the page's tests")
    parser.add_argument("--add", choices=LANGUAGES, help="what reads a language's characters")
    parser.add_argument("--lock", action="store_true", help="write the requirements files")
    parser.add_argument("--lock-check", action="store_true", help="resolve them for every machine")
    options = parser.parse_args()
    try:
        check_python()
        if options.lock:
            lock(find_uv())
            return 0
        if options.lock_check:
            lock_check(find_uv())
            return 0
        if options.browser:
            install_system_packages(DEBIAN_BROWSER)
            return 0
        wanted = fingerprint(dev=options.dev)
        if STAMP.exists() and wanted in STAMP.read_text().split() and python().exists():
            if options.add:
                add_language(options.add)
            return 0
        set_up(dev=options.dev)
        if options.add:
            add_language(options.add)
    except SetupError as exc:
        print(f"\nSet-up stopped: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"\nSet-up stopped: {exc.filename or ROOT}: {exc.strerror}.", file=sys.stderr)
        print(
            "Make room, or see that the folder can be written; then start again.", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("\nSet-up stopped. Start again to go on.", file=sys.stderr)
        return 130
    return 0


def set_up(*, dev: bool) -> None:
    """Check, install and fetch everything; cheap checks come first."""
    started_s = time.monotonic()
    start_natively()
    check_platform()
    check_place()
    check_space()
    install_system_packages({**DEBIAN_RUN, **(DEBIAN_TEST if dev else {})})
    uv = find_uv()
    make_environment(uv)
    install_requirements(uv, "requirements-dev.txt" if dev else "requirements.txt")
    for name in added():
        install_language(uv, name)
    write_launcher(uv)
    say("Model files")
    # The tests use the small model; a Mac may run the large one.
    kinds = ["auto", "int8"] if dev and sys.platform == "darwin" else [""]
    for kind in kinds:
        env = {**environment(), **({"KOKORO_MODEL": kind} if kind else {})}
        # It prints the reason itself.
        if run([str(VENV / "bin" / "crier"), "models"], env=env) != 0:
            raise SetupError("without the model files there is no voice (see above).")
    # The development environment holds everything that a run needs.
    holds = (True, False) if dev else (False,)
    STAMP.write_text("\n".join(fingerprint(dev=kind) for kind in holds) + "\n")
    say(f"Ready after {time.monotonic() - started_s:.0f} s")


def add_language(name: str) -> None:
    """Install the packages that read the characters of a language."""
    if name in added():
        say(f"What reads {name.capitalize()} is installed already")
        return
    kinds = [dev for dev in (True, False) if fingerprint(dev=dev) in STAMP.read_text().split()]
    install_language(find_uv(), name)
    ADDED.write_text("\n".join([*added(), name]) + "\n")
    STAMP.write_text("\n".join(fingerprint(dev=kind) for kind in kinds) + "\n")
    say("Installed. A bot that runs already reads it after a restart.")


def added() -> "list[str]":
    """Return the languages that were added."""
    return ADDED.read_text().split() if ADDED.exists() else []


def fingerprint(*, dev: bool) -> str:
    """Return a digest of what the environment is made from; if it changes, set up again."""
    digest = hashlib.sha256(f"{sys.platform} {ROOT}".encode())
    files = ["requirements-dev.txt" if dev else "requirements.txt", "scripts/setup.py"]
    files.append("audio/kokoro/model_files.py")  # which files the voice needs
    for name in files + [f"requirements-{language}.txt" for language in added()]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def python() -> Path:
    """Return the environment's Python."""
    return VENV / "bin" / "python"


def check_platform() -> None:
    """Raise SetupError if this computer is not supported."""
    machine = platform.machine()
    if sys.platform == "darwin":
        under_rosetta = machine == "x86_64" and output(["sysctl", "-n", "hw.optional.arm64"]) == "1"
        if under_rosetta:
            raise SetupError(
                f"this Python ({sys.executable}) runs under Rosetta, as if on an Intel Mac. "
                "Use one for Apple silicon: `arch -arm64 make run`, with /usr/bin first in PATH."
            )
        version = platform.mac_ver()[0]
        if machine != "arm64" or int(version.split(".")[0]) < OLDEST_MACOS:
            raise SetupError(
                f"Crier needs a Mac with Apple silicon and macOS {OLDEST_MACOS} or newer; "
                f"this is macOS {version} on {machine}."
            )
    elif sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        raise SetupError(
            "Crier runs on Macs with Apple silicon and on Linux on x86-64 and arm64; "
            f"this is {platform.system()} on {machine}."
        )


def check_python() -> None:
    """Raise SetupError if this Python is too old to set anything up."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f"{sys.executable} is Python {platform.python_version()}; "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or newer is needed to start. Put another first "
            "in PATH, such as the system's: `PATH=/usr/bin:$PATH make`."
        )


def start_natively() -> None:
    """Start again as an arm64 process if this one runs under Rosetta; else return.

    Apple's own Python is built for both. A Terminal that is opened using Rosetta, or an Intel
    Homebrew on the PATH, would lead to an environment for Intel Macs.
    """
    if sys.platform != "darwin" or platform.machine() != "x86_64" or STARTED_NATIVELY in os.environ:
        return
    if output(["sysctl", "-n", "hw.optional.arm64"]) == "1":
        say("This runs under Rosetta; starting again for Apple silicon")
        os.environ[STARTED_NATIVELY] = "1"
        sys.stderr.flush()
        command = ["arch", "-arm64", "/usr/bin/python3", *sys.argv]
        try:
            os.execv("/usr/bin/arch", command)  # noqa: S606  # no shell is needed
        except OSError:  # `check_platform` says what to do
            return


def check_place() -> None:
    """Raise SetupError if espeak-ng could not open its data at this path."""
    length = len(os.fsencode(str(ROOT / ESPEAK_DATA)))
    if length > ESPEAK_PATH_BYTES:
        raise SetupError(
            f"the path of this folder is {length - ESPEAK_PATH_BYTES} bytes too long for "
            f"espeak-ng, which reads words. Move the folder to a shorter path:\n\n    {ROOT}\n"
        )


def check_space() -> None:
    """Raise SetupError if the disk has too little room."""
    free_mb = shutil.disk_usage(ROOT).free >> 20
    if free_mb < NEEDED_MB and not STAMP.exists():
        raise SetupError(f"{NEEDED_MB} MB are needed on this disk and {free_mb} MB are free.")


def install_system_packages(packages: "dict[str, str]") -> None:
    """Install missing Debian or Ubuntu packages; elsewhere only check for PortAudio."""
    if sys.platform != "linux":
        return
    if not shutil.which("dpkg-query"):
        if ctypes.util.find_library("portaudio") is None:
            raise SetupError("the PortAudio library is missing. Install your system's package.")
        return
    missing = [name for name in packages if not installed(name)]
    if missing:
        apt_install(missing, "; ".join(packages[name] for name in missing))


def installed(package: str) -> bool:
    """Return whether a Debian package is installed."""
    status = output(["dpkg-query", "-W", "-f", "${Status}", package])
    return status.endswith(" installed")


def apt_install(packages: "list[str]", why: str) -> None:
    """Install Debian packages as root or with sudo; otherwise raise an error with the command."""
    install = ["install", "-y", "--no-install-recommends", *packages]
    by_hand = f"sudo {shlex.join(['apt-get', *install])}"
    apt = ["apt-get"]
    if os.geteuid() != 0:
        if not shutil.which("sudo") or run(["sudo", "-v"], ask=True) != 0:
            raise SetupError(f"this needs to be installed first ({why}):\n\n    {by_hand}\n")
        apt = ["sudo", "-n", "apt-get"]
    say(f"Installing {', '.join(packages)} ({why})")
    env = {**environment(), "DEBIAN_FRONTEND": "noninteractive"}
    if not output([*apt, "--simulate", *install]):  # a fresh system has no package lists yet
        run([*apt, "update"], quiet=True, env=env)
    if run([*apt, *install], quiet=True, env=env) != 0:
        raise SetupError(f"apt-get could not install this. Try it by hand:\n\n    {by_hand}\n")


def find_uv() -> str:
    """Return the private uv of the pinned version, which is installed if it is missing."""
    uv = PRIVATE_UV / "bin" / "uv"
    pinned = re.match(r"uv==(\S+)", (ROOT / "scripts" / "uv.txt").read_text())
    # It prints "uv 0.13.9 (aarch64-apple-darwin)". An Intel uv would install an Intel Python.
    found = output([str(uv), "--version"]).split() + [""] * 3
    if found[:2] != ["uv", pinned.group(1) if pinned else ""] or (
        sys.platform == "darwin" and not found[2].startswith("(aarch64-")
    ):
        install_uv()
    return str(uv)


def install_uv() -> None:
    """Install the pinned uv into a virtual environment of its own, by pip."""
    say("Installing uv into .uv/")
    shutil.rmtree(PRIVATE_UV, ignore_errors=True)
    if run([sys.executable, "-m", "venv", str(PRIVATE_UV)], quiet=True) != 0:
        # Debian keeps ensurepip in a package of its own.
        shutil.rmtree(PRIVATE_UV, ignore_errors=True)
        if not shutil.which("dpkg-query"):
            raise SetupError(
                f"{sys.executable} can't make virtual environments. Use another Python, such as "
                "/usr/bin/python3: `PATH=/usr/bin:$PATH make`."
            )
        apt_install(["python3-venv"], "makes virtual environments")
        if run([sys.executable, "-m", "venv", str(PRIVATE_UV)]) != 0:
            raise SetupError(f"{sys.executable} can't make virtual environments (see above).")
    pip = [str(PRIVATE_UV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    pip += ["-r", str(ROOT / "scripts" / "uv.txt")]
    roots = PRIVATE_UV / "roots.pem"
    if run(pip) != 0 and not (export_roots(roots) and run([*pip, "--cert", str(roots)]) == 0):
        raise SetupError("uv could not be downloaded (see above). Check the network.")


def export_roots(path: Path) -> bool:
    """Write the certificates that a Mac trusts to *path*; return whether there are any.

    pip knows only those that it brings along, and not those of a company's proxy.
    """
    if sys.platform != "darwin":
        return False
    keychains = ["/System/Library/Keychains/SystemRootCertificates.keychain"]
    keychains.append("/Library/Keychains/System.keychain")
    roots = output(["security", "find-certificate", "-a", "-p", *keychains])
    path.write_text(roots + "\n")
    return bool(roots)


def make_environment(uv: str) -> None:
    """Create .venv with a supported Python, unless it has one."""
    if python().exists() and python_fits():
        return
    say(f"Making .venv with Python {PYTHONS}")
    command = [uv, "venv", "--quiet", "--clear", "--python", PYTHONS]
    # Homebrew's next update would remove its Python, and launchd could not start Crier any more.
    command += ["--managed-python"] if sys.platform == "darwin" else []
    if run([*command, str(VENV)]) != 0:
        raise SetupError(
            "there is no Python 3.11, 3.12 or 3.13 here, and none could be downloaded (see above). "
            + (
                "Check the network, which has to reach github.com, or set UV_PYTHON_INSTALL_MIRROR."
                if sys.platform == "darwin"
                else "Install one, or check the network."
            )
        )
    if not python_fits():
        raise SetupError(
            f"uv made .venv with a Python that does not fit ({described_python()}). Remove the "
            f"folders .venv, .uv and {PRIVATE_PYTHON.name}, and start again."
        )


def python_fits() -> bool:
    """Return whether the environment's Python has a supported version and, on a Mac, is uv's."""
    version, machine, prefix = (*described_python().split(maxsplit=2), "", "", "")[:3]
    if not re.match(r"3\.1[123]\.", version):
        return False
    if sys.platform != "darwin":
        return True
    return machine == "arm64" and PRIVATE_PYTHON.resolve() in Path(prefix).parents


def described_python() -> str:
    """Return version, machine and home of the environment's Python; empty if it does not start."""
    code = "import os, platform, sys; print(platform.python_version(), platform.machine(), "
    code += "os.path.realpath(sys.base_prefix))"
    return output([str(python()), "-c", code])


def environment() -> "dict[str, str]":
    """Return the environment of all programs that set-up runs."""
    env = {name: value for name, value in os.environ.items() if not MISLEADING.fullmatch(name)}
    env["PIP_USER"] = "0"  # over a pip.conf: an environment has no folder of a user
    if sys.platform == "darwin":
        env["UV_PYTHON_INSTALL_DIR"] = str(PRIVATE_PYTHON)
        env["UV_PYTHON_DOWNLOADS"] = "automatic"
        env.setdefault("UV_SYSTEM_CERTS", "1")  # a company's proxy has its own certificate
    return env


def install_requirements(uv: str, requirements: str) -> None:
    """Install exactly what a lock file lists."""
    say(f"Installing {requirements}")
    command = [uv, "pip", "sync", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python", str(python()), str(ROOT / requirements)]
    if run(command) != 0:
        raise SetupError("the Python packages could not be installed (see above).")


def install_language(uv: str, name: str) -> None:
    """Install what the lock file of a language lists; remove nothing."""
    requirements = f"requirements-{name}.txt"
    say(f"Installing {requirements}")
    command = [uv, "pip", "install", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python", str(python()), "-r", str(ROOT / requirements)]
    if run(command) != 0:
        raise SetupError(f"what reads {name.capitalize()} could not be installed (see above).")


def write_launcher(uv: str) -> None:
    """Write the command `crier` into the environment, and link uv beside it."""
    site = output([str(python()), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    (Path(site) / "crier.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin" / "crier"
    # What a shell has for another Python, such as conda's, would be imported instead.
    # Started by SwiftBar or xbar, as crier.5s.sh, it prints a menu; SwiftBar need not run a login
    # shell for that (PluginMetadata.swift).
    launcher.write_text(
        "#!/bin/sh\n# <swiftbar.runInBash>false</swiftbar.runInBash>\n"
        "unset PYTHONHOME PYTHONPATH\n"
        'case "${0##*/}" in crier.*) set -- menubar ;; esac\n'
        f'exec {shlex.quote(str(python()))} -P -m bot "$@"\n'
    )
    launcher.chmod(0o755)
    link = VENV / "bin" / "uv"
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(uv)


def lock(uv: str) -> None:
    """Write requirements.txt and requirements-dev.txt from pyproject.toml."""
    compile_ = [uv, "pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes"]
    compile_ += ["--no-emit-index-url", "--no-header", "--only-binary", ":all:"]
    compile_ += ["--python-version", "3.11"]
    for extra in ([], ["--group", "dev"]):
        name = "requirements-dev.txt" if extra else "requirements.txt"
        if run([*compile_, "pyproject.toml", *extra, "-o", name]) != 0:
            raise SetupError(f"{name} could not be made (see above).")
    for language in LANGUAGES:
        name = f"requirements-{language}.txt"
        group = ["--constraint", "requirements.txt", "--group", f"pyproject.toml:{language}"]
        if run([*compile_, *group, "-o", name]) != 0:
            raise SetupError(f"{name} could not be made (see above).")


def lock_check(uv: str) -> None:
    """Resolve the locked requirements for every supported Python and machine."""
    machines = ("aarch64-apple-darwin", "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
    env = {**environment(), "MACOSX_DEPLOYMENT_TARGET": f"{OLDEST_MACOS}.0"}
    for version in ("3.11", "3.12", "3.13"):
        for machine in machines:
            command = [uv, "pip", "install", "--dry-run", "--quiet", "--require-hashes"]
            command += ["--only-binary", ":all:", "--target", str(VENV / "nowhere")]
            command += ["--python-version", version, "--python-platform", machine]
            names = ["dev", *LANGUAGES]
            if any(run([*command, "-r", f"requirements-{name}.txt"], env=env) for name in names):
                raise SetupError(f"no resolution for Python {version} on {machine} (see above).")
            print(f"resolves for Python {version} on {machine}")


def say(text: str) -> None:
    """Print the next step to stderr: stdout belongs to the program that is set up."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def run(
    command: "list[str]",
    *,
    quiet: bool = False,
    ask: bool = False,
    env: "dict[str, str] | None" = None,
) -> int:
    """Run a command and return its exit code.

    Args:
        command: the program and its arguments.
        quiet: show its output only if it fails.
        ask: give it the terminal, for a password.
        env: its environment, by default `environment`.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=str(ROOT),
            env=environment() if env is None else env,
            # What is piped into `make run` is for the bot.
            stdin=None if ask and sys.stdin.isatty() else subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else sys.stderr,
            stderr=subprocess.STDOUT if quiet else None,
        )
    except OSError as exc:
        print(f"{command[0]}: {exc.strerror}", file=sys.stderr)
        return 127
    if quiet and done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode


def output(command: "list[str]") -> str:
    """Return what a command prints, stripped; empty where it fails."""
    try:
        done = subprocess.run(
            command,
            check=False,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
