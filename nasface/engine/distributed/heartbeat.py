"""How the processes of one job notice that one of them was killed, hangs, or has diverged.

Each process has a pulse, a counter that a thread of its own writes into the store through which the
processes found one another. Before they exchange tensors they meet: each leaves a word in the store
and waits until all have. Whoever waits looks at the pulses of those who are missing, so one that
works long (the first evaluates alone) is waited for, and one that is gone is named. All do the same
work before a meeting, so how long the one that waits took tells how long to wait for the others.
"""

import os
import sys
import threading
import time
from datetime import timedelta

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from nasface.errors import RunError

SILENCE = 20.0
"""Seconds without a pulse after which a process counts as killed or stopped."""
PATIENCE = 40.0
"""Seconds without progress after which a process with a pulse counts as hung; three times as long
as the one that waits for it took since they last met, where that is more."""
ARRIVAL = 50.0
"""Seconds within which all processes must come, those that only start to import included."""
_BEAT = 1.0


class RankMonitor:
    """This process's place among ``size``. Must be left with :meth:`leave`."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self.store, mine = (
            PrefixStore(f"nasface/{attempt}", _connect(host))
            for host in (rank == 0 and not hosted, False)
        )
        self.meetings = 0
        self.waiting = False
        self.began = self.met = self.moved = time.monotonic()
        self.seen: dict[int, tuple[str, float]] = {}
        self.stuck: dict[int, float] = {}
        self.answers = 0
        self.left = threading.Event()
        for work in (self._beat, self._guard):
            threading.Thread(target=work, args=(mine,), daemon=True).start()

    def tick(self) -> None:
        """Say that the job moves on."""
        self.moved = time.monotonic()

    def barrier(self, word: str) -> list[str]:
        """Wait for all processes; returns the word of each.

        Raises:
            RunError: naming a process that will not come.
        """
        self.meetings += 1
        keys = [f"meet/{self.meetings}/{rank}" for rank in range(self.size)]
        self.waiting = True
        allowed = max(PATIENCE, 3 * (time.monotonic() - self.met))
        try:
            self.store.set(keys[self.rank], word)
            pause = 0.0002
            while missing := [at for at, key in enumerate(keys) if not self.store.check([key])]:
                self.look_at(missing, allowed)
                time.sleep(pause)
                pause = min(0.02, 1.5 * pause)
            words = [self.store.get(key).decode() for key in keys]
            for rank in range(self.size):  # who came has shown itself, also before its first pulse
                self.seen.setdefault(rank, ("", time.monotonic()))
            # All are past the meeting before the last one, so nobody reads its words any more.
            self.store.delete_key(f"meet/{self.meetings - 2}/{self.rank}")
        except (RuntimeError, OSError) as problem:
            raise RunError(f"process 0, which the others meet at, is gone ({problem})") from None
        finally:
            self.waiting, self.moved = False, time.monotonic()
            self.met = self.moved
        return words

    def look_at(self, ranks: list[int], allowed: float) -> None:
        """Raise :class:`RunError` if one of the processes is gone, or stuck for longer than
        ``allowed`` seconds."""
        now = time.monotonic()
        for rank in ranks:
            who = f"process {rank} of {self.size}"
            if self.store.check([f"left/{rank}"]):
                reason = self.store.get(f"left/{rank}").decode() or "it has ended"
                raise RunError(f"{who} stopped: {reason}")
            since = now - self.seen.get(rank, ("", self.began))[1]
            if rank not in self.seen and since > ARRIVAL:
                raise RunError(f"{who} did not come within {since:.0f} s")
            if rank in self.seen and since > SILENCE:
                raise RunError(
                    f"{who} gave no sign for {since:.0f} s, it was killed or stopped; the last "
                    "checkpoint is kept, and --resume goes on from it"
                )
            if self.stuck.get(rank, 0.0) > allowed:
                raise RunError(
                    f"{who} hangs, it made no progress for {self.stuck[rank]:.0f} s; the last "
                    "checkpoint is kept, and --resume goes on from it"
                )

    def diagnose(self, problem: Exception) -> RunError:
        """Return the error to raise after an exchange of tensors failed: who is gone, if that
        shows."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        until = time.monotonic() + SILENCE + 3 * _BEAT
        try:
            while time.monotonic() < until:
                self.look_at(others, PATIENCE)
                time.sleep(0.1)
        except RunError as found:
            return found
        except (RuntimeError, OSError):
            return RunError("process 0, which the others meet at, is gone")
        return RunError(f"the processes lost one another: {' '.join(str(problem).split())[:200]}")

    def close(self, reason: str | None) -> None:
        """Say goodbye, with the reason where something went wrong."""
        self.left.set()
        try:
            if reason is not None:
                self.store.set(f"left/{self.rank}", reason)
                if not self.rank:  # others look at the store, which may end with this process
                    time.sleep(3 * _BEAT)
            elif self.rank:
                self.store.set(f"done/{self.rank}", "")
            else:  # the store may be this process's, so the others leave before it
                keys = [f"done/{rank}" for rank in range(1, self.size)]
                self.store.wait(keys, timedelta(seconds=10))
        except (RuntimeError, OSError):
            pass  # nobody is left to tell

    def _beat(self, store: Store) -> None:
        """Write this process's pulse and read those of the others, once a second."""
        beat = 0
        while not self.left.wait(_BEAT):
            beat += 1
            stuck = 0.0 if self.waiting else time.monotonic() - self.moved
            try:
                store.set(f"pulse/{self.rank}", f"{beat} {stuck:.0f}")
                for rank in range(self.size):
                    if store.check([f"pulse/{rank}"]):
                        self._feel(rank, store.get(f"pulse/{rank}").decode())
            except (RuntimeError, OSError):
                return
            self.answers += 1

    def _feel(self, rank: int, pulse: str) -> None:
        count, stuck = pulse.split()
        if self.seen.get(rank, ("", 0.0))[0] != count:
            self.seen[rank] = (count, time.monotonic())
        self.stuck[rank] = float(stuck)

    def _guard(self, _store: Store) -> None:
        """End this process when the store no longer answers: nothing else could."""
        misses, answers = 0, -1
        while not self.left.wait(_BEAT):
            misses, answers = (misses + 1 if answers == self.answers else 0), self.answers
            if misses > SILENCE:
                sys.stderr.write(
                    f"nasface: process 0 of {self.size}, which the others meet at, gave no sign "
                    f"for {misses} s; the last checkpoint is kept, and --resume goes on from it\n"
                )
                sys.stderr.flush()
                os._exit(2)


def _connect(is_host: bool) -> TCPStore:
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=is_host,
        timeout=timedelta(seconds=ARRIVAL),
        wait_for_workers=False,
    )
