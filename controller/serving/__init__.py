"""Serving: the page's backend over the running program, its metrics, and the HTTP server."""
