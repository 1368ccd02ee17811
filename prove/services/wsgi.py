"""The service under gunicorn: answers / and /slow?ms=N."""

import time


def app(environ, start_response):
    query = environ.get("QUERY_STRING", "")
    if query.startswith("ms="):
        time.sleep(int(query[3:]) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
