from collections.abc import Mapping
from dataclasses import dataclass

from shared.core.settings import Settings
from shared.edge.draining import Draining
from shared.edge.exchange import Exchanges
from shared.edge.open_streams import OpenStreams
from shared.edge.pressure import Pressure
from shared.edge.refusals import Refusals
from shared.state.bus import Bus, Replicas
from shared.state.keys import KeyRing
from shared.state.notices import Notices
from shared.state.sessions import Sessions


@dataclass(frozen=True)
class Common:
    """What the endpoints of one process share.

    Attributes:
        refusals: Counts what is refused before a caller is known.
        states: Seals what a client keeps for us between two rounds of one call.
        sessions: Of the 2025 era.
        bus: What replicas tell each other.
        replicas: Which of them are alive.
        notices: Of changed resources.
        streams: Those that stay open.
        pressure: What this process takes on at a time.
        draining: Whether this process was told to stop.
        exchanges: By server, of callers' tokens, for tools that call other servers.
    """

    settings: Settings
    refusals: Refusals
    states: KeyRing
    sessions: Sessions
    bus: Bus
    replicas: Replicas
    notices: Notices
    streams: OpenStreams
    pressure: Pressure
    draining: Draining
    exchanges: Mapping[str, Exchanges]
