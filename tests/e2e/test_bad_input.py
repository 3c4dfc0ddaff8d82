"""Every malformed, hostile or merely odd input has one right answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.bad_input import timing
from support.bad_input.case import Request, Row
from support.bad_input.play import play, play_http2
from support.bad_input.stage import Stage, open_stage
from support.bad_input.table import ROWS
from support.http2 import Http2Client
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = 20_000
"""Bytes that are worth sending more than once; an HTTP/2 window has more."""
FEW = 300
"""Bytes that may be sent one by one."""

CUTTABLE = [row for row in ROWS if row.id[0] in "AHPW" and 2 <= len(row.bytes()) <= SMALL]
SLOW = [row for row in CUTTABLE if len(row.bytes()) <= FEW][::6]
FRAMED = [row for row in CUTTABLE if row.id[0] == "W"]
CUT = FRAMED + [row for row in CUTTABLE if row.id[0] != "W"][::3]
"""How a request is framed has to do with its pieces; some of the others will do."""
ASKED = [
    (row, row.sent)
    for row in ROWS
    if row.id[0] in "AHPWB"
    and isinstance(row.sent, Request)
    and row.http2
    and len(row.sent.bytes()) <= SMALL
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("gateway")) as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A gateway that waits for nobody."""
    async with open_stage(tmp_path_factory.mktemp("hasty"), bounds=timing.BOUNDS) as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http2(stage: Stage) -> AsyncIterator[Http2Client]:
    """One connection for all rows: what is wrong with one request harms no other."""
    async with Http2Client(stage.gateway.port, http2_context(stage.ca_file)) as client:
        yield client


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
async def test_the_input_has_its_one_right_answer(stage: Stage, row: Row) -> None:
    await play(stage, row, [row.bytes()])


async def test_who_sends_too_little_is_waited_for_within_bounds(hasty: Stage) -> None:
    """All at once, because each of them takes its time."""

    async def one(row: Row) -> None:
        try:
            await play(hasty, row, [row.bytes()])
        except Exception as error:
            error.add_note(row.id)
            raise

    async with asyncio.TaskGroup() as group:
        for row in timing.ROWS:
            group.create_task(one(row))


@pytest.mark.parametrize("row", CUT, ids=[row.id for row in CUT])
async def test_the_answer_is_the_same_in_two_pieces(stage: Stage, row: Row) -> None:
    sent = row.bytes()
    middle = len(sent) // 2
    await play(stage, row, [sent[:middle], sent[middle:]])


@pytest.mark.parametrize("row", SLOW, ids=[row.id for row in SLOW])
async def test_the_answer_is_the_same_byte_by_byte(stage: Stage, row: Row) -> None:
    sent = row.bytes()
    await play(stage, row, [sent[at : at + 1] for at in range(len(sent))])


@pytest.mark.parametrize(("row", "request_"), ASKED, ids=[row.id for row, _ in ASKED])
async def test_the_answer_is_the_same_over_http_2(
    stage: Stage, http2: Http2Client, row: Row, request_: Request
) -> None:
    await play_http2(stage, row, request_, http2)
