"""A person with a browser that runs no scripts: logs in with a token, and sends the page's own forms."""

import re

import requests


class Visitor:
    """Logged in at the page of one replica."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._post("/login", self._form("/login"), token=token, next="/")

    def answer(self, incident: str, verdict: str, digest: str) -> str:
        """Answer a question as the review queue does; the page that comes back."""
        return self._post(f"/incidents/{incident}/answer", self._form("/review"), verdict=verdict, digest=digest)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _form(self, path: str) -> str:
        page = self._session.get(self._url + path, timeout=30)
        page.raise_for_status()
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return found[1]

    def _post(self, path: str, csrf: str, **fields: str) -> str:
        headers = {"Origin": self._url}
        answer = self._session.post(self._url + path, {"csrf": csrf, **fields}, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.text
