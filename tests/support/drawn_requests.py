"""Requests drawn at random: legal ones, odd ones, and ones with a few bytes out of place. A number draws the
same one always."""

import random

from tests.support.heads import ANSWERED, CLOSED, PROBE, REFUSED, head

_KNOWN = [sent for sent, _ in [*ANSWERED.values(), *CLOSED.values()]] + list(REFUSED.values())

_METHODS = b"GET GET GET POST POST PUT DELETE HEAD OPTIONS PATCH TRACE CONNECT FOO".split()
_STARTS = [b"", b"", b"", b"", b"", b"", *b"http://a HTTPS://a:1 http://[::1] / a:80 /%2e%2e /\\".split()]
_PLACES = b"""
    / /predict /predict/svm /predict/svm/1 /models /models/svm /models/svm/versions
    /models/svm/versions/1 /models/svm/versions/1/report /models/svm/aliases/a /classify /fit /fit/svm
    /svm /jobs /jobs/0123456789abcdef /jobs/0123456789abcdef/events /health/ready /health/live *
""".split()
_ENDS = [b"", b"", b"", b"", b"", b"?top=" + b"9" * 99, b"?include=\xff"]
_ENDS += b"""
    / ? ?include=probabilities ?include=%ff&include= ?top=%C2%B2 ?model=%00 %00 %2f..%2F ;a=b %ff%fe
    /%F0%9F%92%A9 #x
""".split()
_VERSIONS = b"HTTP/1.1 HTTP/1.1 HTTP/1.1 HTTP/1.1 HTTP/1.1 HTTP/1.0 HTTP/1.9 HTTP/2.0".split()
_NAMES = b"""
    Accept Accept-Encoding Content-Type Content-Encoding Origin Connection Upgrade If-Match
    If-None-Match X-Request-ID Cookie Idempotency-Key Authorization Range If-Modified-Since
    X-Forwarded-Proto Date TE SCRIPT_NAME Path_Info X-HTTP-Method-Override Forwarded Sec-Fetch-Site Via
""".split()
_FRAMING = b"Host Content-Length Transfer-Encoding Expect".split()
_VALUES = [
    b"",
    b"a" * 500,
    b"application/json;charset=\xff",
    b"multipart/form-data;boundary=\xff",
    b"Basic \xff",
]
_VALUES += b"""
    */* text/html application/json multipart/form-data;boundary= application/json;charset=utf-99
    image/png text/csv;q=-1;q=2 text/html;q=nan,*/*;q=1e999 application/octet-stream ,;=, " "\\ W/ * 0 2
    19 chunked gzip close keep-alive 100-continue http://a null bytes=0-,-1 =?utf-8?q?=00?= utf-8''%ff
    a;filename*=utf-8''%ff [ % https
""".split()
_BODIES = [
    b"",
    b"{}",
    b"ab",
    b"2\r\n{}\r\n0\r\n\r\n",
    b'{"features": [1]}',
    b"[" * 200,
    b"\xff\xfe",
    b"--\r\n",
    PROBE,
]
_PIECES = [b"", b"", b" ", b"\r", b"\n", b"\r\n", b"\0", b":", b";", b"/", b"%", b"0", b"\xff", b"_"]


def request(number: int) -> bytes:
    """The one of this number, which a second request may follow."""
    draw = random.Random(number)
    sent = draw.choice(_KNOWN) if draw.random() < 0.2 else _composed(draw)
    if draw.random() < 0.3:
        sent = _damaged(sent, draw)
    return sent + draw.choice([b"", PROBE])


def _composed(draw: random.Random) -> bytes:
    target = draw.choice(_STARTS) + draw.choice(_PLACES) + draw.choice(_ENDS)
    line = b" ".join([draw.choice(_METHODS), target, draw.choice(_VERSIONS)])
    body = draw.choice(_BODIES)
    fields = [b"Host: a"] if draw.random() < 0.95 else []
    names = [draw.choice(_NAMES if draw.random() < 0.95 else _FRAMING) for _ in range(draw.randrange(4))]
    fields += [name + b": " + draw.choice(_VALUES) for name in names]
    if draw.random() < 0.9:
        fields.append(b"Content-Length: %d" % len(body))
    return head(line, b"".join(field + b"\r\n" for field in fields), body)


def _damaged(sent: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(sent) + 1)
        to = min(len(sent), at + draw.choice([0, 1, 1, 2, 9]))
        sent = sent[:at] + draw.choice([*_PIECES, sent[at:to] * 2]) + sent[to:]
    return sent
