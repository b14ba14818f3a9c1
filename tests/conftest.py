"""What most tests need: `suite`, the real application on a loopback port over a real database of its own."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path

import pytest
import structlog

import servers
from servers.customers import demo
from shared.state.embedded import EmbeddedPostgres
from shared.state.roles import Passwords, Urls, ensure_roles
from shared.state.services import migrate
from tests.harness import Databases, Suite, open_suite
from tests.pgbouncer import pgbouncer

pytest_plugins = ["tests.reporting", "tests.services"]

servers.every()  # tools are listed as declared: a test that imports one module alone would have its tools first

REDIS_CONTRACTS = "tests/contracts/test_limits.py"

ALONE = (
    "tests/e2e/balanced/",
    "tests/e2e/console/",
    "tests/e2e/drills/",
    "tests/e2e/test_crash.py",
    "tests/e2e/test_kill_switch.py",
    "tests/e2e/test_limits_over_replicas.py",
    "tests/e2e/test_peers_in_a_fleet.py",
    "tests/e2e/test_stdio.py",
    "tests/e2e/test_stdio_ends.py",
    "tests/shared/edge/sessions/",
    "tests/shared/edge/test_drain.py",
)
"""What a busy machine makes fail: pressure that has to be kept up, replicas that have to answer within their time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="fail if the contract tests did not run on a real Redis")
    parser.addoption("--share", choices=["together", "alone"], help="what other tests may run beside, or the rest")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--whole"):
        config.pluginmanager.register(RedisContractsRan())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    share: str | None = config.getoption("--share")
    if share is None:
        return
    shares: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        shares[item.nodeid.startswith(ALONE)].append(item)
    wanted = share == "alone"
    config.hook.pytest_deselected(items=shares[not wanted])
    items[:] = shares[wanted]


class RedisContractsRan:
    """A whole run in which the Redis-backed contract tests were skipped or not collected is a failed run."""

    def __init__(self) -> None:
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and REDIS_CONTRACTS in report.nodeid and "[redis" in report.nodeid:
            self.passed += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.passed == 0 and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        state = "passed" if self.passed else "DID NOT RUN: this run counts as failed"
        terminalreporter.write_line(f"contract tests on a real Redis: {self.passed} {state}")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Generator[None]:
    """A command that ran in this process has its logs go to a stream that is closed by now."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), [*root.handlers], root.level
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def databases(
    postgres: EmbeddedPostgres, role_passwords: Passwords, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Databases]:
    """Fresh databases with demo data, each a copy of one template (about 50 ms).

    SUITE_TEST_POOLER=pgbouncer puts a real PgBouncer between them and every process of the tests (`make pooled`).
    """

    async def prepare() -> Urls:
        urls = await ensure_roles(postgres.admin_url, role_passwords, "suite_template")
        revisions = {server.name: server.migrations for server in servers.every() if server.migrations}
        await migrate(urls.owner, revisions)
        await demo.seed(urls.owner, customers=200, orders=600)
        await servers.seed(urls.owner, {"documents", "mail", "tickets"})
        return urls

    made = Databases(postgres.admin_url, asyncio.run(prepare()))
    if os.environ.get("SUITE_TEST_POOLER") != "pgbouncer":
        yield made
        return
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), made.template) as made.pooler:
        yield made


@pytest.fixture(scope="module")
async def suite(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    """The application of one test module."""
    folder = tmp_path_factory.mktemp("data")
    async with open_suite(await databases.fresh(), folder, databases.admin_url) as opened:
        yield opened


@pytest.fixture
async def own_suite(databases: Databases, tmp_path: Path) -> AsyncGenerator[Callable[..., Awaitable[Suite]]]:
    """A maker of applications for tests that break things; settings are keyword arguments."""
    async with Suite.maker(databases, tmp_path) as make:
        yield make
