"""A saved flow file as a provider: what was answered once is answered again, without a network."""
