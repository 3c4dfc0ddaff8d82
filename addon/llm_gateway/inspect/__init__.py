"""What a person sees of an exchange in mitmproxy: attempt flows, bodies, masks."""
