"""Real servers for the tests: API server, Prometheus, PostgreSQL, browser, a Slack stand-in, fault proxies."""
