import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = parse_qs(urlsplit(self.path).query)
        text = f"{self.command} {query['id'][0]} {body.decode()}\n".encode()
        self.send_response(200)  # it writes the log as well
        time.sleep(int(query.get("wait", ["0"])[0]) / 1000)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET


ThreadingHTTPServer(("127.0.0.1", {{.Port}}), Handler).serve_forever()
