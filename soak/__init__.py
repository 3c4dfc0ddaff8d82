"""Minutes of trouble, and then a search for what they left behind: ``make soak``.

A real ``mitmdump`` with the gateway stands between a provider that fails on command and a crowd of
clients, each a process of its own, on loopback. What is drawn by lot is drawn from a seed, which is
printed. The same *round* is made twice:

*warm*
    a little load, so that everything has been loaded and used once; only the first round has it.
    Then the clients leave, and what the gateway holds at rest is the baseline.
*steady*
    ordinary load: whole answers and live streams; a tenth of the clients leave early, some read
    slowly, one target has a quota that is always spent.
*chaos*
    two of three providers have one fault after another each, byte for byte, and the configuration
    is replaced again and again. The third stays healthy, so that every answer is still owed.
*outage*
    all three fail: with 503 in the first round, with refused connections in the second.
*recovery*
    all are well again at one stroke.
*overload*
    a provider that takes three calls at a time gets three times what it can answer.
*quiet*
    nobody asks for anything; memory and all that is counted is compared with the baseline.

At last every target gets, all at once, as many requests as it has places: were one place lost, or
one probe of a breaker, one of them could not be answered. Then the gateway is told to stop.

:mod:`.plan` says how much of all that, :mod:`.crowd` draws the requests, :mod:`.load` makes them,
and :mod:`.answers` reads what comes back; :mod:`.provider` is the other end, with the steps of
:mod:`.faults`. :mod:`.processes` starts and commands all processes, :mod:`.inside` looks into the
gateway's. :mod:`.phases` goes through the above, and :mod:`.last` through its end; what they see is
:mod:`.evidence`. It is judged afterwards: :mod:`.verdict` has the invariants of single requests
(:mod:`.invariants`), of what happens under pressure (:mod:`.pressure`), and of what is left
(:mod:`.afterwards`). :mod:`.report` tells.
"""
