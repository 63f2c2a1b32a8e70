"""Requests, and what is none, as bytes; what becomes of each is what tests/server/worker/test_heads.py holds
servers to."""

HOST = b"Host: a\r\n"
GET, POST = b"GET /a HTTP/1.1", b"POST /a HTTP/1.1"
PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""Follows each case on its connection: answered only if the server still knows where a request begins."""

CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"


def head(line: bytes, fields: bytes = HOST, body: bytes = b"") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + body


def post(fields: bytes, body: bytes) -> bytes:
    return head(POST, HOST + fields, body)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


ANSWERED: dict[str, tuple[bytes, dict[str, str | None]]] = {
    "a path": (head(GET), {"PATH_INFO": "/a", "bytes": "0"}),
    "an empty line first": (b"\r\n" + head(GET), {"PATH_INFO": "/a"}),
    "a URL without a path": (head(b"GET http://a HTTP/1.1"), {"PATH_INFO": "/"}),
    "a URL with a query alone": (
        head(b"GET http://a?x=1 HTTP/1.1"),
        {"PATH_INFO": "/", "QUERY_STRING": "x=1"},
    ),
    "a URL": (head(b"GET HTTP://a:80/b HTTP/1.1"), {"PATH_INFO": "/b", "HTTP_HOST": "a:80"}),
    "a URL of another host": (head(b"GET http://b/b HTTP/1.1"), {"PATH_INFO": "/b", "HTTP_HOST": "b"}),
    "a slash that is written in percent": (head(b"GET /a%2Fb%2fc HTTP/1.1"), {"PATH_INFO": "/a%2Fb%2Fc"}),
    "a NUL that is written in percent": (head(b"GET /%00 HTTP/1.1"), {"PATH_INFO": "/\0"}),
    "percent and no digits": (head(b"GET /%zz HTTP/1.1"), {"PATH_INFO": "/%zz"}),
    "two dots": (head(b"GET /x/../a HTTP/1.1"), {"PATH_INFO": "/x/../a"}),
    "the server itself": (head(b"OPTIONS * HTTP/1.1"), {"PATH_INFO": "*"}),
    "a host with a port": (head(GET, b"Host: a.b-c_d:80\r\n"), {"HTTP_HOST": "a.b-c_d:80"}),
    "an address": (head(GET, b"Host: [::1]:80\r\n"), {"HTTP_HOST": "[::1]:80"}),
    "an empty host": (head(GET, b"Host:\r\n"), {"HTTP_HOST": ""}),
    "a length": (post(b"Content-Length: 3\r\n", b"abc"), {"bytes": "3"}),
    "a length with zeros": (post(b"Content-Length: 0003\r\n", b"abc"), {"bytes": "3"}),
    "a length with GET": (head(GET, HOST + b"Content-Length: 3\r\n", b"abc"), {"bytes": "3"}),
    "chunks": (chunked(CHUNKS), {"bytes": "3"}),
    "Chunked": (post(b"Transfer-Encoding: Chunked\r\n", CHUNKS), {"bytes": "3"}),
    "a chunk with extensions": (chunked(b'3;a=b;c="d;e"\r\nabc\r\n000\r\n\r\n'), {"bytes": "3"}),
    "a trailer": (chunked(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"), {"bytes": "3", "HTTP_X": None}),
    "a request in a body": (post(b"Content-Length: %d\r\n" % len(PROBE), PROBE), {"bytes": str(len(PROBE))}),
    "a request in chunks": (
        chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PROBE), PROBE)),
        {"bytes": str(len(PROBE))},
    ),
    "to be told to send": (
        post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
        {"bytes": "3"},
    ),
    "an odd name": (head(GET, HOST + b"X!#$%&'*+-.^`|~: a\r\n"), {"PATH_INFO": "/a"}),
}
"""What is sent, and some of what it becomes; the connection goes on."""

NAMES = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "QUERY_STRING", "REQUEST_METHOD", "REMOTE_ADDR")
for _name in NAMES:
    for _spelling in (_name, _name.lower(), f"HTTP_{_name}"):
        ANSWERED[f"{_spelling} as a header"] = (
            head(GET, HOST + f"{_spelling}: /x\r\n{_spelling}: /a\r\n".encode()),
            {
                "SCRIPT_NAME": "",
                "PATH_INFO": "/a",
                "REMOTE_USER": None,
                "QUERY_STRING": "",
                "REQUEST_METHOD": "GET",
                "REMOTE_ADDR": "127.0.0.1",
                "HTTP_" + _spelling.upper(): None,
            },
        )
ANSWERED |= {
    "two names that become one": (
        head(GET, HOST + b"X-Request-ID: a\r\nX_Request_ID: b\r\nX-Request_ID: c\r\n"),
        {"HTTP_X_REQUEST_ID": "a"},
    ),
    "Content_Type": (
        head(GET, HOST + b"Content_Type: b\r\nContent-Type: a\r\n"),
        {"CONTENT_TYPE": "a", "HTTP_CONTENT_TYPE": None},
    ),
    "Content_Length": (
        post(b"Content_Length: 9\r\nContent-Length: 3\r\nTransfer_Encoding: chunked\r\n", b"abc"),
        {"bytes": "3", "CONTENT_LENGTH": "3", "HTTP_TRANSFER_ENCODING": None},
    ),
    "a forwarded address": (
        head(GET, HOST + b"X-Forwarded-For: 1.2.3.4\r\n"),
        {"REMOTE_ADDR": "127.0.0.1"},
    ),
}

CLOSED: dict[str, tuple[bytes, dict[str, str | None]]] = {
    "HTTP/1.0": (head(b"GET /a HTTP/1.0", b""), {"PATH_INFO": "/a", "HTTP_HOST": None}),
    "to be told to send, in HTTP/1.0": (
        head(b"POST /a HTTP/1.0", b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
        {"bytes": "3"},
    ),
    "close": (head(GET, HOST + b"Connection: close\r\n"), {"PATH_INFO": "/a"}),
    "close in a list": (head(GET, HOST + b"Connection: TE, Close\r\n"), {"PATH_INFO": "/a"}),
    "close in a second field": (
        head(GET, HOST + b"Connection: keep-alive\r\nConnection: close\r\n"),
        {"PATH_INFO": "/a"},
    ),
    "a tunnel": (head(b"CONNECT a:80 HTTP/1.1"), {"PATH_INFO": "/"}),
}
"""The same where the connection ends."""

REFUSED: dict[str, bytes] = {
    "no host": head(GET, b""),
    "no host in HTTP/1.9": head(b"GET /a HTTP/1.9", b""),
    "no host beside a URL": head(b"GET http://a/a HTTP/1.1", b""),
    "no host and to be told to send": head(POST, b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
    "two hosts": head(GET, HOST + HOST),
    "two hosts that differ": head(GET, HOST + b"host: b\r\n"),
    "a host that is none": head(GET, b"Host: a b/c@d\r\n"),
    "a host that is none in HTTP/1.0": head(b"GET /a HTTP/1.0", b"Host: a b\r\n"),
    "a host that is none beside a URL": head(b"GET http://a/a HTTP/1.1", b"Host: a/b\r\n"),
    "two hosts in one field": head(GET, b"Host: a, b\r\n"),
    "a host with a user": head(GET, b"Host: u@a\r\n"),
    "a host with a path": head(GET, b"Host: a/b\r\n"),
    "a host with a query": head(GET, b"Host: a?b\r\n"),
    "a host with a wrong port": head(GET, b"Host: a:x\r\n"),
    "a host with two ports": head(GET, b"Host: a:80:80\r\n"),
    "half an address": head(GET, b"Host: [::1\r\n"),
    "a host in UTF-8": head(GET, b"Host: b\xc3\xbc\r\n"),
    "a host with half a percent": head(GET, b"Host: a%2\r\n"),
    "a URL of another protocol": head(b"GET ftp://a/b HTTP/1.1"),
    "a URL with a user": head(b"GET http://u:p@a/b HTTP/1.1"),
    "a URL without a host": head(b"GET http:///b HTTP/1.1"),
    "a URL with a port alone": head(b"GET http://:80/b HTTP/1.1"),
    "a URL with a wrong port": head(b"GET http://a:x/b HTTP/1.1"),
    "a URL with half an address": head(b"GET http://[/b HTTP/1.1"),
    "a URL with a backslash": head(b"GET http://a\\@b/c HTTP/1.1"),
    "a URL somewhere in the target": head(b"GET a/b://c HTTP/1.1"),
    "no protocol": head(b"GET ://c/d HTTP/1.1"),
    "a fragment": head(b"GET /a#b HTTP/1.1"),
    "an empty fragment": head(b"GET /a# HTTP/1.1"),
    "a fragment of a URL": head(b"GET http://a#/b HTTP/1.1"),
    "the server itself with GET": head(b"GET * HTTP/1.1"),
    "a host in place of a target": head(b"GET a:80 HTTP/1.1"),
    "a tunnel to a path": head(b"CONNECT /a HTTP/1.1"),
    "a tunnel to a name": head(b"CONNECT a:health/live HTTP/1.1"),
    "a tunnel to a URL": head(b"CONNECT http://a/a HTTP/1.1"),
    "a tunnel to no host": head(b"CONNECT :80 HTTP/1.1"),
    "HTTP/2.0": head(b"GET /a HTTP/2.0"),
    "HTTP/0.9": head(b"GET /a HTTP/0.9"),
    "HTTP/1.10": head(b"GET /a HTTP/1.10"),
    "http/1.1": head(b"GET /a http/1.1"),
    "no version": head(b"GET /a"),
    "HTTP/2 from the start": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 50 + b"\r\n\r\n",
    "a proxy's own line": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + head(GET),
    "two spaces": head(b"GET  /a HTTP/1.1"),
    "two spaces later": head(b"GET /a  HTTP/1.1"),
    "a tab": head(b"GET\t/a HTTP/1.1"),
    "a space first": head(b" GET /a HTTP/1.1"),
    "a space last": head(b"GET /a HTTP/1.1 "),
    "a space in the target": head(b"GET /a b HTTP/1.1"),
    "UTF-8 in the target": head(b"GET /\xc3\xbc HTTP/1.1"),
    "two empty lines first": b"\r\n\r\n" + head(GET),
    "a bare LF first": b"\n" + head(GET),
    "bare LF everywhere": b"GET /a HTTP/1.1\nHost: a\n\n",
    "a bare LF after the first line": b"GET /a HTTP/1.1\nHost: a\r\n\r\n",
    "a bare LF in the head": head(GET, HOST + b"X: a\nContent-Length: 3\r\n", b"abc"),
    "a bare CR in the head": head(GET, HOST + b"X: a\rContent-Length: 3\r\n", b"abc"),
    "a bare CR after the first line": b"GET /a HTTP/1.1\rHost: a\r\n\r\n",
    "a NUL in the head": head(GET, HOST + b"X: a\0\r\n"),
    "a folded line": head(GET, HOST + b"X: a\r\n b\r\n"),
    "a folded first line": head(GET, b" X: a\r\n" + HOST),
    "a space before the colon": post(b"Content-Length : 3\r\n", b"abc"),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n", CHUNKS),
    "an empty name": head(GET, b": a\r\n" + HOST),
    "no colon": head(GET, b"X\r\n" + HOST),
    "a name that is none": head(GET, b"X@Y: a\r\n" + HOST),
    "a name in UTF-8": head(GET, b"X\xc3: a\r\n" + HOST),
    "two types": head(GET, HOST + b"Content-Type: a\r\nContent-Type: b\r\n"),
    "two lengths": post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
    "a length twice": post(b"Content-Length: 3\r\n" * 2, b"abc"),
    "a list of lengths": post(b"Content-Length: 3, 3\r\n", b"abc"),
    "a length with plus": post(b"Content-Length: +3\r\n", b"abc"),
    "a length below nothing": post(b"Content-Length: -3\r\n", b"abc"),
    "a length in hex": post(b"Content-Length: 0x3\r\n", b"abc"),
    "a length with an underscore": post(b"Content-Length: 1_0\r\n", b"a" * 10),
    "a length that Python takes for digits": post(b"Content-Length: \xb2\r\n", b"ab"),
    "a length of a tab": post(b"Content-Length: \x0b3\r\n", b"abc"),
    "a length of thousands of digits": post(b"Content-Length: " + b"9" * 5000 + b"\r\n", b""),
    "an empty length": post(b"Content-Length:\r\n", b""),
    "chunks and a length": post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", CHUNKS),
    "a length and chunks": post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "chunks in HTTP/1.0": head(b"POST /a HTTP/1.0", b"Transfer-Encoding: chunked\r\n", CHUNKS),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
    "chunked in two fields": post(b"Transfer-Encoding: chunked\r\n" * 2, CHUNKS),
    "gzip": post(b"Transfer-Encoding: gzip\r\n", b""),
    "gzip in chunks": post(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    "gzip and chunks in two fields": post(
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", CHUNKS
    ),
    "identity": post(b"Transfer-Encoding: identity\r\n", b""),
    "identity in chunks": post(b"Transfer-Encoding: identity, chunked\r\n", CHUNKS),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n", CHUNKS),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"\r\n', CHUNKS),
    "chunked with a parameter": post(b"Transfer-Encoding: chunked;a=b\r\n", CHUNKS),
    "chunked after a comma": post(b"Transfer-Encoding: ,chunked\r\n", CHUNKS),
    "chunked after a control": post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "no coding": post(b"Transfer-Encoding:\r\n", b""),
    "a chunk in 0x": chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with plus": chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk below nothing": chunked(b"-3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with an underscore": chunked(b"0_3\r\nabc\r\n0\r\n\r\n"),
    "a chunk after a space": chunked(b" 3\r\nabc\r\n0\r\n\r\n"),
    "a chunk before a space": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "a chunk without a size": chunked(b"\r\nabc\r\n0\r\n\r\n"),
    "a chunk that is longer": chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunks with bare LF": chunked(b"3\nabc\n0\n\n"),
    "a chunk before a bare LF": chunked(b"3\r\nabc\n0\r\n\r\n"),
    "a bare LF in an extension": chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "an extension without a name": chunked(b"3;=\r\nabc\r\n0\r\n\r\n"),
    "a trailer that frames": chunked(b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n"),
    "a trailer that is none": chunked(b"3\r\nabc\r\n0\r\nX y\r\n\r\n"),
    "a trailer with a bare LF": chunked(b"3\r\nabc\r\n0\r\nX: y\n\r\n\r\n"),
    "another expectation": head(GET, HOST + b"Expect: a miracle\r\n"),
    "two schemes": head(GET, HOST + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"),
    "a method in lower case": head(b"get /a HTTP/1.1"),
    "a method of one letter": head(b"G /a HTTP/1.1"),
    "a method that is no word": head(b"GE(T /a HTTP/1.1"),
    "a line that is too long": head(b"GET /%s HTTP/1.1" % (b"a" * 9000)),
    "a field that is too long": head(GET, HOST + b"X: %s\r\n" % (b"a" * 9000)),
    "too many fields": head(GET, HOST + b"X: a\r\n" * 200),
}
"""One problem document each, and the end of the connection."""

STATUSES = {
    "another expectation": 417,
    "a line that is too long": 414,
    "a field that is too long": 431,
    "too many fields": 431,
    # RFC 9112, section 6.1: what a server does not implement, and the one 5xx that a client can ask for.
    **dict.fromkeys(["xchunked", "chunked in quotes", "chunked with a parameter"], 501),
    **dict.fromkeys(["chunked after a comma", "no coding"], 501),
}
"""Those that are not 400."""
