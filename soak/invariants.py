"""What must hold for each request, whatever its provider does."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from soak.checks import Check, check
from soak.crowd import Asked
from soak.evidence import Entry, Evidence, Kind, Outcome, UpstreamCall
from soak.faults import INSIDE_CONTENT, INSIDE_TEXT
from soak.plan import MAX_ATTEMPTS, SHARED
from soak.provider import WELL
from support.fault_attempt import CANARY, PIECES
from support.fault_scene import KEY, TOKEN
from support.process import BAD_OUTPUT

LEAVING_SECONDS = 1.0
"""How soon a provider must see that its client's client has left."""
SHARE = 0.999
"""How many of the requests that could be answered have to be in the chaos."""
MOST_PARTS = 3
"""An answer and its two continuations."""

_LINE = re.compile(r"^\[[0-9:.]+\] (req_[0-9a-f]{32}) POST \S+ .*?(?<= )([0-9]{3}) ", re.MULTILINE)

type Calls = Mapping[int, Sequence[UpstreamCall]]
"""By the number of the request that they were made for."""


def of_requests(evidence: Evidence) -> Iterator[Check]:
    """All of them."""
    entries = evidence.entries
    calls: defaultdict[int, list[UpstreamCall]] = defaultdict(list)
    for call in evidence.calls:
        calls[call.request].append(call)
    yield one_outcome(entries)
    ended = [entry for entry in entries if len(entry.outcomes) == 1]
    yield clear_outcomes(ended)
    yield whole_answers(ended, calls)
    yield bounded_attempts(calls)
    yield one_line(entries, evidence.output)
    yield clean_output(evidence.output)
    yield heard_of_leaving(evidence, ended, calls)
    yield from answered(evidence, calls)


def one_outcome(entries: Sequence[Entry]) -> Check:
    """Nobody waits for ever, nobody is answered twice."""
    kinds = Counter(outcome.kind for entry in entries for outcome in entry.outcomes)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in Kind)
    return check(
        "every request has exactly one outcome",
        f"{len(entries)} requests = {counts}",
        (
            f"request {entry.asked.number} has {len(entry.outcomes)}"
            for entry in entries
            if len(entry.outcomes) != 1
        ),
    )


def clear_outcomes(entries: Sequence[Entry]) -> Check:
    """A good answer, an error with its four keys, or an error event and [DONE]; nothing else."""
    return check(
        "every answer is good or a clear error, and every stream ends with [DONE]",
        _codes(entries),
        (
            f"request {entry.asked.number} ({entry.asked.name}, {entry.phase}) after "
            f"{entry.seconds:.2f} s: {entry.outcome.detail}"
            for entry in entries
            if entry.outcome.kind is Kind.WRONG
        ),
    )


def _codes(entries: Sequence[Entry]) -> str:
    codes = Counter(
        f"{entry.outcome.status} {entry.outcome.code}" for entry in entries if entry.outcome.code
    )
    return ", ".join(f"{code} x{count}" for code, count in codes.most_common()) or "no errors"


def whole_answers(entries: Sequence[Entry], calls: Calls) -> Check:
    """Text comes from one call that was made for this request, from its first piece to its last.

    Where a target is told to continue what broke off, from one such call after the other.
    """
    answered = [entry for entry in entries if entry.outcome.parts]
    continued = sum(len(entry.outcome.parts) > 1 for entry in answered)
    return check(
        "text is of one call made for this request, all pieces once and in order",
        f"{len(answered)} texts, {continued} of them continued",
        (found for entry in answered for found in _wrong_parts(entry, calls)),
    )


def _wrong_parts(entry: Entry, calls: Calls) -> Iterator[str]:
    asked, parts = entry.asked, entry.outcome.parts
    who = f"request {asked.number} ({asked.name})"
    if len(parts) > (MOST_PARTS if asked.name == "unbroken" else 1):
        yield f"{who} has text of the calls {[call for call, _ in parts]}"
    own = {call.number: call for call in calls.get(asked.number, ())}
    strange = [call for call, _ in parts if call not in own]
    if strange:
        yield f"{who} has text of the calls {strange} of others"
        return
    number, pieces = parts[-1]
    expected = asked.pieces if own[number].step == WELL else PIECES
    if entry.outcome.kind is Kind.COMPLETE and pieces != expected:
        yield f"{who} has {pieces} pieces of {expected}"


def bounded_attempts(calls: Calls) -> Check:
    """No request is more calls than it may be.

    One that breaks off on a connection which had been used before may never have been seen by the
    provider. It is made again, and is none of the attempts.
    """
    counted = Counter(
        call.request
        for made in calls.values()
        for call in made
        if not (call.reused and call.ending == "cut")
    )
    return check(
        "no request leads to more calls than max_attempts",
        f"{counted.total()} calls, at most {max(counted.values(), default=0)} for one",
        (
            f"request {number}: {count} calls"
            for number, count in counted.items()
            if count > MAX_ATTEMPTS
        ),
    )


