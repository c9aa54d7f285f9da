"""The page with sample incidents, to look at: `python -m tests.web.serve`, http://127.0.0.1:8099, token-of-mara."""

from __future__ import annotations

import uvicorn

from controller.web.app import create_app
from tests.web.memory import furnished

if __name__ == "__main__":
    uvicorn.run(create_app(furnished()), host="127.0.0.1", port=8099, proxy_headers=False, log_level="warning")
