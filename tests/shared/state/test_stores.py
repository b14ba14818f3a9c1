from pathlib import Path

import pytest

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import Keys, load_keys
from shared.state.sessions import stream_topic
from shared.state.stores import open_stores
from tests.stores import a_session

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return load_keys(Settings(data_dir=tmp_path))


@pytest.fixture
def fleet(redis_server: EmbeddedRedis) -> Settings:
    return Settings.model_validate({"redis_url": redis_server.url, "replicas": 2})


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return Settings()


async def test_what_one_replica_keeps_another_finds(fleet: Settings, keys: Keys) -> None:
    session = a_session()
    async with open_stores(fleet, keys) as here, open_stores(fleet, keys) as there:
        assert await here.sessions.open(session, most=1, replace=True) == []
        assert await there.sessions.find(session.tenant, session.handle) == session
        async with there.bus.listening(stream_topic(session, "s")) as inbox:
            event_id = await here.sessions.append(session, "s", b"one")
            assert await inbox.next(5) == (event_id or "").encode()
        async with there.notices.following("customers", session.tenant) as following:
            await here.notices.publish("customers", session.tenant, ["a:1"])
            assert [notice.uri for notice in await following.next(5)] == ["a:1"]
        await here.counters.check()


async def test_a_replica_is_gone_when_its_stores_are_closed(fleet: Settings, keys: Keys) -> None:
    async with open_stores(fleet, keys) as here:
        async with open_stores(fleet, keys) as there:
            while not await here.replicas.alive(there.replicas.id):
                pass
        assert not await here.replicas.alive(there.replicas.id)


async def test_without_a_redis_everything_is_in_this_process(alone: Settings, keys: Keys) -> None:
    session = a_session()
    async with open_stores(alone, keys) as here, open_stores(alone, keys) as there:
        assert await here.sessions.open(session, most=1, replace=True) == []
        assert await here.sessions.find(session.tenant, session.handle) == session
        assert await there.sessions.find(session.tenant, session.handle) is None
        assert await here.replicas.alive(here.replicas.id)
        assert not await here.replicas.alive(there.replicas.id)


async def test_several_replicas_without_a_redis_do_not_start(alone: Settings, keys: Keys) -> None:
    with pytest.raises(Misconfigured, match="SUITE_REDIS_URL"):
        async with open_stores(alone.model_copy(update={"replicas": 2}), keys):
            pass
