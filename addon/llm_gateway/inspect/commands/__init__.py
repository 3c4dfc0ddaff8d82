"""mitmproxy's commands of the gateway, for the console, mitmweb's command bar and its REST API."""
