"""What the gateway costs beside bare mitmproxy: ``python -m bench``.

Every contender is a real ``mitmdump`` process on loopback. A fake provider and a load generator,
each a process of its own, put the same traffic through one contender after the other, in rounds;
what counts is the CPU time that the contender's process used meanwhile, not the time on the clock,
so that a busy machine disturbs the result little.

:mod:`.traffic` is what is sent, :mod:`.provider` and :mod:`.load` are its two ends,
:mod:`.http1` reads answers, :mod:`.processes` starts and ends processes, :mod:`.contenders` says
which, :mod:`.measure` makes the rounds, :mod:`.report` the table.
"""
