"""`gcp_wif.files`: on a real file system, where modes, links, locks and kills matter."""

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import signal
import stat
import threading
from pathlib import Path

import pytest

from gcp_wif import limits
from gcp_wif.errors import InputError
from gcp_wif.files import Roots, check_destination, edit_shared, read_bounded, write_new, write_private
from gcp_wif.files.receipt import RECEIPT_NAME

ROOTS = Roots(None, None)
LEFTOVER = ".token.gcp-wif-0123456789abcdef"


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def append(text: bytes):
    return lambda before: (before, text)


class TestWritePrivate:
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
    def test_mode_is_0600_whatever_the_umask(self, tmp_path: Path, umask: int) -> None:
        target = tmp_path / "token"
        code = (
            f"import os; os.umask({umask}); from pathlib import Path; from gcp_wif.files import Roots, write_private\n"
        )
        code += f"write_private({{Path({str(target)!r}): b'secret'}}, Roots(None, None))"
        process = multiprocessing.get_context("spawn").Process(target=exec, args=(code,))
        process.start()
        process.join(30)
        assert process.exitcode == 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert target.read_bytes() == b"secret"

    def test_no_moment_at_which_others_could_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        modes = []
        real = os.write

        def spy(descriptor: int, data: bytes) -> int:
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", spy)
        os.umask(old := os.umask(0))
        try:
            os.umask(0)
            write_private({tmp_path / "token": b"secret"}, ROOTS)
        finally:
            os.umask(old)
        assert modes == [0o600]

    def test_replaces_and_tightens_an_earlier_file(self, tmp_path: Path) -> None:
        target = tmp_path / "token"
        target.write_bytes(b"a much longer earlier content")
        target.chmod(0o644)
        write_private({target: b"new"}, ROOTS)
        assert target.read_bytes() == b"new"
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert names(tmp_path) == {"token"}

    def test_makes_missing_folders_private(self, tmp_path: Path) -> None:
        target = tmp_path / "a" / "b" / "token"
        write_private({target: b"x"}, ROOTS)
        assert stat.S_IMODE(target.parent.stat().st_mode) == 0o700

    def test_all_or_none_when_the_second_cannot_be_staged(self, tmp_path: Path) -> None:
        first, blocked = tmp_path / "a", tmp_path / "folder" / "b"
        first.write_bytes(b"earlier")
        (tmp_path / "folder").write_bytes(b"a file, not a folder")
        with pytest.raises(InputError) as caught:
            write_private({first: b"new", blocked: b"new"}, ROOTS)
        assert caught.value.code == "WIF303"
        assert first.read_bytes() == b"earlier"
        assert names(tmp_path) == {"a", "folder"}

    def test_partial_writes_are_completed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
        write_private({tmp_path / "token": b"0123456789"}, ROOTS)
        assert (tmp_path / "token").read_bytes() == b"0123456789"

    def test_a_leftover_of_a_killed_run_is_taken_over(self, tmp_path: Path) -> None:
        leftover = tmp_path / LEFTOVER
        leftover.write_bytes(b"half")
        write_private({tmp_path / "token": b"whole"}, ROOTS)
        assert names(tmp_path) == {"token"}
        assert (tmp_path / "token").read_bytes() == b"whole"

    def test_what_only_resembles_a_leftover_stays(self, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        (tmp_path / LEFTOVER).symlink_to(victim)
        others = {".token.gcp-wif-new", ".token.gcp-wif-0123", ".other.gcp-wif-0123456789abcdef", LEFTOVER + "x"}
        for name in others:
            (tmp_path / name).write_bytes(b"theirs")
        write_private({tmp_path / "token": b"secret"}, ROOTS)
        assert victim.read_bytes() == b"precious"
        assert names(tmp_path) == {"victim", "token", LEFTOVER, *others}

    def test_a_hard_link_in_place_of_the_leftover_is_not_written_through(self, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        os.link(victim, tmp_path / LEFTOVER)
        write_private({tmp_path / "token": b"secret"}, ROOTS)
        assert victim.read_bytes() == b"precious"
        assert (tmp_path / "token").read_bytes() == b"secret"

    def test_what_a_living_run_is_writing_stays(self, tmp_path: Path) -> None:
        with (tmp_path / LEFTOVER).open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            write_private({tmp_path / "token": b"x"}, ROOTS)
        assert names(tmp_path) == {"token", LEFTOVER}

    def test_names_of_255_bytes_work(self, tmp_path: Path) -> None:
        target = tmp_path / ("ü" * 127)
        write_private({target: b"x"}, ROOTS)
        assert target.read_bytes() == b"x"

    def test_a_full_disk_replaces_nothing(self, tmp_path: Path) -> None:
        """The kernel's own refusal, by the limit on the size of a file; a really full disk is in the journeys."""
        config, token = tmp_path / "config", tmp_path / "token"
        write_private({config: b"earlier config", token: b"earlier token"}, ROOTS)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(InputError) as caught:
                write_private({config: b"new config", token: b"x" * 8192}, ROOTS)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert caught.value.code == "WIF304"
        assert config.read_bytes() == b"earlier config"
        assert token.read_bytes() == b"earlier token"
        assert names(tmp_path) == {"config", "token"}

    @pytest.mark.parametrize("earlier", [True, False])
    def test_the_first_is_put_back_where_the_second_cannot_be_replaced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
    ) -> None:
        first, second = tmp_path / "a", tmp_path / "b"
        if earlier:
            first.write_bytes(b"earlier")
        inode = first.stat().st_ino if earlier else None
        real = os.rename

        def refusing(source: str, target: str, **rest: int) -> None:
            if target == "b":
                raise OSError(errno.EPERM, "Operation not permitted")
            real(source, target, **rest)

        monkeypatch.setattr(os, "rename", refusing)
        with pytest.raises(InputError) as caught:
            write_private({first: b"new", second: b"new"}, ROOTS)
        assert caught.value.code == "WIF303"
        assert names(tmp_path) == ({"a"} if earlier else set())
        if earlier:
            assert (first.read_bytes(), first.stat().st_ino) == (b"earlier", inode)

    def test_an_interrupt_leaves_no_litter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(descriptor: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_private({tmp_path / "token": b"x"}, ROOTS)
        assert names(tmp_path) == set()


class TestCheckDestination:
    def refusal(self, path: Path) -> str:
        with pytest.raises(InputError) as caught:
            check_destination(path, ROOTS, origin="--output-file")
        assert "--output-file" in caught.value.message
        assert str(path.name) in caught.value.message
        return caught.value.code

    def test_folder(self, tmp_path: Path) -> None:
        assert self.refusal(tmp_path) == "WIF301"

    def test_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        assert self.refusal(tmp_path / "fifo") == "WIF301"

    @pytest.mark.parametrize("dangling", [True, False])
    def test_symbolic_link(self, tmp_path: Path, dangling: bool) -> None:
        if not dangling:
            (tmp_path / "target").write_bytes(b"")
        (tmp_path / "link").symlink_to(tmp_path / "target")
        assert self.refusal(tmp_path / "link") == "WIF302"

    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        assert self.refusal(tmp_path / "file" / "token") == "WIF303"

    def test_unwritable_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Root may write anywhere, so the kernel's answer is given here; the journey tests do it as another user.
        monkeypatch.setattr(os, "access", lambda path, mode, dir_fd: False)
        assert self.refusal(tmp_path / "token") == "WIF303"

    def test_missing_folders_are_fine_where_they_can_be_made(self, tmp_path: Path) -> None:
        check_destination(tmp_path / "a" / "b" / "token", ROOTS, origin="--output-file")
        assert names(tmp_path) == set()


class TestReadBounded:
    def test_reads(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x" * 10)
        assert read_bounded(tmp_path / "f", 10, origin="it") == b"x" * 10

    @pytest.mark.parametrize(
        ("prepare", "code"),
        [
            (lambda path: None, "WIF306"),
            (lambda path: path.mkdir(), "WIF307"),
            (os.mkfifo, "WIF307"),
            (lambda path: path.write_bytes(b"x" * 11), "WIF307"),
            (lambda path: path.symlink_to(path), "WIF302"),
        ],
    )
    def test_refuses(self, tmp_path: Path, prepare, code: str) -> None:
        prepare(tmp_path / "f")
        with pytest.raises(InputError) as caught:
            read_bounded(tmp_path / "f", 10, origin="it")
        assert caught.value.code == code


class TestEditShared:
    def test_creates_appends_and_tells_before_and_after(self, tmp_path: Path) -> None:
        shell = tmp_path / "env"
        assert edit_shared(shell, append(b"a\n"), origin="it", create=True) == (b"", b"a\n")
        assert edit_shared(shell, append(b"b\n"), origin="it", create=True) == (b"a\n", b"a\nb\n")
        assert shell.read_bytes() == b"a\nb\n"
        assert names(tmp_path) == {"env"}

    def test_a_missing_file_is_left_missing(self, tmp_path: Path) -> None:
        assert edit_shared(tmp_path / "env", append(b"a\n"), origin="it", create=False) is None
        assert names(tmp_path) == set()

    def test_appending_keeps_the_inode_and_follows_a_link(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real", tmp_path / "link"
        real.write_bytes(b"theirs\n")
        real.chmod(0o640)
        link.symlink_to(real)
        before = real.stat().st_ino
        edit_shared(link, append(b"ours\n"), origin="it", create=True)
        assert (real.stat().st_ino, stat.S_IMODE(real.stat().st_mode)) == (before, 0o640)
        assert link.is_symlink()
        assert real.read_bytes() == b"theirs\nours\n"

    def test_taking_out_keeps_mode_and_link(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real", tmp_path / "link"
        real.write_bytes(b"theirs\nours\n")
        real.chmod(0o640)
        link.symlink_to(real)
        edit_shared(link, lambda before: (b"theirs\n", b""), origin="it", create=False)
        assert link.is_symlink()
        assert real.read_bytes() == b"theirs\n"
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        assert names(tmp_path) == {"real", "link"}

    def test_a_folder_and_a_fifo_are_refused_without_waiting(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for path in (tmp_path, tmp_path / "fifo"):
            with pytest.raises(InputError) as caught:
                edit_shared(path, append(b"x"), origin="it", create=True)
            assert caught.value.code in {"WIF301", "WIF303"}

    def test_a_missing_folder_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            edit_shared(tmp_path / "none" / "env", append(b"x"), origin="BASH_ENV", create=True)
        assert caught.value.code == "WIF303"

    def test_a_full_disk_leaves_no_half_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shell = tmp_path / "env"
        shell.write_bytes(b"theirs\n")
        real = os.write
        calls: list[int] = []

        def full(descriptor: int, data: memoryview) -> int:
            calls.append(len(data))
            if len(calls) == 1:
                return real(descriptor, bytes(data[:4]))
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(InputError) as caught:
            edit_shared(shell, append(b"export X=1\n"), origin="it", create=True)
        assert caught.value.code == "WIF304"
        assert shell.read_bytes() == b"theirs\n"

    def test_a_full_disk_takes_no_line_of_others(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shell = tmp_path / "env"
        shell.write_bytes(b"theirs\n")
        real = os.write
        calls: list[int] = []

        def full(descriptor: int, data: memoryview) -> int:
            calls.append(len(data))
            if len(calls) == 1:
                return real(descriptor, bytes(data[:4]))
            with shell.open("ab") as other:
                other.write(b"\nlate\n")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(InputError):
            edit_shared(shell, append(b"export X=1\n"), origin="it", create=True)
        assert shell.read_bytes() == b"theirs\nexpo\nlate\n"

    def test_what_others_append_while_lines_are_taken_out_stays(self, tmp_path: Path) -> None:
        shell = tmp_path / "env"
        shell.write_bytes(b"theirs\nours\n")
        calls = []

        def change(before: bytes) -> tuple[bytes, bytes]:
            calls.append(before)
            if len(calls) == 1:
                with shell.open("ab") as other:
                    other.write(b"late\n")
            return before.replace(b"ours\n", b""), b""

        edit_shared(shell, change, origin="it", create=False)
        assert shell.read_bytes() == b"theirs\nlate\n"
        assert len(calls) == 2

    def test_a_lock_that_is_never_released_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "LOCK_SECONDS", 0.2)
        shell = tmp_path / "env"
        with shell.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(InputError) as caught:
                edit_shared(shell, append(b"x"), origin="it", create=True)
        assert caught.value.code == "WIF305"

    def test_threads_that_append_and_take_out_lose_no_line(self, tmp_path: Path) -> None:
        shell = tmp_path / "env"
        shell.write_bytes(b"")

        def work(number: int) -> None:
            edit_shared(shell, append(f"keep {number}\ndrop {number}\n".encode()), origin="it", create=True)
            edit_shared(
                shell,
                lambda before: (before.replace(f"drop {number}\n".encode(), b""), b""),
                origin="it",
                create=False,
            )

        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(shell.read_text().split("\n")[:-1]) == sorted(f"keep {number}" for number in range(32))
        assert names(tmp_path) == {"env"}


class TestReceipt:
    def write(self, home: Path, *names: str) -> None:
        files = {home / name: name.encode() for name in names}
        assert write_private(files, Roots(str(home), None), receipt_for=home / names[0]) == ()

    def test_entries_of_files_that_are_gone_or_replaced_go(self, tmp_path: Path) -> None:
        for number in range(5):
            self.write(tmp_path, "config", f"token{number}")
            (tmp_path / f"token{number}").unlink()
        entries = json.loads((tmp_path / RECEIPT_NAME).read_text())["files"]
        # The last run's two, and the config that its own replaced: it was still there when the entry was made.
        assert [Path(entry["path"]).name for entry in entries] == ["config", "config", "token4"]

    @pytest.mark.parametrize("earlier", [True, False])
    def test_a_failure_leaves_the_earlier_receipt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
    ) -> None:
        if earlier:
            self.write(tmp_path, "a", "b")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        real = os.rename

        def refusing(source: str, target: str, **rest: int) -> None:
            if target == "b":
                raise OSError(errno.EPERM, "Operation not permitted")
            real(source, target, **rest)

        monkeypatch.setattr(os, "rename", refusing)
        with pytest.raises(InputError):
            self.write(tmp_path, "a", "b")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_living_run_is_waited_for_and_given_up_in_the_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "LOCK_SECONDS", 0.2)
        self.write(tmp_path, "a")
        with (tmp_path / RECEIPT_NAME).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(InputError) as caught:
                self.write(tmp_path, "b")
        assert caught.value.code == "WIF305"
        assert names(tmp_path) == {"a", RECEIPT_NAME}


class TestWriteNew:
    def test_mode_follows_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            write_new(tmp_path / "page", b"x", ROOTS, replace=False, origin="--html")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o640
        assert names(tmp_path) == {"page"}

    def test_an_earlier_file_is_replaced_only_where_that_was_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "page").write_bytes(b"earlier")
        with pytest.raises(InputError) as caught:
            write_new(tmp_path / "page", b"new", ROOTS, replace=False, origin="--html")
        assert caught.value.code == "WIF310"
        assert (tmp_path / "page").read_bytes() == b"earlier"
        write_new(tmp_path / "page", b"new", ROOTS, replace=True, origin="--html")
        assert (tmp_path / "page").read_bytes() == b"new"
        assert names(tmp_path) == {"page"}

    def test_a_missing_folder_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            write_new(tmp_path / "none" / "page", b"new", ROOTS, replace=True, origin="--html")
        assert (caught.value.code, names(tmp_path)) == ("WIF303", set())
