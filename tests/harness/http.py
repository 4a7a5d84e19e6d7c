"""The few HTTP requests that the harness makes."""

import json
import re
import urllib.error
import urllib.request

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, method="GET", body=None, timeout=60):
    """(status, text); an HTTP error status is an answer, not an exception."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def call(url, method="GET", body=None, timeout=60):
    """JSON in, JSON out; anything but 2xx is an error that quotes the answer."""
    status, text = fetch(url, method, body, timeout)
    if not 200 <= status < 300:
        raise RuntimeError(f"{method} {url} answered {status}: {text[:500]}")
    return json.loads(text) if text.strip() else {}


_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([-+.\w]+)$")


def metrics(url, timeout=60):
    """Prometheus text as {name: {labels: value}}."""
    status, text = fetch(url, timeout=timeout)
    if status != 200:
        raise RuntimeError(f"GET {url} answered {status}")
    found = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match:
            found.setdefault(match.group(1), {})[match.group(2) or ""] = float(match.group(3))
    return found