def one_line(entries: Sequence[Entry], output: str) -> Check:
    """The log has one line for each exchange, with the status that the client saw.

    A client that left before it had a head does not know its exchange's name, and one that left at
    once may have had none.
    """
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for exchange, status in _LINE.findall(output):
        lines[exchange].append(int(status))
    known = {
        outcome.exchange: (entry.asked, outcome)
        for entry in entries
        for outcome in entry.outcomes
        if outcome.exchange
    }
    nameless = len(entries) - len(known)
    return check(
        "the log has exactly one line for each exchange, with its status",
        f"{len(lines)} exchanges, {len(known)} named to a client, {nameless} not",
        _wrong_lines(lines, known, nameless),
    )


def _wrong_lines(
    lines: Mapping[str, Sequence[int]], known: Mapping[str, tuple[Asked, Outcome]], nameless: int
) -> Iterator[str]:
    for exchange, statuses in lines.items():
        if len(statuses) != 1:
            yield f"{exchange} has {len(statuses)} lines"
    for exchange, (asked, outcome) in known.items():
        if exchange not in lines:
            yield f"{exchange} (request {asked.number}) has no line"
        elif outcome.kind is not Kind.LEFT and lines[exchange][0] != outcome.status:
            yield f"{exchange} was answered {outcome.status}, logged {lines[exchange][0]}"
    unknown = lines.keys() - known.keys()
    if len(unknown) > nameless:
        yield f"{len(unknown)} lines are of no request that was made, like {min(unknown)}"


def clean_output(output: str) -> Check:
    """Nothing failed unseen, and no secret was printed."""
    secrets = {"the provider's key": KEY, "the client's token": TOKEN, "the canary": CANARY}
    bad = [f"it has {text!r} {output.count(text)} times" for text in BAD_OUTPUT if text in output]
    bad += [f"it has {name}" for name, secret in secrets.items() if secret in output]
    bad += [f"error: {line}" for line in _errors(output)]
    return check("the output has no failure and no secret", f"{len(output) / 1e6:.1f} MB", bad)


def _errors(output: str) -> Iterator[str]:
    """Lines in which the gateway says that something of its own failed."""
    told = re.compile(r"^\[[0-9:.]+\].*\b(failed\.|failed in|could not be (?:given|closed))", re.M)
    return (found[0][:200] for found in told.finditer(output))


def heard_of_leaving(evidence: Evidence, entries: Sequence[Entry], calls: Calls) -> Check:
    """When a client has left, its calls end soon, and no other is made.

    What the machine holds up for a while is seen that much later.
    """
    left = [entry for entry in entries if entry.outcome.kind is Kind.LEFT]
    ends = [
        (math.inf if call.ended is None else call.ended - entry.outcome.at, entry)
        for entry in left
        for call in calls.get(entry.asked.number, ())
    ]
    longest = max((seconds for seconds, _ in ends), default=0.0)
    return check(
        f"calls end within {LEAVING_SECONDS:g} s after their client has left",
        f"{len(left)} left, {len(ends)} calls, the longest went on for {max(0, longest):.3f} s",
        (
            f"request {entry.asked.number} ({entry.asked.name}, {entry.phase}): {seconds:.2f} s"
            for seconds, entry in ends
            if seconds > LEAVING_SECONDS + evidence.stall(entry.outcome.at)
        ),
    )


def answered(evidence: Evidence, calls: Calls) -> Iterator[Check]:
    """Who stays is answered: everybody while all is well, and nearly everybody in the chaos.

    There is always a healthy target in it.
    Not counted are targets without a stand-in, streams that broke off after their first content and
    are not to be continued, and what was still under way when the phase was over.
    """
    for phase, share in (("steady", 1.0), ("chaos", SHARE)):
        owed = [entry for entry in _inside(evidence, phase) if _is_owed(entry, calls)]
        missed = [entry for entry in owed if entry.outcome.kind is not Kind.COMPLETE]
        seen = 1 - len(missed) / len(owed) if owed else 1.0
        yield check(
            f"{phase}: {share:.1%} of those who stay are answered",
            f"{seen:.2%} of {len(owed)}",
            (_story(entry, calls) for entry in missed if seen < share),
        )


def _inside(evidence: Evidence, phase: str) -> Iterator[Entry]:
    """The requests that began and ended in this phase."""
    for span in evidence.spans_of(phase):
        for entry in evidence.entries:
            ended = len(entry.outcomes) == 1
            if ended and span.began <= entry.began <= entry.outcome.at <= span.ended:
                yield entry


def _is_owed(entry: Entry, calls: Calls) -> bool:
    if entry.outcome.kind is Kind.LEFT or entry.asked.name not in SHARED:
        return False
    made = calls.get(entry.asked.number, ())
    broke_off = entry.outcome.kind is Kind.BROKEN and made and made[-1].step in INSIDE_CONTENT
    continues = entry.asked.name == "unbroken" and made and made[-1].step in INSIDE_TEXT
    return not broke_off or bool(continues)


def _story(entry: Entry, calls: Calls) -> str:
    outcome = entry.outcome
    way = ", ".join(f"{call.provider} {call.step}" for call in calls.get(entry.asked.number, ()))
    return (
        f"request {entry.asked.number} ({entry.asked.name}) after {entry.seconds:.2f} s: "
        f"{outcome.kind} {outcome.status} {outcome.code}, calls: {way or 'none'}"
    )
