"""Bookmarks: an ordinary web app, with its own users and passwords, a cookie, and a page.

    python3 web_app.py --database bookmarks.db --listen 127.0.0.1:8000

Only `begin_sync`, at the end, is about Tidelog: it asks for a token pair for the user who is signed in. It needs three environment
variables: SYNC_URL and SYNC_APP name the server and the app, SYNC_TOKEN is created by `tidelog token create`.
"""

import argparse
import hashlib
import hmac
import html
import json
import os
import secrets
import sqlite3
import urllib.error
import urllib.request
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, salt BLOB NOT NULL, password BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (cookie BLOB PRIMARY KEY, user INTEGER NOT NULL REFERENCES users (id));
"""
FORM = """
<form method=post action={action}><h2>{title}</h2>
<label>Name <input name=name required></label>
<label>Password <input name=password type=password required minlength=8></label>
<button>{title}</button></form>
"""
MAX_BODY = 10_000


def hash_password(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Bookmarks:
    """The app's users and their sessions."""

    def __init__(self, path):
        self.path = path
        with self.database() as database:
            database.executescript(SCHEMA)

    def database(self):
        return sqlite3.connect(self.path)

    def sign_up(self, name, password):
        salt = secrets.token_bytes(16)
        row = (name, salt, hash_password(password, salt))
        with self.database() as database:
            database.execute("INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", row)

    def sign_in(self, name, password):
        """Returns a cookie, or None."""
        with self.database() as database:
            found = database.execute("SELECT id, salt, password FROM users WHERE name = ?", (name,)).fetchone()
            user, salt, expected = found or (None, b"", b"")
            if not hmac.compare_digest(hash_password(password, salt), expected):
                return None
            cookie = secrets.token_urlsafe(32)
            database.execute("INSERT INTO sessions VALUES (?, ?)", (hashlib.sha256(cookie.encode()).digest(), user))
            return cookie

    def user_of(self, cookie):
        """Returns (id, name), or None."""
        query = "SELECT users.id, users.name FROM sessions JOIN users ON users.id = sessions.user WHERE cookie = ?"
        with self.database() as database:
            return database.execute(query, (hashlib.sha256(cookie.encode()).digest(),)).fetchone()


class Page(BaseHTTPRequestHandler):
    app = None

    def user(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("bookmarks")
        return self.app.user_of(cookie.value) if cookie else None

    def do_GET(self):
        if self.path != "/":
            return self.respond(404, "text/plain", "Page not found.")
        user = self.user()
        page = f"<p>Hello, {html.escape(user[1])}." if user else "".join(
            FORM.format(action=action, title=title) for action, title in (("/sign-in", "Sign in"), ("/sign-up", "Sign up"))
        )
        self.respond(200, "text/html; charset=utf-8", f"<!doctype html><title>Bookmarks</title><h1>Bookmarks</h1>{page}")

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY)).decode()
        match self.path:
            case "/sign-up" | "/sign-in":
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self.start_session(form.get("name", ""), form.get("password", ""))
            case "/sync":
                self.send_sync_tokens()
            case _:
                self.respond(404, "text/plain", "Page not found.")

    def start_session(self, name, password):
        try:
            if self.path == "/sign-up":
                self.app.sign_up(name, password)
        except sqlite3.IntegrityError:
            return self.respond(409, "text/plain", "This name is taken.")
        cookie = self.app.sign_in(name, password)
        if cookie is None:
            return self.respond(403, "text/plain", "Wrong name or password.")
        settings = "; HttpOnly; SameSite=Strict; Path=/"
        self.respond(303, "text/plain", "", {"Location": "/", "Set-Cookie": f"bookmarks={cookie}{settings}"})

    def send_sync_tokens(self):
        user = self.user()
        if user is None:
            return self.respond(403, "text/plain", "Sign in first.")
        status, pair = begin_sync(user[0])
        self.respond(status, "application/json", pair)

    def respond(self, status, kind, body, headers=None):
        self.send_response(status)
        body = body.encode()
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def begin_sync(user_id):
    """The only part about Tidelog: a token pair for one of our users, identified by an id that never changes."""
    sessions = f"{os.environ['SYNC_URL']}/api/admin/apps/{os.environ['SYNC_APP']}/sessions"
    headers = {"Authorization": f"Bearer {os.environ['SYNC_TOKEN']}", "Content-Type": "application/json"}
    body = json.dumps({"external_id": str(user_id)}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(sessions, body, headers), timeout=10) as response:
            return 200, response.read().decode()
    except urllib.error.URLError as error:
        print(f"cannot start sync for user {user_id}: {error}", flush=True)
        return 503, json.dumps({"error": "sync is not available"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="bookmarks.db")
    parser.add_argument("--listen", default="127.0.0.1:8000")
    arguments = parser.parse_args()
    host, port = arguments.listen.rsplit(":", 1)
    Page.app = Bookmarks(arguments.database)
    server = ThreadingHTTPServer((host, int(port)), Page)
    print(f"http://{host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
