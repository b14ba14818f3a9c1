from collections import Counter

import anyio

from tests.e2e.drills.work import Tally, Worker
from tests.e2e.fleet import Drill
from tests.e2e.patient import Patient

LOST_EVERY = 10
"""Of the answers to writes, those that get lost on their way: kills alone rarely fall between commit and answer."""


class Crowd:
    """The clients; half of each era, each doing one thing after another as fast as it can.

    Args:
        drill: Where.
        name: Begins everything they write.
        clients: How many.
        retries: How often one sends a call again.
        calls: How many they make at least; then on until `enough`.
        pause_s: How long each rests between two, where a machine has to do something else as well.

    Attributes:
        connected: Set once all of them are.
    """

    def __init__(self, drill: Drill, name: str, clients: int, retries: int, calls: int, pause_s: float = 0) -> None:
        self.tally = Tally()
        self.patients: dict[tuple[str, int], Patient] = {}
        self.connected, self.enough = anyio.Event(), anyio.Event()
        self._connected = 0
        self._drill, self._name, self._clients, self._retries, self._calls = drill, name, clients, retries, calls
        self._pause_s = pause_s

    async def work(self) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(self._clients):
                tasks.start_soon(self._one, number, "legacy" if number % 2 else "modern")

    async def _one(self, number: int, era: str) -> None:
        lost_every = LOST_EVERY if self._retries else 0
        patient = self.patients[era, number] = self._drill.patient(self._retries, lost_every)
        persona = ("manager", "admin")[number // 2 % 2]
        async with self._drill.connect(persona, era, through=patient) as client:
            self._connected += 1
            if self._connected == self._clients:
                self.connected.set()
            worker = Worker(f"{self._name} {number}", client, patient, self.tally)
            while self.tally.total < self._calls or not self.enough.is_set():
                await worker.step()
                await anyio.sleep(self._pause_s)

    @property
    def sessions(self) -> list[int]:
        """How many sessions each 2025-era client used: 1, unless it lost one."""
        return [len(patient.sessions) for (era, _), patient in self.patients.items() if era == "legacy"]

    def counted(self, name: str) -> Counter[str]:
        return sum((getattr(patient, name) for patient in self.patients.values()), Counter[str]())
