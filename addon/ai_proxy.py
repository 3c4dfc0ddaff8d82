"""The mitmproxy script: ``mitmdump -s addon/ai_proxy.py --mode reverse:http://127.0.0.1:1``."""

from llm_gateway.addon import AIProxy

addons = [AIProxy()]
