"""The kinds of trimtab.dev: models, schemas, rights, and what the API server makes of them."""
