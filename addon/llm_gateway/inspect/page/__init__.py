"""A page inside mitmweb, ``/ai/``: what the gateway did, and how its targets stand, in pictures."""
