"""The world around a command, as arguments: environment, working folder, input, clock."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gcp_wif.files import Roots

if TYPE_CHECKING:
    from gcp_wif.ci import CiSystem
    from gcp_wif.ci.asking import Run

__all__ = ["Context", "Program"]


class Program(NamedTuple):
    """This very program, as the operating system started it; both absolute.

    Attributes:
        script: ``sys.argv[0]``: the console script, the zip file, or the package's ``__main__.py``.
        interpreter: ``sys.executable``.
    """

    script: str
    interpreter: str


class Context(NamedTuple):
    """What a command is given of the world around it, so that nothing below reads it by itself.

    Attributes:
        environ: the environment variables.
        cwd: the absolute working folder.
        stdin: standard input, binary.
        clock: seconds since 1970.
        run: how the CI system's program is run; ``None`` for a real process.
        ci: the CI system that was named; ``None`` for the one whose job this is.
        program: this program, where a config may run it; ``None`` where no program counts as ours.
    """

    environ: Mapping[str, str]
    cwd: str
    stdin: BinaryIO
    clock: Callable[[], float]
    run: "Run | None" = None
    ci: str | None = None
    program: Program | None = None

    @property
    def system(self) -> "CiSystem":
        """The CI system whose job this is.

        Raises:
            InputError: WIF209 where the environment is that of several, WIF210 where the named one is unknown.
        """
        from gcp_wif.ci import choose  # only the commands of a job need it

        return choose(self.ci, self.environ)

    @property
    def roots(self) -> Roots:
        """The folders that are trusted when files are written."""
        return Roots(self.environ.get("HOME"), self.cwd)

    def __repr__(self) -> str:
        return "Context(hidden)"  # the environment holds the token
