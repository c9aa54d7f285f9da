"""Real servers for the tests: an API server with kwok as its kubelets, Prometheus, PostgreSQL, a Slack stand-in, fault proxies."""
